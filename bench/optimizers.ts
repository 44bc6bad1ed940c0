/**
 * What Muon costs: updates of every stage with AdamW and with Muon, in turns, by processor time, which a busy machine
 * disturbs little. `npm run build && node dist/bench/optimizers.js --device wasm --threads 1`
 */
import { VisionLanguageModel } from '../models/index.js';
import { modelConfigOf, resolveConfig } from '../mgsd/method/config.js';
import { trainingGroups } from '../mgsd/method/puzzles.js';
import { probeStep, smallPools, stageSize } from '../mgsd/method/stages/probe.js';
import { makeOptimizer } from '../mgsd/method/stages/stage.js';
import { median, number, table } from './gpu/format.js';
import { benchCommand, progress, resultOptions, roundsOption } from './command.js';
import { openBenchDevice, writeResult } from './harness.js';

const options = benchCommand({
  command: 'node dist/bench/optimizers.js',
  about: 'What Muon costs beside AdamW, by processor time.',
  measures: ['updates of stages 0, 1 and 2 of the preset worlds, with either optimiser in turns'],
  takes: 'a minute on two cores',
  options: { rounds: roundsOption, ...resultOptions },
  examples: [['--device wasm --threads 1 --rounds 25', 'the figures of the lesson']],
});
const rounds = options.rounds ?? 9;
const device = await openBenchDevice(options);
const config = smallPools(resolveConfig('worlds'));
const groups = trainingGroups(config);
const planner = new VisionLanguageModel(device, modelConfigOf(config)).initialize(1);

/** Processor seconds of an update. */
async function secondsOf(step: () => Promise<void>): Promise<number> {
  const start = process.cpuUsage();
  await step();
  await device.finish();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

const rows: string[][] = [];
for (const stage of ['stage0', 'stage1', 'stage2'] as const) {
  const { batch } = stageSize(config, stage);
  const runs = (['adamw', 'muon'] as const).map(kind => {
    const student = new VisionLanguageModel(device, modelConfigOf(config)).initialize(1);
    const changed = { ...config, optimizer: { ...config.optimizer, kind } };
    const optimizer = makeOptimizer(student, changed);
    const step = probeStep(stage, { config: changed, student, planner, optimizer, groups }, batch);
    return { step, seconds: [] as number[] };
  });
  progress.begin(stage, 3 + rounds);
  for (let round = 0; round < 3 + rounds; round++) {
    for (const { step, seconds } of runs) {
      const taken = await secondsOf(step);
      if (round >= 3) seconds.push(taken); // twice eagerly, then recorded
    }
    progress.update(round + 1);
  }
  const [adamw, muon] = runs.map(({ seconds }) => seconds) as [number[], number[]];
  const ratios = muon.map((value, i) => value / adamw[i]!);
  rows.push([stage, `${batch}`, ...[adamw, muon].map(list => number(1000 * median(list))), median(ratios).toFixed(3)]);
}
progress.end();
const text = table(['stage', 'puzzles', 'AdamW, ms', 'Muon, ms', 'ratio'], rows);
console.log(text);
writeResult(options.json, device, rows, text);
await device.close();
