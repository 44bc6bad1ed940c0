/**
 * Roofline table: every kernel of a training step and a rollout, as the default run launches it, beside what the
 * machine can do at most. `npm run bench -- --device wasm --json bench/results/kernels-wasm.json --readme`
 *
 * Launches and operand values are captured from real steps. Each launch is checked against the reference, then timed
 * alone.
 */
import { median, number, table } from './gpu/format.js';
import { benchCommand, progress, readmeOption, resultOptions, secondsOption, wrapped } from './command.js';
import { machineOf, openBenchDevice, spreadOf, time, timingOf, writeReadme, writeResult } from './harness.js';
import type { Timing } from './harness.js';
import { Captures, Loaded } from './roofline/capture.js';
import type { Captured } from './roofline/capture.js';
import { captureSteps, productError, squares, workOf } from './roofline/cases.js';
import { boundOf, highest, slowPartOf } from './roofline/ceilings.js';
import type { Bound, Ceilings } from './roofline/ceilings.js';
import { measureCeilings } from './roofline/measure.js';
import { commaList, oneOf, option } from '../mgsd/cli/options.js';
import { bytesPerElement, kernels } from '../kernels/index.js';
import type { Device } from '../core/index.js';

interface Row {
  readonly kernel: string;
  readonly params: Readonly<Record<string, number>>;
  /** Launches per step, by caller; empty for products listed for comparison only. */
  readonly calls: Readonly<Record<string, number>>;
  readonly timing: Timing;
  readonly gflops: number;
  /** Of the least traffic. */
  readonly gigabytesPerSecond: number;
  /** Operations per byte of the least traffic. */
  readonly intensity: number;
  /** Largest relative error, or share of different tokens. */
  readonly error: number;
  readonly bound?: Bound;
  /** Time at the bound over the median time. */
  readonly share?: number;
}

/** Minimum milliseconds per sample, so that the fence at its end is negligible. */
const sampleMilliseconds = { wasm: 0.5, webgpu: 3, cpu: 0 } as const;
/** Relative errors above this are wrong results: the kernels' own tolerances are smaller. */
const largestError = 2e-3;
/** Largest accepted share of tokens that rounding draws differently. */
const largestShareOfDraws = 0.02;

/** Milliseconds of a launch, roughly. */
async function quickest(device: Device, launch: () => void): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < 4; i++) {
    const start = performance.now();
    launch();
    await device.finish();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

/** Launches that update counters or end sequences start every sample from the same state. */
async function timeFromStart(device: Device, loaded: Loaded, seconds: number): Promise<Timing> {
  const samples: number[] = [];
  for (let spent = 0; spent < 1000 * seconds || samples.length < 12;) {
    loaded.restore();
    await device.finish();
    const start = performance.now();
    loaded.launch();
    await device.finish();
    samples.push(performance.now() - start);
    spent += samples.at(-1)!;
  }
  return timingOf(samples);
}

async function measureLaunch(
  device: Device,
  captured: Captured,
  seconds: number,
): Promise<Omit<Row, 'bound' | 'share'>> {
  const { kernel, params, calls, buffers } = captured;
  const loaded = new Loaded(device, captured);
  const isProduct = kernel.name.startsWith('matmul') && params['batch'] === 1;
  const error = isProduct ? await productError(loaded, captured) : await loaded.error();
  if (!(error <= (loaded.consumesItsState ? largestShareOfDraws : largestError))) {
    console.error(`${kernel.name}(${JSON.stringify(params)}) is WRONG: an error of ${error}`);
    process.exitCode = 1;
  }
  const { flops, elements } = await workOf(loaded, captured);
  let timing: Timing;
  if (loaded.consumesItsState) timing = await timeFromStart(device, loaded, seconds);
  else {
    loaded.restore();
    const repeat = Math.ceil(sampleMilliseconds[device.capabilities.backend] / (await quickest(device, loaded.launch)));
    timing = await time(device, loaded.launch, Math.max(1, Math.min(200, repeat)), seconds);
  }
  loaded.free();
  // what a launch moves is counted in elements; the size of most of its floats is that of the largest operand's
  const largest = buffers.reduce((a, b) => (b.length > a.length ? b : a));
  const bytes = elements * bytesPerElement[largest.dtype];
  return {
    kernel: kernel.name,
    params,
    calls,
    timing,
    error,
    intensity: flops / bytes,
    gflops: flops / timing.median / 1e6,
    gigabytesPerSecond: bytes / timing.median / 1e6,
  };
}

function withBound(row: Row, ceilings: Ceilings | undefined): Row {
  if (!ceilings) return row;
  const bytes = row.gigabytesPerSecond * row.timing.median * 1e6;
  const bound = boundOf(ceilings, row.gflops * row.timing.median * 1e6, bytes);
  return { ...row, bound, share: bound.milliseconds / row.timing.median };
}

const percent = (share: number | undefined) => (share === undefined ? '-' : String(Math.round(100 * share)));
const shown =
  'batch m n k sequences heads headDim maxQueries outer axis inner rows cols count inputs outputs width layers steps'.split(
    ' ',
  );

function cellsOf({
  kernel,
  params,
  calls,
  timing,
  gflops,
  gigabytesPerSecond,
  intensity,
  bound,
  share,
}: Row): string[] {
  const shape = shown
    .filter(name => name in params && !(name === 'batch' && params[name] === 1))
    .map(name => `${name} ${params[name]}`);
  const limit =
    bound && (bound.by === 'arithmetic' ? `${number(gflops / share!)} GFLOP/s` : `${number(bound.bandwidth)} GB/s`);
  return [
    kernel,
    shape.join(' '),
    Object.entries(calls)
      .map(([name, n]) => `${name} ${n}`)
      .join(', '),
    number(1000 * timing.median),
    percent(spreadOf(timing)),
    number(gflops),
    number(gigabytesPerSecond),
    number(intensity),
    limit ?? '-',
    percent(share),
  ];
}

interface Total {
  readonly what: string;
  readonly launches: number;
  /** Milliseconds of its kernels, each timed alone, and at their bounds. */
  readonly milliseconds: number;
  readonly bound: number | undefined;
  readonly gflops: number;
}

/** What the launches of a step add up to. */
function totalsOf(rows: readonly Row[]): Total[] {
  const names = [...new Set(rows.flatMap(({ calls }) => Object.keys(calls)))];
  return names.map(what => {
    const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + (row.calls[what] ?? 0) * of(row), 0);
    const milliseconds = sum(({ timing }) => timing.median);
    return {
      what,
      launches: sum(() => 1),
      milliseconds,
      bound: rows[0]?.bound ? sum(({ bound }) => bound!.milliseconds) : undefined,
      gflops: sum(({ gflops, timing }) => gflops * timing.median) / milliseconds,
    };
  });
}

/** True for launches with at least 1 % of some step, and for those outside the steps. */
function isNoteworthy({ calls, timing }: Row): boolean {
  const shares = Object.entries(calls).map(
    ([what, n]) => (n * timing.median) / totals.find(total => total.what === what)!.milliseconds,
  );
  return shares.length === 0 || shares.some(share => share >= 0.01);
}

const kernelNames = kernels.map(({ name }) => name);
const options = benchCommand({
  command: 'npm run bench --',
  about: 'Roofline table: every kernel of training steps and a rollout, on their own operands, beside the ceilings.',
  measures: wrapped(kernelNames),
  takes: 'about 2 minutes on two cores, 10 on a software adapter',
  options: {
    kernels: option('--kernels <list>', 'only these', commaList(oneOf(kernelNames))).conflicts('readme'),
    seconds: secondsOption,
    ...resultOptions,
    readme: readmeOption,
  },
  examples: [
    ['--kernels layer_norm,softmax', 'two kernels'],
    ['--device wasm --threads 1 --json FILE', 'all of them on one thread, kept'],
  ],
});
const seconds = options.seconds ?? 0.2;
const device = await openBenchDevice(options);
let ceilings = await measureCeilings(device);
const captures = new Captures();
await captureSteps(device, captures);
const launches = [...squares(), ...captures.launches].filter(
  ({ kernel }) => options.kernels?.includes(kernel.name) ?? true,
);
console.log(`${launches.length} different launches, ${seconds} s each`);
const measured: Omit<Row, 'bound' | 'share'>[] = [];
progress.begin('launches', launches.length);
for (const [i, captured] of launches.entries()) {
  measured.push(await measureLaunch(device, captured, seconds));
  progress.update(i + 1, captured.kernel.name);
}
progress.end();
if (ceilings) ceilings = highest(ceilings, (await measureCeilings(device))!);
const rows = measured.map(row => withBound(row, ceilings));
const totals = totalsOf(rows);

const head = ['kernel', 'shape', 'launches per step', 'µs', '± %', 'GFLOP/s', 'GB/s', 'FLOP/byte', 'bound', '% of it'];
const parts: string[] = [];
if (ceilings) {
  const others = Object.entries(ceilings.others).map(([name, rate]) => `, ${name} ${number(rate)}`);
  parts.push(
    `Arithmetic on registers: f32 ${number(ceilings.f32)} GFLOP/s${others.join('')}. Memory, GB/s read and written:`,
    table(
      ['working set', 'read', 'copy', 'triad'],
      ceilings.bandwidth.map(({ bytes, read, copy, triad }) => [
        `${bytes / 2 ** 20} MiB`,
        number(read),
        number(copy),
        number(triad),
      ]),
    ),
  );
}
parts.push(
  'Median of one launch, half of the samples within ± %, least traffic; the bound is min(arithmetic, FLOP/byte × memory at this size). A ' +
    'transcendental counts as one operation. Launches that make up less than 1 % of every step are left out here, not in the JSON file:',
  table(head, rows.filter(isNoteworthy).map(cellsOf)),
  "A step's kernels, each timed alone, added up:",
  table(
    ['step', 'launches', 'ms', 'at the bounds', '% of them', 'GFLOP/s'],
    totals.map(({ what, launches: count, milliseconds, bound, gflops }) => [
      what,
      String(count),
      number(milliseconds),
      number(bound),
      percent(bound && bound / milliseconds),
      number(gflops),
    ]),
  ),
);
const markdown = parts.join('\n\n');
console.log(`\n${markdown}`);
writeResult(options.json, device, { ceilings, totals, rows }, markdown);
if (options.readme && ceilings) writeReadme(`kernels-${device.capabilities.backend}`, paragraph(ceilings));
await device.close();

/** The result in a few sentences. */
function paragraph(ceilings: Ceilings): string {
  const { f32, bandwidth } = ceilings;
  const square = (layout: string) =>
    rows.find(row => row.kernel === `matmul_${layout}` && row.params['m'] === 512 && row.params['k'] === 512)!;
  const rate = (layout: string) => `${number(square(layout).gflops)} (${layout}, ${percent(square(layout).share)} %)`;
  const ofSteps = rows.filter(({ calls }) => Object.keys(calls).length > 0);
  const medianShare = (name: RegExp) =>
    percent(median(ofSteps.filter(({ kernel }) => name.test(kernel)).map(({ share }) => share!)));
  /** What a kernel's exponentials or roots would take on their own, where that was measured. */
  const alone = (name: RegExp, what: string) => {
    const slow = ofSteps.flatMap(({ kernel, params, timing }) => {
      const part = name.test(kernel) ? slowPartOf(ceilings, kernel, params) : undefined;
      return part === undefined ? [] : [part / timing.median];
    });
    return slow.length === 0 ? '' : ` (${what} alone: ${percent(median(slow))} % of the time)`;
  };
  const [losses, adamw] = [/^(cross_entropy|distillation|divergence_stats)/, /^adamw/];
  const best = (at: number) =>
    number(Math.max(bandwidth.at(at)!.read, bandwidth.at(at)!.copy, bandwidth.at(at)!.triad));
  const step = (what: string) => totals.find(total => total.what === what)!;
  const shares = ['stage0', 'stage1', 'stage2', 'transformer'].map(
    what => `${what} ${percent(step(what).bound! / step(what).milliseconds)} %`,
  );
  const file = options.json === undefined ? 'not written' : `[JSON](results/${options.json.split(/[\\/]/).at(-1)!})`;
  return (
    `On ${machineOf(device)} (${file}): registers do ${number(f32)} GFLOP/s; memory moves ${best(0)} GB/s in working sets of ${bandwidth[0]!.bytes / 1024} KiB, ` +
    `${best(-1)} in ${bandwidth.at(-1)!.bytes / 2 ** 20} MiB. Products of 512³ reach ${rate('nn')}, ${rate('nt')} and ${rate('tn')} GFLOP/s and share of their bound; ` +
    `the median product of a step ${medianShare(/^matmul/)} % of its bound, attention ${medianShare(/^attention$/)} % forward and ${medianShare(/^attention_grad$/)} % backward, ` +
    `layer norm ${medianShare(/^layer_norm/)} %, losses ${medianShare(losses)} %${alone(losses, 'exponentials')}, ` +
    `AdamW ${medianShare(adamw)} %${alone(adamw, 'roots and quotients')}. ` +
    `All kernels of a step together, at their bounds over as measured: ${shares.join(', ')}.`
  );
}
