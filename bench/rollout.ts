/**
 * Compares the ways to decode: sampled responses of a model, 64 at a time, as in stage 2. `npm run
 * bench:rollout -- --device wasm --json bench/results/rollout-wasm.json`
 */
import { modelPresets, VisionLanguageModel } from '../models/index.js';
import type { DecodePath, PresetName } from '../models/index.js';
import { patchCount, vocabulary } from '../models/index.js';
import { generate } from '../models/index.js';
import { oneOf, option } from '../mgsd/cli/options.js';
import { benchCommand, resultOptions, roundsOption } from './command.js';
import { median } from './gpu/format.js';
import { openBenchDevice, timingOf, writeResult } from './harness.js';
import type { Timing } from './harness.js';
import { biasEnd } from './workload.js';

interface Row {
  readonly path: DecodePath;
  readonly ended: string;
  readonly tokens: number;
  readonly timing: Timing;
  /** How many times as fast as `steps`, formed within each round: quartiles over rounds. */
  readonly speed: { readonly median: number; readonly p25: number; readonly p75: number };
}

const defaultRounds = 15;

const paths = ['steps', 'fused', 'rollout'] as const satisfies readonly DecodePath[];
const options = benchCommand({
  command: 'npm run bench:rollout --',
  about: 'The ways to decode beside each other: 64 sampled responses of a model, as in stage 2.',
  measures: [`${paths.join(', ')}: where no response ends early, and where most do`],
  takes: 'half a minute on two cores, two on a software adapter; six times as long for `base`',
  options: {
    preset: option('--preset <name>', 'size of the model', oneOf(Object.keys(modelPresets) as PresetName[]), 'tiny'),
    rounds: roundsOption,
    ...resultOptions,
  },
  examples: [
    ['--device wasm --json FILE', 'kept as JSON'],
    ['--device wasm --preset base --rounds 5', 'a wider model'],
  ],
});
const rounds = options.rounds ?? defaultRounds;
const device = await openBenchDevice(options);
const model = new VisionLanguageModel(device, modelPresets[options.preset], { trainable: false }).initialize(1);
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
  const samples = Object.fromEntries(paths.map(path => [path, [] as number[]])) as Record<DecodePath, number[]>;
  let tokens = 0;
  for (let round = -1; round < rounds; round++)
    // the first warms up
    for (const path of paths) {
      const start = performance.now();
      const all = { maxTokens, temperature: 1, seed: 1, stream: 2, step: 3, path };
      const responses = await device.scope(() => generate(model, prompts, all, images));
      await device.finish();
      if (round >= 0) samples[path].push(performance.now() - start);
      tokens = responses.reduce((sum, response) => sum + response.length, 0);
    }
  for (const path of paths) {
    const timing = timingOf(samples[path]);
    // slow moments of the machine hit neighbours alike
    const ratios = samples.steps.map((time, round) => time / samples[path][round]!).toSorted((a, b) => a - b);
    const quarter = (part: number) => ratios[Math.floor(part * (rounds - 1))]!;
    rows.push({
      path,
      ended,
      tokens,
      timing,
      speed: { median: median(ratios), p25: quarter(0.25), p75: quarter(0.75) },
    });
    console.log(
      `${path.padEnd(8)} ended early: ${ended.padEnd(5)} ${timing.median.toFixed(1).padStart(8)} ms  ` +
        `${((1000 * tokens) / timing.median).toFixed(0).padStart(8)} tokens/s  ` +
        `${median(ratios).toFixed(2)} (${quarter(0.25).toFixed(2)} to ${quarter(0.75).toFixed(2)}) times as fast as steps`,
    );
  }
}
writeResult(options.json, device, rows);
await device.close();
