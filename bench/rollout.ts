/**
 * Compares the ways to decode: sampled responses of the default model, 64 at a time, as in stage 2. `npm run
 * bench:rollout -- --device wasm --json bench/results/rollout-wasm.json`
 */
import { modelPresets, VisionLanguageModel } from '../models/index.js';
import type { DecodePath } from '../models/index.js';
import { patchCount, vocabulary } from '../models/index.js';
import { generate } from '../models/index.js';
import { benchCommand, resultOptions } from './command.js';
import { openBenchDevice, time, writeResult } from './harness.js';
import type { Timing } from './harness.js';
import { biasEnd } from './workload.js';

interface Row {
  readonly path: DecodePath;
  readonly ended: string;
  readonly tokens: number;
  readonly timing: Timing;
}

const paths = ['steps', 'fused', 'rollout'] as const satisfies readonly DecodePath[];
const options = benchCommand({
  command: 'npm run bench:rollout --',
  about: 'The ways to decode beside each other: 64 sampled responses of the default model, as in stage 2.',
  measures: [`${paths.join(', ')}: where no response ends early, and where most do`],
  takes: 'half a minute on two cores, two on a software adapter; each line is printed as soon as it is known',
  options: resultOptions,
  examples: [['--device wasm --json FILE', 'kept as JSON']],
});
const device = await openBenchDevice(options);
const model = new VisionLanguageModel(device, modelPresets.tiny, { trainable: false }).initialize(1);
const patches = new Float32Array(64 * patchCount(model.config) * 3 * model.config.patchSize ** 2).fill(0.5);
const images = device.tensor(patches, [64 * patchCount(model.config), 3 * model.config.patchSize ** 2]);
const prompts = Array.from({ length: 64 }, () => [
  5,
  6,
  ...new Array<number>(patchCount(model.config)).fill(vocabulary.IMG),
]);
const maxTokens = 48;

const rows: Row[] = [];
for (const [ended, bias] of [
  ['none', -20],
  ['most', 2],
] as const) {
  await biasEnd(model, bias);
  for (const path of [...paths, ...paths]) {
    let tokens = 0;
    const run = async () => {
      const all = { maxTokens, temperature: 1, seed: 1, stream: 2, step: 3, path };
      const responses = await device.scope(() => generate(model, prompts, all, images));
      tokens = responses.reduce((sum, response) => sum + response.length, 0);
    };
    const timing = await time(device, run);
    rows.push({ path, ended, tokens, timing });
    console.log(
      `${path.padEnd(8)} ended early: ${ended.padEnd(5)} ${timing.median.toFixed(1).padStart(8)} ms  ` +
        `${((1000 * tokens) / timing.median).toFixed(0).padStart(8)} tokens/s`,
    );
  }
  const medians = (path: DecodePath) =>
    rows.filter(row => row.ended === ended && row.path === path).map(row => row.timing.median);
  const sum = (path: DecodePath) => medians(path).reduce((a, b) => a + b, 0);
  for (const path of paths.slice(1))
    console.log(`${path} is ${(sum('steps') / sum(path)).toFixed(2)}x as fast as steps`);
}
writeResult(options.json, device, rows);
await device.close();
