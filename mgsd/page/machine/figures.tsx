/** How fast this device is: a button, and a table of figures as they come. */
import { table } from '../../pictures/html.js';
import { Markup } from '../markup.js';
import type { PanelProps } from '../panel.js';
import type { Figure, Measured, MeasureEvent } from './measure.js';
import { StartButton, useTask } from './task.js';

export interface FiguresProps extends PanelProps {
  readonly onMeasured: (measured: Measured) => void;
}

export function Figures({ engine, announce, onMeasured }: FiguresProps) {
  const task = useTask<MeasureEvent, Measured>(announce);
  const { place, result, outcome } = task;
  const start = () =>
    void task.run(async options => {
      const measured = await engine.call('measureMachine', undefined, options);
      onMeasured(measured);
      const { backend, name } = measured.device;
      return [measured, `Measured on ${backend} (${name}).`];
    });
  const figures = result?.figures ?? place?.figures ?? [];
  return (
    <>
      <h2>How fast is it?</h2>
      <p>Medians of half a second each. What else runs on this machine or in this page slows them down.</p>
      <div class="row">
        <StartButton task={task} title="Measure" onStart={start} />
      </div>
      {place && task.isRunning && (
        <p>
          <progress aria-label="Figures measured" value={place.done} max={place.total} /> {place.done} of {place.total}{' '}
          measured
        </p>
      )}
      {outcome && <p>{outcome}</p>}
      {figures.length > 0 && <Markup of={table('Speed', ['what', 'how much', 'unit'], figures.map(rowOf))} />}
    </>
  );
}

const rowOf = ({ what, value, unit }: Figure) =>
  [what, value >= 100 ? String(Math.round(value)) : value.toPrecision(3), unit] as const;
