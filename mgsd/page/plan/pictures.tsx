/** The picture that the student gets: enlarged, and at its true size in both looks. */
import { imageUrl } from '../../pictures/draw.js';
import { Choice } from '../choice.js';
import type { Look, Question } from './question.js';

export interface PicturesProps {
  readonly question: Question;
  /** Side of the picture in pixels. */
  readonly imageSize: number;
  readonly look: Look;
  readonly onLook: (look: Look) => void;
}

const looks = [
  ['training', 'the look of training'],
  ['held-out', 'a look never trained on'],
] as const;

export function Pictures({ question, imageSize, look, onLook }: PicturesProps) {
  const { world, board, picture } = question;
  const url = (data: Uint8Array) => imageUrl({ width: imageSize, height: imageSize, data });
  const options = looks.map(([name, words]) => {
    const src = url(world.render(board, imageSize, name));
    const label = (
      <>
        <img src={src} width={imageSize} height={imageSize} alt="" /> {words}
      </>
    );
    return [name, label] as const;
  });
  return (
    <figure>
      <img src={url(picture)} alt={`What the student sees, ${imageSize} × ${imageSize} pixels`} />
      <figcaption>
        What the student sees, enlarged. At its true size, {imageSize} × {imageSize} pixels:
      </figcaption>
      <Choice legend="Look" options={options} value={look} onChoose={onLook} />
    </figure>
  );
}
