/** Something that takes a while in the worker: started, watched, cancelled. */
import { useRef, useState } from 'preact/hooks';
import type { CallOptions } from '../protocol.js';
import { messageOf } from '../protocol.js';

export interface Task<E, R> {
  readonly isRunning: boolean;
  /** The last event. */
  readonly place: E | undefined;
  readonly result: R | undefined;
  /** How it ended, in a sentence. */
  readonly outcome: string;
  readonly run: (body: (options: CallOptions<E>) => Promise<readonly [result: R, sentence: string]>) => Promise<void>;
  readonly cancel: () => void;
}

export function useTask<E, R>(announce: (text: string) => void): Task<E, R> {
  const running = useRef<AbortController | undefined>(undefined);
  const [isRunning, setRunning] = useState(false);
  const [place, setPlace] = useState<E>();
  const [result, setResult] = useState<R>();
  const [outcome, setOutcome] = useState('');
  const finish = (text: string) => {
    setOutcome(text);
    announce(text);
  };
  const run: Task<E, R>['run'] = async body => {
    const { signal } = (running.current = new AbortController());
    setRunning(true);
    setPlace(undefined);
    setResult(undefined);
    setOutcome('');
    try {
      const [value, sentence] = await body({ onEvent: setPlace, signal });
      setResult(() => value);
      finish(sentence);
    } catch (error) {
      finish(signal.aborted ? 'Cancelled: the rest was not done.' : messageOf(error));
    } finally {
      setRunning(false);
    }
  };
  return { isRunning, place, result, outcome, run, cancel: () => running.current?.abort() };
}

interface ButtonProps {
  readonly task: Pick<Task<never, never>, 'isRunning' | 'cancel'>;
  readonly title: string;
  readonly onStart: () => void;
}

/** Starts it, or cancels it while it runs. */
export function StartButton({ task, title, onStart }: ButtonProps) {
  if (task.isRunning)
    return (
      <button type="button" onClick={task.cancel}>
        Cancel
      </button>
    );
  return (
    <button type="button" class="primary" onClick={onStart}>
      {title}
    </button>
  );
}
