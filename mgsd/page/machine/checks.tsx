/** Every kernel against its reference: a button, how far it is, and a table of what differs. */
import { useRef, useState } from 'preact/hooks';
import { table } from '../../pictures/html.js';
import { Markup } from '../markup.js';
import type { PanelProps } from '../panel.js';
import { messageOf } from '../protocol.js';
import type { Checked, CheckEvent, Failure } from './check.js';

/** Of each kernel: its tests in Node draw more. */
const calls = 3;

export function Checks({ engine, announce }: PanelProps) {
  const [named, setNamed] = useState('');
  const [place, setPlace] = useState<CheckEvent>();
  const [failures, setFailures] = useState<readonly Failure[]>([]);
  const [outcome, setOutcome] = useState('');
  const running = useRef<AbortController | undefined>(undefined);
  const [isRunning, setRunning] = useState(false);

  const finish = (text: string) => {
    setOutcome(text);
    announce(text);
  };
  const onEvent = (event: CheckEvent) => {
    setPlace(event);
    const { failure } = event;
    if (failure) setFailures(before => [...before, failure]);
  };
  const check = async () => {
    const controller = (running.current = new AbortController());
    setRunning(true);
    setPlace(undefined);
    setFailures([]);
    setOutcome('');
    try {
      const checked = await engine.call('checkKernels', { named, calls }, { onEvent, signal: controller.signal });
      finish(sentence(checked, named));
    } catch (error) {
      finish(controller.signal.aborted ? 'Cancelled: the rest was not checked.' : messageOf(error));
    } finally {
      setRunning(false);
    }
  };
  return (
    <>
      <h2>Is every kernel right here?</h2>
      <p>Each runs on this device, on random calls, and is compared with its reference in f64.</p>
      <div class="row">
        <label>
          Only kernels with this in their names:{' '}
          <input value={named} disabled={isRunning} onInput={event => setNamed(event.currentTarget.value.trim())} />
        </label>
        {isRunning ? (
          <button type="button" onClick={() => running.current?.abort()}>
            Cancel
          </button>
        ) : (
          <button type="button" class="primary" onClick={() => void check()}>
            Check
          </button>
        )}
      </div>
      {place && (
        <p>
          <progress aria-label="Kernels checked" value={place.done} max={place.total} /> {place.done} of {place.total}{' '}
          checked, {failures.length} failed
        </p>
      )}
      {isRunning && !place && <p>Checking the first kernel ...</p>}
      {outcome && <p>{outcome}</p>}
      {failures.length > 0 && (
        <Markup
          of={table(
            'What differs from its reference',
            ['kernel', 'type', 'the first difference'],
            failures.map(({ kernel, dtype, problem }) => [kernel, dtype, problem]),
          )}
        />
      )}
    </>
  );
}

function sentence({ checked, callsEach, failures, device }: Checked, named: string): string {
  if (checked === 0) return `0 checked: no kernel has "${named}" in its name.`;
  const where = `on ${device.backend} (${device.name})`;
  const what = `${checked} checked ${where}, ${callsEach} calls each`;
  if (failures.length === 0) return `${what}: all agree with their references.`;
  return `${what}: ${failures.length} of them do not agree with their references.`;
}
