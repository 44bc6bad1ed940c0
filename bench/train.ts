/**
 * Times steps of the three stages as training runs them (bucketed batches, recorded and replayed updates, two in
 * flight), and the parts of a stage 2 step. `npm run bench:train -- --device wasm --json bench/results/train-wasm.json
 * --readme`
 *
 * The model is the package's pretrained one, so its rollouts end where a trained student's do.
 */
import { matmul, noGrad } from '../core/index.js';
import type { Device } from '../core/index.js';
import { packExamples } from '../mgsd/method/packing.js';
import type { Metrics, Stage } from '../mgsd/method/stages/stage.js';
import { median, number, table } from './gpu/format.js';
import { benchCommand, progress, readmeOption, resultOptions, secondsOption } from './command.js';
import { machineOf, openBenchDevice, spreadOf, time, timingOf, writeReadme, writeResult } from './harness.js';
import type { Timing } from './harness.js';
import { measureCeilings } from './roofline/measure.js';
import { countWork } from '../mgsd/runs/work.js';
import { openWorkload } from './workload.js';
import type { Workload } from './workload.js';

interface StepRow {
  readonly what: string;
  /** Per step: the mean over the different batches of a round. */
  readonly timing: Timing;
  /** Per step, by what the kernels must do. */
  readonly gflop: number;
  readonly launches: number;
  readonly gflops: number;
  readonly samplesPerSecond: number;
  /** Trained tokens, prompts included, without and with padding; for a rollout, drawn tokens. */
  readonly tokensPerSecond: number;
  readonly computedTokensPerSecond: number;
  /** GFLOP/s relative to the best square product, and to arithmetic on registers alone. */
  readonly ofProducts: number;
  readonly ofArithmetic: number | undefined;
}

/** Different batches per round: as many shapes as a run meets in a row. */
const batches = 8;
/** As in training (mgsd/runs/train.ts). */
const stepsInFlight = 2;
/** Rounds until every shape is replayed: each runs twice eagerly first. */
const warmUp = 3;

const options = benchCommand({
  command: 'npm run bench:train --',
  about: 'Steps of each stage as training runs them, with the model of the package, and the parts of stage 2.',
  measures: ['stage0, stage1 and stage2 steps; of stage 2 alone: rollout, scoring, update'],
  takes: 'a minute on two cores, two on a software adapter',
  options: { seconds: secondsOption, ...resultOptions, readme: readmeOption },
  examples: [
    ['--device wasm --threads 1', 'on one thread'],
    ['--device webgpu --json FILE --readme', 'kept'],
  ],
});
const seconds = options.seconds ?? 8;
const device = await openBenchDevice(options);
const products = await productCeiling(device);
const ceilings = await measureCeilings(device);
const workload = await openWorkload(device);
const rows: StepRow[] = [];
progress.begin('parts', workload.stages.length + 1);
for (const [i, stage] of workload.stages.entries()) {
  progress.update(i, stage.name);
  await benchStage(stage, workload);
}
progress.update(workload.stages.length, 'the parts of stage 2');
const parts = await partsOfStage2(workload);
progress.end();

/** GFLOP/s of the best product of 512 cubed. */
async function productCeiling(on: Device): Promise<number> {
  const n = 512;
  const [a, b] = [0, 1].map(seed =>
    on.keep(
      on.tensor(
        Float32Array.from({ length: n * n }, (_, i) => Math.sin(i + seed)),
        [n, n],
      ),
    ),
  );
  const best = await time(on, () => on.scope(() => noGrad(() => void matmul(a!, b!))), 8, 1);
  for (const operand of [a!, b!]) on.free(operand);
  return (2 * n ** 3) / best.p25 / 1e6;
}

/** All batches once, as fast as training does them. */
async function round(stage: Stage): Promise<Metrics[]> {
  const outstanding: Promise<Metrics>[] = [];
  const all: Metrics[] = [];
  for (let step = 0; step < batches; step++) {
    const { metrics } = await stage.step(step);
    outstanding.push(metrics);
    if (outstanding.length > stepsInFlight) all.push(await outstanding.shift()!);
    await new Promise(resolve => setImmediate(resolve));
  }
  all.push(...(await Promise.all(outstanding)));
  await device.finish();
  for (const { loss, skipped } of all)
    if (!Number.isFinite(loss) || skipped !== 0)
      throw new Error(`${stage.name}: a loss of ${loss}, ${skipped} updates left out`);
  return all;
}

async function benchStage(stage: Stage, { config }: Workload): Promise<void> {
  const { batch } = config[stage.name === 'direct' ? 'stage1' : stage.name];
  const sequences = batch;
  const work = { flops: 0, launches: 0, tokens: 0, computedTokens: 0 };
  for (let step = 0; step < batches; step++) {
    const counted = await countWork(device, sequences, async () => await (await stage.step(step)).metrics);
    for (const name of Object.keys(work) as (keyof typeof work)[]) work[name] += counted[name] / batches;
  }
  for (let i = 0; i < warmUp; i++) await round(stage);
  const samples: number[] = [];
  for (const end = performance.now() + 1000 * seconds; performance.now() < end || samples.length < 5;) {
    const start = performance.now();
    await round(stage);
    samples.push((performance.now() - start) / batches);
  }
  rows.push(rowOf(`${stage.name} step`, timingOf(samples), { ...work, samples: sequences }));
}

function rowOf(
  what: string,
  timing: Timing,
  work: Readonly<Record<'flops' | 'launches' | 'tokens' | 'computedTokens' | 'samples', number>>,
): StepRow {
  const perSecond = (count: number) => (1000 * count) / timing.median;
  const gflops = perSecond(work.flops) / 1e9;
  return {
    what,
    timing,
    gflop: work.flops / 1e9,
    launches: work.launches,
    gflops,
    samplesPerSecond: perSecond(work.samples),
    tokensPerSecond: perSecond(work.tokens),
    computedTokensPerSecond: perSecond(work.computedTokens),
    ofProducts: gflops / products,
    ofArithmetic: ceilings && gflops / ceilings.f32,
  };
}

interface Parts {
  /** Milliseconds of each part alone. */
  readonly rollout: number;
  readonly scoring: number;
  readonly step: number;
  /** Tokens of a rollout, and the longest response. */
  readonly responseTokens: number;
  readonly longest: number;
  readonly limit: number;
}

/** Rollouts and scoring alone, on the same batches; the rest of a step is its update. */
async function partsOfStage2({ config, teacher, stages: [, , stage2] }: Workload): Promise<Parts> {
  const lengths: number[] = [];
  const once = async (step: number) => {
    const start = performance.now();
    const rollouts = await stage2.rollOut(step);
    const drawn = performance.now();
    await device.scope(async () => {
      const examples = rollouts.map(({ example }) => example);
      noGrad(() => teacher.forward(device.fromHost(packExamples(examples, 'symbolic', teacher)))); // (N, V)
      await device.finish();
    });
    lengths.push(...rollouts.map(({ response }) => response.length));
    return { rollout: drawn - start, scoring: performance.now() - drawn };
  };
  for (let step = 0; step < batches; step++) await once(step);
  const counted = await countWork(device, config.stage2.batch, () => stage2.rollOut(0));
  lengths.length = 0;
  const samples: Awaited<ReturnType<typeof once>>[] = [];
  for (const end = performance.now() + 1000 * seconds; performance.now() < end || samples.length < 2 * batches;)
    samples.push(await once(samples.length % batches));
  const perRollout = lengths.reduce((a, b) => a + b, 0) / samples.length;
  const timing = timingOf(samples.map(({ rollout }) => rollout));
  const sequences = config.stage2.batch;
  rows.push(
    rowOf('stage2 rollout alone', timing, {
      ...counted,
      tokens: perRollout,
      computedTokens: perRollout,
      samples: sequences,
    }),
  );
  return {
    rollout: timing.median,
    scoring: median(samples.map(({ scoring }) => scoring)),
    step: rows.find(({ what }) => what === 'stage2 step')!.timing.median,
    responseTokens: perRollout,
    longest: lengths.reduce((a, b) => Math.max(a, b), 0),
    limit: teacher.config.responsePositions,
  };
}

const percent = (share: number | undefined) => (share === undefined ? '-' : String(Math.round(100 * share)));
const cells = rows.map(row => [
  row.what,
  number(row.timing.median),
  percent(spreadOf(row.timing)),
  String(Math.round(row.launches)),
  number(row.gflop),
  number(row.gflops),
  percent(row.ofProducts),
  percent(row.ofArithmetic),
  ...[row.samplesPerSecond, row.tokensPerSecond, row.computedTokensPerSecond].map(rate => rate.toFixed(0)),
]);
const { rollout, scoring, step } = parts;
const share = (milliseconds: number) => `${number(milliseconds)} ms (${percent(milliseconds / step)} %)`;
const split =
  `A step of stage 2 of ${number(step)} ms: rollout ${share(rollout)}, scoring ${share(scoring)}, update ${share(step - rollout - scoring)}; ` +
  `${number(parts.responseTokens)} tokens of ${workload.config.stage2.batch} responses, the longest of ${parts.longest}.`;
const markdown = [
  `The best product of 512³ runs at ${number(products)} GFLOP/s${ceilings ? `, arithmetic on registers at ${number(ceilings.f32)}` : ''}. Half of the samples lie within ± %.`,
  table(
    [
      'step',
      'ms',
      '± %',
      'launches',
      'GFLOP',
      'GFLOP/s',
      '% of products',
      '% of arithmetic',
      'samples/s',
      'tokens/s',
      'with padding',
    ],
    cells,
  ),
  split,
].join('\n\n');
console.log(`\n${markdown}`);
writeResult(options.json, device, { products, ceilings, rows, parts }, markdown);
if (options.readme) writeReadme(`train-${device.capabilities.backend}`, paragraph());
await device.close();

/** The result in a few sentences. */
function paragraph(): string {
  const file = options.json === undefined ? 'not written' : `[JSON](results/${options.json.split(/[\\/]/).at(-1)!})`;
  const each = rows.map(
    row =>
      `${row.what} ${number(row.timing.median)} ms (${number(row.gflops)} GFLOP/s, ${percent(row.ofProducts)} % of the best product's; ${number(row.tokensPerSecond)} tokens/s)`,
  );
  return `On ${machineOf(device)} (${file}): ${each.join(', ')}. ${split}`;
}
