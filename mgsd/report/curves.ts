/** The log as curves: which figures belong into one plot, and their points, few enough for a page. */
import type { LoggedStep, ReportRun } from './run-data.js';
import type { StageName } from '../method/stages/stage.js';
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
    title: 'Held-out puzzles, solved greedily on the way',
    scale: 'share',
    metrics: [
      ['watch.success', 'success'],
      ['watch.optimal', 'optimal'],
      ['watch.recapExact', 'recap exact'],
    ],
  },
  {
    title: 'KL from the oracle by span, held-out puzzles, nats per token',
    scale: 'log',
    metrics: [
      ['watch.oracleKlRecap', 'recap'],
      ['watch.oracleKlAction', 'actions'],
      ['watch.oracleKlCell', 'cells'],
    ],
  },
  {
    title: 'Reverse KL to the teacher by span, nats per token',
    scale: 'log',
    metrics: [
      ['reverseKlRecap', 'recap'],
      ['reverseKlAction', 'actions'],
      ['reverseKlCell', 'cells'],
      ['reverseKlPlan', 'plan'],
      ['reverseKl', 'all'],
    ],
  },
  {
    title: 'Forward KL to the teacher by span, nats per token',
    scale: 'log',
    metrics: [
      ['forwardKlRecap', 'recap'],
      ['forwardKlAction', 'actions'],
      ['forwardKlCell', 'cells'],
      ['forwardKl', 'all'],
    ],
  },
  {
    title: 'What the loss is made of, by span',
    scale: 'linear',
    metrics: [
      ['lossRecap', 'recap'],
      ['lossAction', 'actions'],
      ['lossCell', 'cells'],
      ['policyLoss', 'task reward'],
    ],
  },
  {
    title: 'Rollouts of the student (sampled, training puzzles)',
    scale: 'share',
    metrics: [
      ['rolloutSuccess', 'success'],
      ['rolloutOptimal', 'optimal'],
      ['rolloutRecapExact', 'recap exact'],
    ],
  },
  {
    title: 'Entropy, nats per token',
    scale: 'linear',
    metrics: [
      ['watch.entropy', 'held-out puzzles'],
      ['studentEntropy', 'student, its rollouts'],
      ['teacherEntropy', 'teacher, the same'],
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
      ['clampedAdvantages', 'advantages at the clamp'],
      ['truncated', 'rollouts without an end'],
    ],
  },
  {
    title: 'Advantage of sampled tokens, nats',
    scale: 'linear',
    metrics: [
      ['advantageMean', 'mean'],
      ['advantageDeviation', 'standard deviation'],
    ],
  },
  {
    title: 'Task reward',
    scale: 'share',
    metrics: [
      ['reward', 'mean reward'],
      ['groupsWithoutSignal', 'puzzles whose rollouts all fare alike'],
    ],
  },
  { title: 'Sequences that the student wrote', scale: 'share', metrics: [['onPolicyShare', 'share']] },
  {
    title: 'Tokens per rollout',
    scale: 'linear',
    metrics: [
      ['responseLength', 'mean'],
      ['responseLengthMin', 'shortest'],
      ['responseLengthMax', 'longest'],
    ],
  },
  {
    title: 'Norm of the gradient before clipping',
    scale: 'log',
    metrics: [['gradNorm', 'norm']],
  },
  { title: 'Loss scale of half precision', scale: 'log', metrics: [['lossScale', 'factor']] },
  {
    title: 'Learning rates',
    scale: 'linear',
    metrics: [
      ['learningRate', 'decoder'],
      ['visionRate', 'vision'],
      ['decoderRate', 'decoder'],
    ],
  },
  {
    title: 'Where the time of an update goes, seconds',
    scale: 'linear',
    metrics: [
      ['rolloutSeconds', 'rollouts'],
      ['packSeconds', 'packing the batch'],
      ['updateSeconds', 'scoring, gradients and update'],
    ],
  },
  {
    title: 'Largest use of memory so far, bytes',
    scale: 'log',
    metrics: [
      ['deviceBytes', 'tensors'],
      ['hostBytes', 'process'],
    ],
  },
  { title: 'Speed, puzzles per second', scale: 'linear', metrics: [['samplesPerSecond', 'puzzles per second']] },
];

/** Plots that a reader wants first; the others stand behind a fold. */
const leading = 8;

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
  /** Stands among the first, not behind the fold. */
  readonly leads: boolean;
  /** Updates. */
  readonly x: readonly number[];
  readonly curves: readonly Curve[];
}

/**
 * The plots of a stage: of one run a plot per group of metrics; of several runs a plot per metric, one curve a run.
 * Metrics that this program does not know get plots of their own.
 */
export function plotsOf(runs: readonly ReportRun[], stage: StageName): Plot[] {
  const logs = runs.map(run => linesOf(run, stage));
  const logged = new Set(logs.flat().flatMap(({ metrics }) => Object.keys(metrics)));
  const known = specs.flatMap(({ metrics }) => metrics.map(([name]) => name));
  const others = [...logged]
    .filter(name => !known.includes(name) && !notPlotted.includes(name))
    .map<Spec>(name => ({ title: name, scale: 'linear', metrics: [[name, name]] }));
  const wanted = [...specs, ...others].flatMap(spec => {
    const metrics = spec.metrics.filter(([name]) => logged.has(name));
    const leads = specs.slice(0, leading).includes(spec);
    if (runs.length === 1) return metrics.length > 0 ? [{ ...spec, leads, metrics }] : [];
    return metrics.map(metric => ({
      ...spec,
      leads,
      title: metrics.length > 1 ? `${spec.title}: ${metric[1]}` : spec.title,
      metrics: [metric],
    }));
  });
  const last = Math.max(0, ...logs.flat().map(({ step }) => step));
  return wanted.map(({ title, scale, leads, metrics }) => {
    const bins = Math.min(maximumPoints, last);
    const curves = logs.flatMap((log, r) =>
      metrics.map(([name, label]) => curveOf(log, name, runs.length > 1 ? runs[r]!.name : label, bins, last, scale)),
    );
    return {
      title,
      scale,
      leads,
      x: Array.from({ length: bins }, (_, k) => Math.round(((k + 1) * last) / bins)),
      curves,
    };
  });
}

/** What was logged of a stage, and what was seen of it in between, as `watch.` metrics. */
function linesOf({ log, looks }: ReportRun, stage: StageName): LoggedStep[] {
  const seen = looks
    .filter(entry => entry.stage === stage)
    .map<LoggedStep>(({ step, metrics }) => {
      const named = Object.entries(metrics).flatMap(([name, value]) => (value === null ? [] : [[`watch.${name}`, value] as const])); // prettier-ignore
      return { stage, step, metrics: Object.fromEntries(named) };
    });
  return [...log.filter(line => line.stage === stage), ...seen];
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
