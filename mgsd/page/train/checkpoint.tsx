/** The newest checkpoint of the run: as a file, or to plan with. */
import { useState } from 'preact/hooks';
import { messageOf } from '../protocol.js';
import { saveFile } from '../save.js';
import type { NamedFile } from '../student.js';

interface Props {
  readonly newest: () => Promise<NamedFile>;
  readonly onPlan: (file: NamedFile) => Promise<void>;
}

export function CheckpointButtons({ newest, onPlan }: Props) {
  const [problem, setProblem] = useState('');
  const use = (then: (file: NamedFile) => Promise<void> | void) => () => {
    setProblem('');
    newest()
      .then(then)
      .catch((error: unknown) => setProblem(messageOf(error)));
  };
  return (
    <>
      <button type="button" onClick={use(({ name, bytes }) => saveFile(name, bytes))}>
        Save the checkpoint
      </button>
      <button type="button" onClick={use(onPlan)}>
        Plan with it
      </button>
      {problem && (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}
