/** Which model the page plans with, and another one in its place. */
import { useState } from 'preact/hooks';
import type { Engine } from './engine.js';
import { messageOf } from './protocol.js';
import type { NamedFile } from './student.js';

export interface StudentProps {
  /** What it is; undefined for the packaged one. */
  readonly student: string | undefined;
  readonly onStudent: (student: string | undefined) => void;
}

/** Hands a checkpoint to the worker, undefined: the packaged student. @throws Error if it is none */
export async function takeStudent(engine: Engine, file: NamedFile | undefined): Promise<string | undefined> {
  const title = await engine.call('openStudent', file);
  return file && title;
}

export function StudentLine({ engine, student, onStudent }: StudentProps & { readonly engine: Engine }) {
  const [problem, setProblem] = useState('');
  const take = async (file?: File) => {
    try {
      const named = file && { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
      onStudent(await takeStudent(engine, named));
      setProblem('');
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  const choose = ({ files }: HTMLInputElement) => {
    if (files?.[0]) void take(files[0]);
  };
  return (
    <details class="device">
      <summary>Plans with {student ?? 'the packaged student'}</summary>
      <div class="row">
        <label>
          Another checkpoint, of this page or of the command line{' '}
          <input type="file" accept=".safetensors" onChange={event => choose(event.currentTarget)} />
        </label>
        {student !== undefined && (
          <button type="button" onClick={() => void take()}>
            The packaged student
          </button>
        )}
      </div>
      {problem && (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
    </details>
  );
}
