/** In what form the student is shown the board, a click each; and a picture of a file in its place. */
import { useState } from 'preact/hooks';
import type { RgbImage } from '../../pictures/png.js';
import { Choice } from '../choice.js';
import { messageOf } from '../protocol.js';
import { readPicture } from './question.js';
import type { Input } from './question.js';

export interface InputsProps {
  readonly input: Input;
  readonly imageSize: number;
  /** A picture of a file is there to be chosen. */
  readonly hasFile: boolean;
  readonly onInput: (input: Input) => void;
  readonly onFile: (picture: RgbImage) => void;
}

const inputs: readonly (readonly [Input, string])[] = [
  ['image', 'its picture'],
  ['symbolic', 'the symbols'],
  ['blank', 'a blank picture'],
  ['shuffled', 'the picture of another puzzle'],
];

export function Inputs({ input, imageSize, hasFile, onInput, onFile }: InputsProps) {
  const [problem, setProblem] = useState('');
  const read = (file: File | undefined) => {
    if (file)
      readPicture(file, imageSize).then(
        picture => {
          setProblem('');
          onFile(picture);
        },
        (error: unknown) => setProblem(messageOf(error)),
      );
  };
  const options = hasFile ? [...inputs, ['file', 'the picture of a file'] as const] : inputs;
  return (
    <div
      class="drop"
      onDragOver={event => event.preventDefault()}
      onDrop={event => {
        event.preventDefault(); // the browser would leave the page for the picture
        read(event.dataTransfer?.files[0]);
      }}
    >
      <Choice legend="The student is shown" options={options} value={input} onChoose={onInput} />
      <label>
        A picture of your own, a square PNG, chosen or dropped here:{' '}
        <input
          type="file"
          accept="image/png"
          onChange={event => {
            read(event.currentTarget.files?.[0]);
            event.currentTarget.value = ''; // the same file may be chosen again
          }}
        />
      </label>
      {problem && <p role="alert">{problem}</p>}
    </div>
  );
}
