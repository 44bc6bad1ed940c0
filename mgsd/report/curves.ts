/** The log as curves: which figures belong into one plot, and their points, few enough for a page. */
import type { LoggedStep, ReportRun } from './run-data.js';
import type { StageName } from '../method/stages/stage.js';
import { createWorldByName, isWorldName } from '../worlds/registry.js';
import { html, jsonForScript, table } from '../pictures/html.js';
import type { Html } from '../pictures/html.js';

type Scale = 'linear' | 'log' | 'share';

/** One plot: its title, its axis, and the names of its metrics in the log with their labels. */
type Spec = readonly [title: string, scale: Scale, metrics: Readonly<Record<string, string>>];

/** Plots that a reader wants first; `watch.` metrics are those of the held-out puzzles. */
const leading: readonly Spec[] = [
  ['Loss', 'log', { loss: 'loss' }],
  [
    'Held-out puzzles, solved greedily on the way',
    'share',
    { 'watch.success': 'success', 'watch.optimal': 'optimal', 'watch.recapExact': 'recap exact' },
  ],
  [
    'KL from the oracle by span, held-out puzzles, nats per token',
    'log',
    { 'watch.oracleKlRecap': 'recap', 'watch.oracleKlAction': 'actions', 'watch.oracleKlCell': 'cells' },
  ],
  ['Reverse KL to the teacher by span, nats per token', 'log', spans('reverseKl')],
  ['Forward KL to the teacher by span, nats per token', 'log', spans('forwardKl')],
  [
    'What the loss is made of, by span',
    'linear',
    { lossRecap: 'recap', lossAction: 'actions', lossCell: 'cells', policyLoss: 'task reward' },
  ],
  [
    'Rollouts of the student (sampled, training puzzles)',
    'share',
    { rolloutSuccess: 'success', rolloutOptimal: 'optimal', rolloutRecapExact: 'recap exact' },
  ],
  [
    'Entropy, nats per token',
    'linear',
    {
      'watch.entropy': 'held-out puzzles',
      studentEntropy: 'student, its rollouts',
      teacherEntropy: 'teacher, the same',
    },
  ],
];

/** Plots behind the fold. */
const further: readonly Spec[] = [
  ['Student and teacher agree on the likeliest token', 'share', { agreement: 'agreement' }],
  [
    'Left out of the loss, and cut off',
    'share',
    {
      maskedShare: 'tokens after a fatal one',
      clampedMass: 'probability below the floor',
      clampedAdvantages: 'advantages at the clamp',
      truncated: 'rollouts without an end',
    },
  ],
  ['Advantage of sampled tokens, nats', 'linear', { advantageMean: 'mean', advantageDeviation: 'standard deviation' }],
  ['Task reward', 'share', { reward: 'mean reward', groupsWithoutSignal: 'puzzles whose rollouts all fare alike' }],
  ['Sequences that the student wrote', 'share', { onPolicyShare: 'share' }],
  [
    'Tokens per rollout',
    'linear',
    { responseLength: 'mean', responseLengthMin: 'shortest', responseLengthMax: 'longest' },
  ],
  ['Norm of the gradient before clipping', 'log', { gradNorm: 'norm' }],
  ['Loss scale of half precision', 'log', { lossScale: 'factor' }],
  ['Learning rates', 'linear', { learningRate: 'decoder', visionRate: 'vision', decoderRate: 'decoder' }],
  [
    'Where the time of an update goes, seconds',
    'linear',
    { rolloutSeconds: 'rollouts', packSeconds: 'packing', updateSeconds: 'scoring, gradients and update' },
  ],
  ['Peak memory so far, bytes', 'log', { deviceBytes: 'tensors', hostBytes: 'process' }],
  ['Speed, puzzles per second', 'linear', { samplesPerSecond: 'puzzles per second' }],
];

function spans(name: string): Spec[2] {
  return {
    [`${name}Recap`]: 'recap',
    [`${name}Action`]: 'actions',
    [`${name}Cell`]: 'cells',
    [`${name}Plan`]: 'plan',
    [name]: 'all',
  };
}

/** Metrics that are logged for each world and board size, as `rolloutSuccess maze 4`. */
const byGroup: Readonly<Record<string, string>> = {
  rolloutSuccess: 'Rollout success',
  rolloutRecapExact: 'Rollouts with an exact recap',
  recapExact: 'Exact recaps at the gate',
};

/** Plots of metrics that no spec names: by world for those of groups, each by itself for any other but `skipped`. */
function specsOf(names: readonly string[]): Spec[] {
  const specs = new Map<string, Spec>();
  for (const name of names) {
    const [, metric = '', world = '', size = ''] = /^(\w+) (\w+) (\d+)$/.exec(name) ?? [];
    const isGroup = byGroup[metric] !== undefined && isWorldName(world);
    const title = isGroup ? `${byGroup[metric]!}, ${createWorldByName(world).title}` : name;
    const metrics = { ...specs.get(title)?.[2], [name]: isGroup ? `${size} × ${size}` : name };
    specs.set(title, [title, isGroup ? 'share' : 'linear', metrics]);
  }
  return [...specs.values()];
}

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
  readonly scale: Scale;
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
  const known = [...leading, ...further];
  const named = new Set(['skipped', ...known.flatMap(([, , metrics]) => Object.keys(metrics))]);
  const others = specsOf([...logged].filter(name => !named.has(name)));
  const wanted = [...known, ...others].flatMap(spec => {
    const [title, scale, labels] = spec;
    const metrics = Object.entries(labels).filter(([name]) => logged.has(name));
    const plot = { title, scale, leads: leading.includes(spec) };
    if (runs.length === 1) return metrics.length > 0 ? [{ ...plot, metrics }] : [];
    return metrics.map(metric => ({
      ...plot,
      title: metrics.length > 1 ? `${title}: ${metric[1]}` : title,
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
  const watched = looks
    .filter(entry => entry.stage === stage)
    .map<LoggedStep>(({ step, metrics }) => {
      const seen = Object.entries(metrics).flatMap(([name, value]) =>
        value === null ? [] : [[`watch.${name}`, value]],
      );
      return { stage, step, metrics: Object.fromEntries(seen) as Record<string, number> };
    });
  return [...log.filter(line => line.stage === stage), ...watched];
}

function curveOf(
  log: readonly LoggedStep[],
  name: string,
  label: string,
  bins: number,
  last: number,
  scale: Scale,
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
      ${table(
        `${title}, as a table`,
        ['update', ...curves.map(({ label }) => label)],
        picked.map(k => [x[k], ...curves.map(({ smooth }) => show(smooth[k]))]),
      )}
    </details>
  </figure>`;
}
