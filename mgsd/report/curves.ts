/** The log as curves: which metrics share a plot, and their points, few enough for a page. */
import type { StageName } from '../method/stages/stage.js';
import { lineColour, plotMarkup, threeDigits } from '../pictures/chart.js';
import { fold, html, jsonForScript, table, trusted } from '../pictures/html.js';
import type { Html } from '../pictures/html.js';
import type { LogRecord } from '../runs/store.js';
import { createWorldByName, isWorldName } from '../worlds/registry.js';
import { evenly } from './choose.js';
import type { ReportRun } from './run-data.js';

type Scale = 'linear' | 'log' | 'share';

/** What curves are called, by the names of their metrics in the log. */
type Labels = Readonly<Record<string, string>>;

type PlotSpec = readonly [title: string, scale: Scale, metrics: Labels];

/** A metric that is logged for each span: `reverseKlRecap`, ... */
const bySpan = (name: string): Labels => ({
  [`${name}Recap`]: 'recap',
  [`${name}Action`]: 'actions',
  [`${name}Cell`]: 'cells',
});

const heldOut = { 'look.success': 'success', 'look.optimal': 'optimal', 'look.recapExact': 'recap exact' };
const rollouts = { rolloutSuccess: 'success', rolloutOptimal: 'optimal', rolloutRecapExact: 'recap exact' };
const beside = { lossReplay: 'symbolic plans', lossMismatch: 'plans, other pictures', lossQuestions: 'questions' };
const entropies = {
  'look.entropy': 'student, held-out',
  studentEntropy: 'student, rollouts',
  teacherEntropy: 'teacher',
};
const lengths = { responseLength: 'mean', responseLengthMin: 'shortest', responseLengthMax: 'longest' };

/** Plots that a reader wants first. Metrics of the looks at held-out puzzles begin with `look.`. */
const leading: readonly PlotSpec[] = [
  ['Loss', 'log', { loss: 'loss' }],
  ['Held-out puzzles, greedy', 'share', heldOut],
  ['KL from the oracle by span, held-out puzzles, nats per token', 'log', bySpan('look.oracleKl')],
  [
    'Reverse KL to the teacher by span, nats per token',
    'log',
    { ...bySpan('reverseKl'), reverseKlPlan: 'plan', reverseKl: 'all' },
  ],
  ['Forward KL to the teacher by span, nats per token', 'log', { ...bySpan('forwardKl'), forwardKl: 'all' }],
  ['Loss by span', 'linear', bySpan('loss')],
  ["Loss of the samples beside the stage's own, unweighted", 'log', beside],
  ['Rollouts: training puzzles, sampled', 'share', rollouts],
  ['Entropy, nats per token', 'linear', entropies],
];

/** Plots behind the fold. */
const further: readonly PlotSpec[] = [
  ['Tokens where student and teacher prefer the same one', 'share', { agreement: 'agreement' }],
  ['Tokens left out of the loss', 'share', { maskedShare: 'after a fatal token' }],
  ["Student's probability below the teacher's floor", 'share', { clampedMass: 'probability' }],
  ['Rollouts without an end', 'share', { truncated: 'rollouts' }],
  ['Tokens per rollout', 'linear', lengths],
  ['Gradient norm before clipping', 'log', { gradNorm: 'norm' }],
  ['Loss scale of half precision', 'log', { lossScale: 'factor' }],
  ['Learning rates', 'linear', { visionRate: 'vision', decoderRate: 'decoder' }],
  ['Seconds per update', 'linear', { rolloutSeconds: 'rollouts', updateSeconds: 'scoring, gradients, update' }],
  ['Peak memory so far, bytes', 'log', { deviceBytes: 'tensors', hostBytes: 'process' }],
  ['Puzzles per second', 'linear', { samplesPerSecond: 'puzzles per second' }],
];

/** Metrics that are logged for each world and board size, as `rolloutSuccess maze 4`. */
const byGroup: Labels = {
  rolloutSuccess: 'Rollout success',
  rolloutRecapExact: 'Rollouts with an exact recap',
  recapExact: 'Exact recaps at the gate',
};

/** Plots of metrics that no spec names: those of groups by world, each other one by itself. */
function otherSpecs(names: readonly string[]): PlotSpec[] {
  const specs = new Map<string, PlotSpec>();
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

export interface CurvePlot {
  readonly title: string;
  readonly scale: Scale;
  /** Shown at once, not behind the fold. */
  readonly leads: boolean;
  /** Updates. */
  readonly x: readonly number[];
  readonly curves: readonly Curve[];
}

/**
 * The plots of a stage: of one run a plot per group of metrics; of several runs a plot per metric, one curve a run.
 * Unknown metrics get a plot each.
 */
export function plotsOf(runs: readonly Pick<ReportRun, 'name' | 'log' | 'looks'>[], stage: StageName): CurvePlot[] {
  const logs = runs.map(run => recordsOf(run, stage));
  const records = logs.flat();
  const names = new Set(
    records.flatMap(Object.keys).filter(name => records.some(line => typeof line[name] === 'number')),
  );
  const known = [...leading, ...further];
  const named = new Set(['step', 'skipped', ...known.flatMap(([, , metrics]) => Object.keys(metrics))]);
  const last = Math.max(0, ...records.map(({ step }) => step));
  const bins = Math.min(maximumPoints, last);
  const x = Array.from({ length: bins }, (_, k) => Math.round(((k + 1) * last) / bins));
  return [...known, ...otherSpecs([...names].filter(name => !named.has(name)))].flatMap(spec => {
    const [title, scale, labels] = spec;
    const metrics = Object.entries(labels).filter(([name]) => names.has(name));
    const curve = (run: number, name: string, label: string) => ({
      label,
      ...curveOf(logs[run]!, name, bins, last, scale),
    });
    const plot = { title, scale, leads: leading.includes(spec), x };
    if (runs.length > 1)
      return metrics.map(([name, label]) => ({
        ...plot,
        title: metrics.length > 1 ? `${title}: ${label}` : title,
        curves: runs.map((run, r) => curve(r, name, run.name)),
      }));
    return metrics.length === 0 ? [] : [{ ...plot, curves: metrics.map(([name, label]) => curve(0, name, label)) }];
  });
}

/** What was logged of a stage, and the looks at it as `look.` metrics. */
function recordsOf({ log, looks }: Pick<ReportRun, 'log' | 'looks'>, stage: StageName): LogRecord[] {
  const seen = looks.map(({ stage, step, metrics }) => {
    const named = Object.entries(metrics).map(([name, value]) => [`look.${name}`, value]);
    return { stage, step, ...Object.fromEntries(named) } as LogRecord;
  });
  return [...log, ...seen].filter(record => record.stage === stage);
}

function curveOf(
  log: readonly LogRecord[],
  name: string,
  bins: number,
  last: number,
  scale: Scale,
): Omit<Curve, 'label'> {
  const sums = new Float64Array(bins);
  const counts = new Int32Array(bins);
  for (const { step, [name]: value } of log) {
    if (typeof value !== 'number' || !Number.isFinite(value)) continue;
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil((step * bins) / last) - 1));
    sums[bin]! += value;
    counts[bin]!++;
  }
  const means = Array.from(sums, (sum, k) => (counts[k]! > 0 ? sum / counts[k]! : null));
  const round = (value: number | null) =>
    value === null || (scale === 'log' && value <= 0) ? null : Number(value.toPrecision(4));
  return { raw: means.map(round), smooth: movingMean(means, Math.floor(bins / 30)).map(round) };
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

/** Width and height of a plot, and of the picture around it. */
const size = [360, 180] as const;
const viewBox = '-50 -8 424 212';

/** A piece of a curve, for the legend. */
const swatch = (line: number) =>
  html`<svg class="swatch" viewBox="0 0 18 4" aria-hidden="true">
    <path d="M0 2H18" stroke="${lineColour(line)}" stroke-width="3" ${line > 3 && html`stroke-dasharray="6 4"`} />
  </svg>`;

/** A plot as a figure, told in words and as a table too; the page's script shows the values at the pointer. */
export function plotFigure({ title, scale, x, curves }: CurvePlot): Html {
  const percent = (digits: number) => (share: number) => `${(100 * share).toFixed(digits)} %`;
  const format = scale === 'share' ? percent(1) : threeDigits;
  const show = (value: number | null | undefined) => (typeof value === 'number' ? format(value) : '–');
  const points = (values: Curve['raw']) => values.flatMap((y, k) => (y === null ? [] : [[x[k]!, y] as const]));
  const markup = plotMarkup(
    {
      lines: curves.map(({ label, raw, smooth }, k) => ({
        label,
        raw: points(raw),
        points: points(smooth),
        dashed: k > 3,
      })),
      xRange: [0, x.at(-1)!],
      yScale: scale === 'log' ? 'log' : 'linear',
      ...(scale === 'share' && { yRange: [0, 1], yTick: percent(0) }),
    },
    size,
  );
  const known = (values: Curve['raw']) => values.filter(value => value !== null);
  const values = curves.map(({ label, smooth }) => ({ label, values: smooth.map(y => (y === null ? null : show(y))) }));
  const summary = curves.map(
    ({ label, smooth }) => `${label} from ${show(known(smooth)[0])} to ${show(known(smooth).at(-1))}`,
  );
  return html`<figure class="plot">
    <figcaption>${title}</figcaption>
    <svg viewBox="${viewBox}" role="img" aria-label="${title}: ${summary.join('; ')}.">
      ${trusted(markup)}
      <rect class="cursor" width="1" height="${size[1]}" />
      <rect class="area" width="${size[0]}" height="${size[1]}" />
    </svg>
    <ul class="legend">
      <li>update <output aria-live="off">${x.at(-1)}</output></li>
      ${curves.map(
        ({ label, smooth }, k) =>
          html`<li>${swatch(k)} ${label} <output aria-live="off">${show(known(smooth).at(-1))}</output></li>`,
      )}
    </ul>
    <script type="application/json">
      ${jsonForScript({ x, curves: values })}
    </script>
    ${fold(
      'as a table',
      table(
        title,
        ['update', ...curves.map(({ label }) => label)],
        evenly([...x.keys()], 9).map(k => [x[k], ...curves.map(({ smooth }) => show(smooth[k]))]),
      ),
    )}
  </figure>`;
}
