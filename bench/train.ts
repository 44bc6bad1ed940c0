/**
 * Times the steps of the three stages and a rollout of the default run, and shows where a step's time goes.
 * `npm run bench:train -- --device wasm --json bench/results/train-wasm.json`
 */
import { AdamW } from '../core/index.js';
import type { Device } from '../core/index.js';
import { modelPresets, noDecayGroups, VisionLanguageModel } from '../models/index.js';
import { resolveConfig } from '../mgsd/config.js';
import { trainingGroups } from '../mgsd/puzzles.js';
import { planningStage } from '../mgsd/stages/stage0.js';
import { groundingStage } from '../mgsd/stages/stage1.js';
import { distillationStage, rollOut } from '../mgsd/stages/stage2.js';
import type { Stage } from '../mgsd/stages/stage.js';
import { benchOptions, openBenchDevice, time, writeResult } from './harness.js';
import type { Timing } from './harness.js';

interface StepRow {
  readonly what: string;
  readonly timing: Timing;
  /** Per step, from the kernels' own counts. */
  readonly gflop: number;
  readonly launches: number;
  readonly samplesPerSecond: number;
}

/** Floating-point operations and launches of `body`, counted at the device. */
async function count(device: Device, body: () => Promise<unknown>): Promise<{ gflop: number; launches: number }> {
  let flops = 0;
  let launches = 0;
  device.observer = (kernel, _, params) => {
    const named = Object.fromEntries(Object.keys(kernel.params).map((name, i) => [name, params[i]!]));
    flops += kernel.cost(named).flops;
    launches++;
  };
  await body();
  device.observer = undefined;
  return { gflop: flops / 1e9, launches };
}

const options = benchOptions();
const device = await openBenchDevice(options);
const config = resolveConfig('tiny');
const groups = trainingGroups(config, 500);
const model = new VisionLanguageModel(device, modelPresets.tiny).initialize(config.seed);
const optimizer = new AdamW(model.parameters, { ...config.optimizer, noDecay: noDecayGroups });
const teacher = await model.frozenCopy();
const stages: readonly Stage[] = [
  planningStage(config, model, optimizer, groups),
  groundingStage(config, model, optimizer, groups),
  distillationStage(config, model, teacher, optimizer, groups),
];

const rows: StepRow[] = [];
async function bench(what: string, batch: number, body: () => Promise<unknown>): Promise<void> {
  const counted = await count(device, body);
  const timing = await time(device, body);
  rows.push({ what, timing, ...counted, samplesPerSecond: (1000 * batch) / timing.median });
  const { gflop, launches } = counted;
  const rate = gflop / (timing.median / 1000);
  console.log(
    `${what.padEnd(28)} ${timing.median.toFixed(1).padStart(8)} ms  ${rate.toFixed(1).padStart(6)} GFLOP/s  ` +
      `${rows.at(-1)!.samplesPerSecond.toFixed(0).padStart(6)} samples/s  ${launches} launches`,
  );
}

for (const stage of stages) await bench(`${stage.name} step`, 64, async () => await (await stage.step(0)).metrics);
await bench('stage2 rollout alone', 64, () => rollOut(config, model, groups, 0));
writeResult(options.json, device, rows);
await device.close();
