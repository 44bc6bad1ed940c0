/**
 * Gain from recording a step: host time per launch, eager and replayed, in a chain of trivial kernels and in a stage 0
 * step; that step both ways, in turns; and the cost of padding to buckets against the number of recordings it saves. On
 * webgpu the host time is also taken on Dawn's null backend, because the threads of a software adapter compete for the
 * same processors.
 *
 *   npm run build && node dist/bench/replay.js --device wasm --json bench/results/replay-wasm.json
 */
import { Random } from '../core/index.js';
import type { Device } from '../core/index.js';
import { modelPresets, padBatch, VisionLanguageModel } from '../models/index.js';
import type { Batch } from '../models/index.js';
import { resolveConfig } from '../mgsd/method/config.js';
import { drawPuzzles, streams, trainingGroups } from '../mgsd/method/puzzles.js';
import { packSequences, packSupervised } from '../mgsd/method/packing.js';
import { supervisedLoss } from '../mgsd/method/stages/supervision.js';
import { Updates } from '../mgsd/method/stages/updates.js';
import { planExample, recapExample } from '../mgsd/method/targets.js';
import { median } from './gpu/format.js';
import { benchCommand, progress, resultOptions } from './command.js';
import { openBenchDevice, writeResult } from './harness.js';
import { chainCost, costOf, dawnCalls, openNullDevice } from './host-cost.js';
import type { Cost } from './host-cost.js';
import { makeOptimizer } from '../mgsd/method/stages/stage.js';

const options = benchCommand({
  command: 'node dist/bench/replay.js',
  about: 'What recording a step gains.',
  measures: [
    "host time per launch, eager and replayed; on webgpu on Dawn's null backend too",
    'updates of stage 0 both ways, in turns; padding to buckets against shapes saved',
  ],
  takes: 'a minute on two cores, three on a software adapter',
  options: resultOptions,
  examples: [['--device wasm --json FILE', 'kept as JSON']],
});
const device = await openBenchDevice(options);
const config = resolveConfig('tiny');
const groups = trainingGroups(config, 500);

const model = new VisionLanguageModel(device, modelPresets.tiny).initialize(config.seed);

function examplesOf(stage: 'stage0' | 'stage1', step: number) {
  const random = new Random(config.seed, streams[stage], step);
  const puzzles = drawPuzzles(groups, random, config[stage].batch, config[stage].balance);
  return puzzles.map(puzzle =>
    stage === 'stage0' ? planExample(puzzle, random, config.stage0.noise) : recapExample(puzzle),
  );
}

/**
 * Eager and replayed updates of stage 0 on the same padded batches, in turns; then the host's part of replayed ones.
 */
async function steps(on: Device, computes: boolean) {
  const student = new VisionLanguageModel(on, modelPresets.tiny).initialize(config.seed);
  const make = (replay: boolean) => {
    const optimizer = makeOptimizer(student, config);
    return new Updates({ student, optimizer, replay });
  };
  const [eager, replayed] = [make(false), make(true)];
  const batches = Array.from({ length: 4 }, (_, step) =>
    packSupervised(examplesOf('stage0', step), 'symbolic', student, config.stage0.lossAverage),
  );
  const rates = { vision: 0, decoder: 1e-6 };
  const timed = (updates: Updates, i: number) =>
    on.scope(async () => {
      const start = performance.now();
      const { metrics } = updates.step(rates, batches[i % 4]!, batch => ({ loss: supervisedLoss(student, batch) }));
      // inputs uploaded, everything launched; on webgpu nothing awaited yet
      const host = performance.now() - start;
      const { loss } = await metrics;
      if (computes && !Number.isFinite(loss)) throw new Error('a loss that is not finite');
      return { host, whole: performance.now() - start };
    });
  let eagerLaunches = 0;
  on.observer = () => eagerLaunches++;
  await timed(eager, 0);
  on.observer = undefined;
  for (let i = 0; i < 12; i++) for (const updates of [eager, replayed]) await timed(updates, i);
  const samples = [];
  progress.begin('updates both ways', 60);
  for (let i = 0; i < 60; i++) {
    samples.push({ eager: await timed(eager, i), replayed: await timed(replayed, i) });
    progress.update(i + 1);
  }
  progress.end();
  const { backend } = on;
  const write = backend.write.bind(backend);
  let writing = 0;
  backend.write = (...args) => {
    const start = performance.now();
    write(...args);
    writing += performance.now() - start;
  };
  const hosts: { readonly launching: number; readonly writing: number }[] = [];
  for (let i = 0; i < 110; i++) {
    writing = 0;
    const { host } = await timed(replayed, i);
    hosts.push({ launching: host - writing, writing });
  }
  backend.write = write;
  const [launches] = [...replayed.recorder.recordings().values()].map(recording => recording.launches.length);
  const whole = {
    eager: median(samples.map(sample => sample.eager.whole)),
    replayed: median(samples.map(sample => sample.replayed.whole)),
    ratio: median(samples.map(sample => sample.eager.whole / sample.replayed.whole)),
    recordings: replayed.recorder.statistics,
    launches: { eager: eagerLaunches, replayed: launches! },
  };
  const cost = (part: (sample: (typeof hosts)[number]) => number, count: number) => costOf(hosts.map(part), count);
  const host = {
    launches: launches!,
    replayed: cost(sample => sample.launching, launches!),
    /** Of all inputs of a step: that depends on their bytes, not on launches. */
    inputs: cost(sample => sample.writing, 1),
  };
  return { whole, host };
}

/** The host's part on Dawn's null backend. */
async function withoutDevice() {
  const nothing = await openNullDevice();
  const chain = await chainCost(nothing, false);
  const { host: step } = await steps(nothing, false);
  await nothing.close();
  return { chain, step, calls: await dawnCalls() };
}

/** Distinct shapes in 200 batches and the share of padding rows, for several bucket widths. */
function buckets(stage: 'stage0' | 'stage1') {
  const input = stage === 'stage0' ? 'symbolic' : 'image';
  const batches = Array.from({ length: 200 }, (_, step) => packSequences(examplesOf(stage, step), input, model.config));
  return [1, 16, 32, 64, 128, 256].map(width => {
    const padded = batches.map(batch => padBatch(batch, width));
    const rows = (of: readonly Batch[]) => of.reduce((sum, { table }) => sum + table.rows, 0);
    const shapes = new Set(padded.map(({ table, outputs }) => [table.rows, outputs.length, table.maxLength].join()));
    return { stage, width, shapes: shapes.size, padding: rows(padded) / rows(batches) - 1 };
  });
}

const cost = ({ median: typical, best }: Cost) => `${typical.toFixed(2)} (${best.toFixed(2)})`;
const onWebGpu = device.capabilities.asynchronous;
console.log('microseconds of the host per launch, median (best):');
const chain = await chainCost(device, true);
console.log(
  `chain of ${chain.launches} trivial kernels: ${cost(chain.eager)} eagerly, ${cost(chain.replayed)} replayed`,
);
const { whole: step, host: stepHost } = await steps(device, true);
if (onWebGpu)
  console.log(
    `stage 0 update of ${stepHost.launches} launches: ${cost(stepHost.replayed)} replayed, and ${cost(stepHost.inputs)} per update for its inputs`,
  );
const alone = onWebGpu ? await withoutDevice() : undefined;
if (alone) {
  const { chain: line, step: update, calls } = alone;
  console.log(
    `on Dawn's null backend: ${cost(line.eager)} eagerly, ${cost(line.replayed)} replayed, update ${cost(update.replayed)}`,
  );
  for (const [name, each] of Object.entries(calls)) console.log(`  ${cost(each)} ${name}`);
}
console.log(
  `stage 0 update: ${step.launches.eager} launches eagerly, ${step.launches.replayed} replayed; ` +
    `${step.eager.toFixed(1)} ms and ${step.replayed.toFixed(1)} ms, median ratio ${step.ratio.toFixed(2)}; ` +
    `${step.recordings.recordings} recordings of ${(step.recordings.bytes / 2 ** 20).toFixed(1)} MiB`,
);
const widths = [...buckets('stage0'), ...buckets('stage1')];
for (const { stage, width, shapes, padding } of widths)
  console.log(
    `${stage} buckets of ${String(width).padStart(3)}: ${String(shapes).padStart(3)} shapes in 200 batches, ${(100 * padding).toFixed(2)} % more rows`,
  );
// on wasm the host is the device: its time in a step is that of the kernels
const host = { chain, ...(onWebGpu && { step: stepHost }), ...(alone && { alone }) };
writeResult(options.json, device, { host, step, widths });
await device.close();
