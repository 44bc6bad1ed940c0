/** Every kernel against its reference: a button, how far it is, and a table of what differs. */
import { useState } from 'preact/hooks';
import { table } from '../../pictures/html.js';
import { Markup } from '../markup.js';
import type { PanelProps } from '../panel.js';
import type { Checked, CheckEvent } from './check.js';
import { StartButton, useTask } from './task.js';

/** Of each kernel: its tests in Node draw more. */
const calls = 3;

export interface ChecksProps extends PanelProps {
  readonly onChecked: (checked: Checked) => void;
}

export function Checks({ engine, announce, onChecked }: ChecksProps) {
  const [named, setNamed] = useState('');
  const task = useTask<CheckEvent, Checked>(announce);
  const { isRunning, place, outcome } = task;
  const start = () =>
    void task.run(async options => {
      const checked = await engine.call('checkKernels', { named, calls }, options);
      onChecked(checked);
      return [checked, sentence(checked, named)];
    });
  const failures = place?.failures ?? [];
  return (
    <>
      <h2>Is every kernel right here?</h2>
      <p>Each runs on this device, on random calls, and is compared with its reference in f64.</p>
      <div class="row">
        <label>
          Only kernels with this in their names:{' '}
          <input value={named} disabled={isRunning} onInput={event => setNamed(event.currentTarget.value.trim())} />
        </label>
        <StartButton task={task} title="Check" onStart={start} />
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
