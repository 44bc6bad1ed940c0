/** The log as curves: which figures belong into one plot, and their points, few enough for a page. */
import type { LoggedStep, ReportRun } from './run-data.js';
import type { StageName } from '../stages/stage.js';
import { html, jsonForScript } from './html.js';
import type { Html } from './html.js';

/** One plot. */
interface Spec {
  readonly title: string;
  readonly scale: 'linear' | 'log' | 'share';
  readonly metrics: readonly (readonly [name: string, label: string])[];
}

const specs: readonly Spec[] = [
  { title: 'Loss', scale: 'log', metrics: [['loss', 'loss']] },
  {
    title: 'Divergence from the teacher, nats per token',
    scale: 'log',
    metrics: [
      ['reverseKlRecap', 'reverse KL, recap'],
      ['reverseKlPlan', 'reverse KL, plan'],
      ['reverseKl', 'reverse KL, all'],
      ['forwardKl', 'forward KL, all'],
    ],
  },
  {
    title: 'Rollouts of the student (sampled, training puzzles)',
    scale: 'share',
    metrics: [
      ['rolloutSuccess', 'success'],
      ['rolloutRecapExact', 'recap exact'],
    ],
  },
  {
    title: 'Entropy, nats per token',
    scale: 'linear',
    metrics: [
      ['studentEntropy', 'student'],
      ['teacherEntropy', 'teacher'],
    ],
  },
  {
    title: 'Student and teacher agree on the likeliest token',
    scale: 'share',
    metrics: [['agreement', 'agreement']],
  },
  {
    title: 'Left out of the loss, and cut off',
    scale: 'share',
    metrics: [
      ['maskedShare', 'tokens after a fatal one'],
      ['clampedMass', 'probability below the floor'],
      ['truncated', 'rollouts without an end'],
    ],
  },
  { title: 'Tokens per rollout', scale: 'linear', metrics: [['responseLength', 'tokens']] },
  { title: 'Norm of the gradient, before clipping', scale: 'log', metrics: [['gradNorm', 'norm']] },
  { title: 'Speed, puzzles per second', scale: 'linear', metrics: [['samplesPerSecond', 'puzzles per second']] },
];

/** Logged, but not worth a plot of its own; skipped updates are told in words. */
const notPlotted = ['skipped'];

/** At most this many points a curve. */
const maximumPoints = 300;

/** A curve: for every x the mean of the steps around it, and a smooth version. */
export interface Curve {
  readonly label: string;
  readonly raw: readonly (number | null)[];
  readonly smooth: readonly (number | null)[];
}

export interface Plot {
  readonly title: string;
  readonly scale: Spec['scale'];
  /** Updates. */
  readonly x: readonly number[];
  readonly curves: readonly Curve[];
}

/**
 * The plots of a stage: of one run a plot per group of metrics; of several runs a plot per metric, one curve a run.
 * Metrics that this program does not know get plots of their own.
 */
export function plotsOf(runs: readonly ReportRun[], stage: StageName): Plot[] {
  const logs = runs.map(({ log }) => log.filter(line => line.stage === stage));
  const logged = new Set(logs.flat().flatMap(({ metrics }) => Object.keys(metrics)));
  const known = specs.flatMap(({ metrics }) => metrics.map(([name]) => name));
  const others = [...logged]
    .filter(name => !known.includes(name) && !notPlotted.includes(name))
    .map<Spec>(name => ({ title: name, scale: 'linear', metrics: [[name, name]] }));
  const wanted = [...specs, ...others].flatMap(spec => {
    const metrics = spec.metrics.filter(([name]) => logged.has(name));
    if (runs.length === 1) return metrics.length > 0 ? [{ ...spec, metrics }] : [];
    return metrics.map(metric => ({
      ...spec,
      title: metrics.length > 1 ? `${spec.title}: ${metric[1]}` : spec.title,
      metrics: [metric],
    }));
  });
  const last = Math.max(0, ...logs.flat().map(({ step }) => step));
  return wanted.map(({ title, scale, metrics }) => {
    const bins = Math.min(maximumPoints, last);
    const curves = logs.flatMap((log, r) =>
      metrics.map(([name, label]) => curveOf(log, name, runs.length > 1 ? runs[r]!.name : label, bins, last, scale)),
    );
    return { title, scale, x: Array.from({ length: bins }, (_, k) => Math.round(((k + 1) * last) / bins)), curves };
  });
}

function curveOf(
  log: readonly LoggedStep[],
  name: string,
  label: string,
  bins: number,
  last: number,
  scale: Spec['scale'],
): Curve {
  const sums = new Float64Array(bins);
  const counts = new Int32Array(bins);
  for (const { step, metrics } of log) {
    const value = metrics[name];
    if (value === undefined || !Number.isFinite(value)) continue;
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil((step * bins) / last) - 1));
    sums[bin]! += value;
    counts[bin]!++;
  }
  const means = Array.from(sums, (sum, k) => (counts[k]! > 0 ? sum / counts[k]! : null));
  const round = (value: number | null) =>
    value === null || (scale === 'log' && value <= 0) ? null : Number(value.toPrecision(4));
  const window = Math.floor(bins / 30);
  return { label, raw: means.map(round), smooth: movingMean(means, window).map(round) };
}

/** The mean of up to `reach` values on either side; at the ends the window shrinks evenly, so that it stays centred. */
export function movingMean(values: readonly (number | null)[], reach: number): (number | null)[] {
  return values.map((value, k) => {
    if (value === null) return null;
    const r = Math.min(reach, k, values.length - 1 - k);
    const near = values.slice(k - r, k + r + 1).filter(other => other !== null);
    return near.reduce((sum, other) => sum + other, 0) / near.length;
  });
}

/** A plot as a figure: drawn by the page's script, told in words and as a table for everybody else. */
export function plotFigure({ title, scale, x, curves }: Plot, id: string): Html {
  const show = (value: number | null | undefined) => {
    if (value === null || value === undefined) return '–';
    return scale === 'share' ? `${(100 * value).toFixed(1)} %` : String(Number(value.toPrecision(3)));
  };
  const summary = curves
    .map(
      ({ label, smooth }) =>
        `${label} from ${show(smooth.find(v => v !== null))} to ${show(smooth.findLast(v => v !== null))}`,
    )
    .join('; ');
  const rows = Math.min(9, x.length);
  const picked = Array.from({ length: rows }, (_, k) => Math.round((k * (x.length - 1)) / Math.max(1, rows - 1)));
  return html`<figure class="plot" id="${id}">
    <figcaption>${title}</figcaption>
    <div class="canvas" role="img" aria-label="${title}: ${summary}."></div>
    <script type="application/json">
      ${jsonForScript({ scale, x, curves })}
    </script>
    <details>
      <summary>as a table</summary>
      <div class="scroll" role="group" aria-label="${title}, as a table" tabindex="0">
        <table>
          <thead>
            <tr>
              <th scope="col">update</th>
              ${curves.map(({ label }) => html`<th scope="col">${label}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${picked.map(
              k =>
                html`<tr>
                  <th scope="row">${x[k]}</th>
                  ${curves.map(({ smooth }) => html`<td>${show(smooth[k])}</td>`)}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>
  </figure>`;
}
