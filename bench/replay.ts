/**
 * What recording a step is worth: the host's time per launch, eager and replayed; a training step of stage 0 both ways, in turns; and what
 * padding to buckets costs against how many recordings it saves.
 * `npm run build && node dist/bench/replay.js --device wasm --json bench/results/replay-wasm.json`
 */
import { AdamW, add, Random, Recorder } from '../core/index.js';
import type { Device, Tensor } from '../core/index.js';
import { modelPresets, noDecayGroups, padBatch, VisionLanguageModel } from '../models/index.js';
import type { Batch } from '../models/index.js';
import { resolveConfig } from '../mgsd/config.js';
import { drawPuzzles, streams, trainingGroups } from '../mgsd/puzzles.js';
import { packTraces } from '../mgsd/samples.js';
import { supervisedTerm } from '../mgsd/stages/loss-term.js';
import type { LossTerm } from '../mgsd/stages/loss-term.js';
import { Updates } from '../mgsd/stages/update.js';
import { planTrace, recapTrace } from '../mgsd/trace-samples.js';
import { benchOptions, openBenchDevice, writeResult } from './harness.js';

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Microseconds of this thread per launch of a kernel that has next to nothing to do. */
async function hostCost(device: Device) {
  const launches = 512;
  const chain = (x: Tensor) => {
    let y = x;
    for (let i = 0; i < launches; i++) y = add(y, x);
    return y;
  };
  const cost = async (enabled: boolean) => {
    const recorder = new Recorder(device, { enabled });
    const samples: number[] = [];
    for (let i = 0; i < 60; i++) {
      const values = Float32Array.from({ length: 16 }, (_, k) => i + k);
      await device.scope(async () => {
        const start = performance.now();
        const { y } = recorder.run('chain', { x: { values } }, ({ x }) => ({ y: chain(x) }));
        samples.push(performance.now() - start);
        const result = await y.read();
        if (result.some((value, k) => value !== (launches + 1) * values[k]!)) throw new Error('a wrong result');
      });
    }
    recorder.dispose();
    const perLaunch = (milliseconds: number) => (1000 * milliseconds) / launches;
    const steady = samples.slice(10);
    return { median: perLaunch(median(steady)), best: perLaunch(Math.min(...steady)) };
  };
  return { eager: await cost(false), replayed: await cost(true), launches };
}

const options = benchOptions();
const device = await openBenchDevice(options);
const config = resolveConfig('tiny');
const groups = trainingGroups(config, 500);
const model = new VisionLanguageModel(device, modelPresets.tiny).initialize(config.seed);

function batchOf(stage: 'stage0' | 'stage1', step: number) {
  const random = new Random(config.seed, streams[stage], step);
  const puzzles = drawPuzzles(groups, random, config[stage].batch, config[stage].balance);
  const traces = puzzles.map(({ world, instance }) =>
    stage === 'stage0'
      ? planTrace(world, instance, random, { noise: config.stage0.noise })
      : recapTrace(world, instance),
  );
  const packed = packTraces(puzzles, traces, stage === 'stage0' ? 'symbolic' : 'image', model.config);
  return { puzzles, traces, packed };
}

/** Eager and replayed updates of stage 0 on the same padded batches, in turns. */
async function steps() {
  const make = (replay: boolean) => {
    const optimizer = new AdamW(model.parameters, { ...config.optimizer, noDecay: noDecayGroups });
    return new Updates(optimizer, replay);
  };
  const [eager, replayed] = [make(false), make(true)];
  const terms = Array.from({ length: 4 }, (_, step): LossTerm => {
    const { puzzles, traces, packed } = batchOf('stage0', step);
    return supervisedTerm(model, puzzles, traces, packed, { inBuckets: true });
  });
  const timed = async (updates: Updates, i: number) => {
    const start = performance.now();
    const { loss } = await updates.stepMetrics(terms[i % 4]!, { 'decoder.matrix': 1e-6, 'decoder.vector': 1e-6 });
    if (!Number.isFinite(loss)) throw new Error('a loss that is not finite');
    return performance.now() - start;
  };
  for (let i = 0; i < 12; i++) for (const updates of [eager, replayed]) await timed(updates, i);
  const samples = [];
  for (let i = 0; i < 60; i++) samples.push({ eager: await timed(eager, i), replayed: await timed(replayed, i) });
  return {
    eager: median(samples.map(sample => sample.eager)),
    replayed: median(samples.map(sample => sample.replayed)),
    ratio: median(samples.map(sample => sample.eager / sample.replayed)),
    plans: replayed.recorder.statistics,
  };
}

/** Shapes that 200 batches have, and rows that are padding, for several widths of a bucket. */
function buckets(stage: 'stage0' | 'stage1') {
  const batches: Batch[] = Array.from({ length: 200 }, (_, step) => batchOf(stage, step).packed);
  return [1, 16, 32, 64, 128, 256].map(width => {
    const padded = batches.map(batch => padBatch(batch, width));
    const rows = (of: readonly Batch[]) => of.reduce((sum, { table }) => sum + table.rows, 0);
    const shapes = new Set(padded.map(({ table, outputs }) => [table.rows, outputs.length, table.maxLength].join()));
    return { stage, width, shapes: shapes.size, padding: rows(padded) / rows(batches) - 1 };
  });
}

const host = await hostCost(device);
console.log(
  `host time per launch, median (best) of 50: ${host.eager.median.toFixed(2)} (${host.eager.best.toFixed(2)}) microseconds eagerly, ` +
    `${host.replayed.median.toFixed(2)} (${host.replayed.best.toFixed(2)}) replayed (${host.launches} launches)`,
);
const step = await steps();
console.log(
  `stage 0 update: ${step.eager.toFixed(1)} ms eagerly, ${step.replayed.toFixed(1)} ms replayed, median ratio ${step.ratio.toFixed(2)}; ` +
    `${step.plans.plans} plans of ${(step.plans.bytes / 2 ** 20).toFixed(1)} MiB`,
);
const widths = [...buckets('stage0'), ...buckets('stage1')];
for (const { stage, width, shapes, padding } of widths)
  console.log(`${stage} buckets of ${String(width).padStart(3)}: ${String(shapes).padStart(3)} shapes in 200 batches, ${(100 * padding).toFixed(2)} % more rows`); // prettier-ignore
writeResult(options.json, device, { host, step, widths });
await device.close();
