/**
 * Cost of data beside training: drawing the pools once; then, for each update, drawing puzzles, rendering, cutting
 * patches and writing traces, as a share of a stage 1 step. Median over many batches after one warm-up batch. `npm run
 * bench:data -- --preset worlds --threads 1`
 */
import { Random } from '../core/index.js';
import { modelPresets, patchify, VisionLanguageModel } from '../models/index.js';
import { resolveConfig } from '../mgsd/method/config.js';
import { drawPuzzles, trainingGroups } from '../mgsd/method/puzzles.js';
import { renderPuzzles } from '../mgsd/method/packing.js';
import { probeStep } from '../mgsd/method/stages/probe.js';
import { recapExample } from '../mgsd/method/targets.js';
import { configOptions, deviceOptions, option, wholeNumber } from '../mgsd/cli/options.js';
import { benchCommand, progress } from './command.js';
import { median } from './gpu/format.js';
import { openBenchDevice } from './harness.js';
import { makeOptimizer } from '../mgsd/method/stages/stage.js';

const flags = benchCommand({
  command: 'npm run bench:data --',
  about: 'What puzzles cost beside training.',
  measures: ['drawing the pools; for each update: drawing, rendering, cutting patches, traces; a step of stage 1'],
  takes: 'half a minute on two cores',
  options: {
    preset: configOptions.preset,
    batches: option('--batches <n>', 'how many batches are drawn', wholeNumber(1, 10_000), 200),
    ...deviceOptions,
  },
  examples: [
    ['', 'all three worlds'],
    ['--preset tiny --threads 1', 'FrozenLake, on one thread'],
  ],
});
const preset = flags.preset ?? 'worlds';
const config = resolveConfig(preset);
const { batch } = config.stage1;

const clock = () => performance.now();

const before = clock();
const groups = trainingGroups(config);
const pools = clock() - before;
const puzzleCount = groups.reduce((sum, { puzzles }) => sum + puzzles.length, 0);

const times: Record<'draw' | 'render' | 'patches' | 'traces', number[]> = {
  draw: [],
  render: [],
  patches: [],
  traces: [],
};
let warmUp = 0;
progress.begin('batches', flags.batches);
for (let k = 0; k <= flags.batches; k++) {
  const marks = [clock()];
  const mark = () => marks.push(clock());
  const puzzles = drawPuzzles(groups, new Random(config.seed, 21, k), batch, config.stage1.balance);
  mark();
  const images = renderPuzzles(puzzles, modelPresets[preset]);
  mark();
  patchify(images, modelPresets[preset]);
  mark();
  for (const puzzle of puzzles) recapExample(puzzle);
  mark();
  progress.update(k);
  if (k === 0) warmUp = marks.at(-1)! - marks[0]!;
  else Object.values(times).forEach((list, i) => list.push(marks[i + 1]! - marks[i]!));
}
progress.end();
const each = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
const data = Object.values(each).reduce((sum, time) => sum + time, 0);

const device = await openBenchDevice(flags);
const model = new VisionLanguageModel(device, modelPresets[preset]).initialize(config.seed);
const optimizer = makeOptimizer(model, config);
const step = probeStep('stage1', { config, student: model, optimizer, groups }, batch);
const steps: number[] = [];
for (let k = 0; k < 6; k++) {
  const start = clock();
  await step();
  if (k > 0) steps.push(clock() - start);
}
const update = median(steps);
console.log(`pools: ${puzzleCount} puzzles in ${(pools / 1000).toFixed(2)} s; first batch ${warmUp.toFixed(0)} ms`);
for (const [name, time] of Object.entries(each))
  console.log(`${name.padEnd(8)} ${time.toFixed(2)} ms per batch of ${batch}`);
console.log(
  `data ${data.toFixed(2)} ms, a step of stage 1 ${update.toFixed(0)} ms: ${((100 * data) / update).toFixed(1)} % of it`,
);
for (const owned of [optimizer, model]) owned.dispose();
await device.close();
