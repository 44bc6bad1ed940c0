/** What the student gets to see: its picture enlarged, and at its true size in both looks; or the symbols. */
import { tokensToText } from '../../../models/vocabulary.js';
import { imageUrl } from '../../pictures/draw.js';
import { Choice } from '../choice.js';
import type { Look, Question } from './question.js';

export interface PicturesProps {
  readonly question: Question;
  /** Side of the picture in pixels. */
  readonly imageSize: number;
  readonly onLook: (look: Look) => void;
}

const looks = [
  ['training', 'the look of training'],
  ['held-out', 'a look never trained on'],
] as const;

export function Pictures({ question, imageSize, onLook }: PicturesProps) {
  const { world, board, input, picture, look } = question;
  const url = (data: Uint8Array) => imageUrl({ width: imageSize, height: imageSize, data });
  if (!picture)
    return (
      <p>
        The student sees no picture. It reads: <code>{tokensToText(world.recap(board))}</code>
      </p>
    );
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
        What the student sees, enlarged.
        {input === 'image' && ` At its true size, ${imageSize} × ${imageSize} pixels:`}
      </figcaption>
      {input === 'image' && <Choice legend="Look" options={options} value={look} onChoose={onLook} />}
    </figure>
  );
}
