/**
 * Dispatches of a replayed training step of each stage, and of a generated token (by `fused` a replayed one): on a GPU
 * each takes some microseconds, however small. They are counted on Dawn's null backend, which computes nothing, so they
 * are exact and need no GPU. What the host has to do for a token by `fused` is timed there too.
 * `npm run build && node dist/bench/launches.js --json bench/results/launches.json`
 */
import { openDevice } from '../core/backends/webgpu/device.js';
import { WebGpuBackend } from '../core/backends/webgpu/webgpu.js';
import { Device, Recorder } from '../core/index.js';
import { createCache, FusedSteps, generate, VisionLanguageModel, vocabulary } from '../models/index.js';
import type { DecodePath, PresetName } from '../models/index.js';
import { checkInput } from '../mgsd/cli/errors.js';
import { commaList, oneOf, option, toggle, wholeNumber } from '../mgsd/cli/options.js';
import { modelConfigOf, resolveConfig } from '../mgsd/method/config.js';
import { trainingGroups } from '../mgsd/method/puzzles.js';
import { probeStep, smallPools } from '../mgsd/method/stages/probe.js';
import { makeOptimizer } from '../mgsd/method/stages/stage.js';
import { readJson } from '../mgsd/runs/files.js';
import { benchCommand, jsonOption, progress } from './command.js';
import { median, table } from './gpu/format.js';
import { writeResult } from './harness.js';
import { openNullDevice } from './host-cost.js';

const presets = ['tiny', 'small', 'base', 'large'] as const satisfies readonly PresetName[];
const paths = ['steps', 'fused'] as const satisfies readonly DecodePath[];
const stages = ['stage0', 'stage1', 'stage2'] as const;

const options = benchCommand({
  command: 'node dist/bench/launches.js',
  about: 'Dispatches of a replayed training step and of a generated token, as a GPU gets them.',
  measures: [
    `${stages.join(', ')}, and a token by ${paths.join(' and ')}, of ${presets.join(', ')}`,
    "the host's time for a token by fused, eagerly and replayed",
  ],
  takes: 'a minute on two cores',
  options: {
    presets: option('--presets <list>', 'only these', commaList(oneOf(presets)), ['tiny', 'small']),
    batch: option('--batch <n>', 'puzzles per step, which change little', wholeNumber(1), 8),
    before: option('--before <file>', 'an earlier result, for a second number in each cell'),
    kernels: toggle('--kernels', "also each step's dispatches by kernel"),
    json: jsonOption,
  },
  examples: [
    ['--presets small --kernels', 'what a step is made of'],
    ['--presets base --batch 2', 'as much as the null backend has memory for'],
  ],
});

/** Dispatches, by what they are for and kernel. */
type Counts = Record<string, Record<string, number>>;

const total = (kernels: Readonly<Record<string, number>> | undefined) =>
  kernels && Object.values(kernels).reduce((sum, count) => sum + count, 0);

let done = 0;

async function countsOf(preset: PresetName) {
  const backend = new WebGpuBackend(await openDevice({ backend: 'null', profile: 'alu' }));
  const device = new Device(backend);
  const config = smallPools(resolveConfig(preset));
  const groups = trainingGroups(config);
  const make = (trainable: boolean) =>
    new VisionLanguageModel(device, modelConfigOf(config), { precision: 'f16', trainable }).initialize(1);
  const [student, planner] = [make(true), make(false)];
  const optimizer = makeOptimizer(student, config);
  const dispatched = async (body: () => unknown) => {
    const sums = () => {
      const byKernel: Record<string, number> = {};
      for (const { kernel, launches } of backend.selections()) byKernel[kernel] = (byKernel[kernel] ?? 0) + launches;
      return byKernel;
    };
    const before = sums();
    await body();
    const added = Object.entries(sums()).map(([name, launches]) => [name, launches - (before[name] ?? 0)] as const);
    return Object.fromEntries(added.filter(([, launches]) => launches > 0));
  };
  const counts: Counts = {};
  for (const stage of stages) {
    const step = probeStep(stage, { config, student, planner, optimizer, groups }, options.batch);
    for (let i = 0; i < 2; i++) await step(); // eagerly, then recorded
    counts[stage] = await dispatched(step);
    progress.update(++done, `${preset} ${stage}`);
  }
  const prompts = Array.from({ length: 8 }, () => [vocabulary.EOS + 3, vocabulary.EOS + 4]);
  for (const path of paths) {
    const draw = (maxTokens: number) =>
      generate(student, prompts, { maxTokens, temperature: 1, seed: 1, stream: 1, step: 0, path });
    await draw(4); // the first comes from the prompts, two run eagerly, from the fourth on the step is replayed
    const [few, more] = [await dispatched(() => draw(4)), await dispatched(() => draw(5))];
    const names = Object.keys(more).filter(name => more[name]! > (few[name] ?? 0));
    counts[path] = Object.fromEntries(names.map(name => [name, more[name]! - (few[name] ?? 0)]));
  }
  const host = await hostOf(student);
  await backend.close();
  return { counts, host };
}

/** Microseconds of the host for a token of eight sequences by `fused`, eagerly and replayed, in turns: medians. */
async function hostOf(model: VisionLanguageModel) {
  const { device, config } = model;
  const columns = 65;
  return await device.scope(async () => {
    const ways = [false, true].map(enabled => {
      const cache = createCache(model, 8, columns);
      const sampling = device.zeros([1 + config.vocabulary]);
      const [done, tokens] = [device.zeros([8], { dtype: 'i32' }), device.zeros([8, columns], { dtype: 'i32' })];
      const noise = { seed: 1, stream: 1, step: 0 };
      const recorder = new Recorder(device, { enabled });
      const steps = new FusedSteps(model, { cache, noise, sampling, done, tokens, slots: undefined }, recorder);
      return { steps, recorder, times: [] as number[] };
    });
    for (let round = -3; round < 40; round++)
      for (const { steps, times } of ways) {
        const start = performance.now();
        for (let column = 1; column < columns; column++) steps.step(column);
        if (round >= 0) times.push((1000 * (performance.now() - start)) / (columns - 1));
        await device.finish();
      }
    for (const { recorder } of ways) recorder.dispose();
    const [eager, replayed] = ways.map(({ times }) => median(times));
    return { eager: eager!, replayed: replayed! };
  });
}

const before = options.before === undefined ? undefined : earlier(options.before);
progress.begin('steps', options.presets.length * stages.length);
const counted: Record<string, Counts> = {};
const hosts: Record<string, Awaited<ReturnType<typeof hostOf>>> = {};
for (const preset of options.presets) {
  const { counts, host } = await countsOf(preset);
  counted[preset] = counts;
  hosts[preset] = host;
}
progress.end();
const columns = [...stages, ...paths];
const text = table(
  [
    'model',
    ...stages.map(name => `${name} step`),
    ...paths.map(name => `token by ${name}`),
    'host, token by fused, eagerly -> replayed, us',
  ],
  Object.entries(counted).map(([preset, counts]) => [
    preset,
    ...columns.map(name => [total(before?.[preset]?.[name]), total(counts[name])].filter(Boolean).join(' -> ')),
    `${hosts[preset]!.eager.toFixed(0)} -> ${hosts[preset]!.replayed.toFixed(0)}`,
  ]),
);
console.log(text);
if (options.kernels)
  for (const [preset, counts] of Object.entries(counted))
    for (const [what, kernels] of Object.entries(counts)) {
      const list = Object.entries(kernels).toSorted(([, a], [, b]) => b - a);
      console.log(`\n${preset} ${what}: ${list.map(([name, times]) => `${name} ${times}`).join(', ')}`);
    }
const nothing = await openNullDevice();
writeResult(options.json, nothing, { before, dispatches: counted, hostMicrosecondsPerToken: hosts }, text);
await nothing.close();

function earlier(file: string): Record<string, Counts> {
  const { results } = checkInput(() => readJson(file)) as { results: { dispatches: Record<string, Counts> } };
  return results.dispatches;
}
