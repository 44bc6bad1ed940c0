/**
 * Comparison with other engines on one machine in one run: the training step of bench/transformer.ts, and its kernels:
 * matrix products in all three layouts (square and in the step's shapes), softmax, layer norm, GELU, attention and
 * cross-entropy forward and backward, AdamW. Every engine runs in a fresh process, engines take turns, and ratios are
 * formed within a round.
 *
 * `npm run bench:peers -- --json bench/results/peers-wasm.json --readme`, and `--group webgpu` for engines on WebGPU;
 * the first call installs the peers into bench/peers.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { commaList, factor, oneOf, option, wholeNumber } from '../mgsd/cli/options.js';
import { benchCommand, jsonOption, progress, readmeOption, wrapped } from './command.js';
import { median, number, table } from './gpu/format.js';
import { commandLine, writeReadme } from './harness.js';
import { peerKernels } from './peers-kernels.js';
import { installPeers, peers, writeTask } from './peers-task.js';
import { sizes, transformerFlops } from './transformer.js';

interface EngineSpec {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Native code, or a reference: shown, but not counted as a peer. */
  readonly native?: boolean;
  /** Parts it takes part in; all by default. */
  readonly parts?: readonly string[];
}

const node = (script: string, ...args: string[]) => [
  process.execPath,
  script,
  ...(script === ours ? ['--task'] : []),
  '{task}',
  ...args,
];
const ours = fileURLToPath(new URL('./peers-ours.js', import.meta.url));
const jax = path.join(peers, 'jax.mjs');
const tfjs = path.join(peers, 'tfjs.mjs');
const sleeping = { MGSD_PEERS_SLEEP: '1' };

const wasmEngines: readonly EngineSpec[] = [
  { name: 'mgsd-lite wasm', command: node(ours, '--device', 'wasm', '--threads', '{threads}') },
  { name: 'jax-js wasm', command: node(jax, 'wasm', '{threads}') },
  { name: 'tfjs wasm', command: node(tfjs, 'wasm', '{threads}') },
  { name: 'mgsd-lite wasm (1 thread)', command: node(ours, '--device', 'wasm', '--threads', '1') },
  { name: 'tfjs wasm (1 thread)', command: node(tfjs, 'wasm', '1') },
  {
    name: 'onnxruntime-node cpu',
    command: node(path.join(peers, 'ort.mjs'), 'cpu', '{threads}'),
    native: true,
    parts: ['kernels'],
  },
  { name: 'js-pytorch', command: node(path.join(peers, 'jspytorch.mjs')), parts: ['kernels'] },
  {
    name: 'PyTorch',
    command: ['python3', path.join(peers, 'torch_peer.py'), '{task}', 'cpu', '{threads}'],
    native: true,
  },
];
const gpuEngines: readonly EngineSpec[] = [
  { name: 'mgsd-lite webgpu', command: node(ours, '--device', 'webgpu') },
  { name: 'jax-js webgpu', command: node(jax, 'webgpu', '1') },
  { name: 'jax-js webgpu (our wait)', command: node(jax, 'webgpu', '1'), env: sleeping },
  { name: 'tfjs webgpu', command: node(tfjs, 'webgpu', '1') },
  { name: 'tfjs webgpu (our wait)', command: node(tfjs, 'webgpu', '1'), env: sleeping },
];
const known = [...wasmEngines, ...gpuEngines];
const names = known.map(({ name }) => name);
const kernelNames = peerKernels(false).map(({ name }) => name);
const parts = ['train', 'kernels'] as const;
const values = benchCommand({
  command: 'npm run bench:peers --',
  about:
    'Us beside other engines on one machine: every engine in processes of its own, in turns, from the same weights.',
  measures: ['a training step, and its kernels:', ...wrapped(kernelNames), 'engines:', ...wrapped(names)],
  takes: '10 minutes on two cores, and the first call installs 0.9 GB of peers into bench/peers',
  options: {
    group: option('--group <name>', 'engines on the processor or on WebGPU', oneOf(['wasm', 'webgpu']), 'wasm'),
    engines: option(
      '--engines <list>',
      'these engines instead of a group; the first is what others are held to',
      commaList(oneOf(names)),
    ),
    parts: option('--parts <list>', 'what is measured', commaList(oneOf(parts)), parts),
    kernels: option('--kernels <text>', 'only kernels whose names hold this'),
    threads: option('--threads <n>', 'of every engine', wholeNumber(1, 256), Math.min(2, os.availableParallelism())),
    rounds: option('--rounds <n>', 'how often every engine has its turn', wholeNumber(1, 100), 3),
    seconds: option('--seconds <s>', 'of training steps in a turn', factor(3600), 5),
    kernelSeconds: option('--kernel-seconds <s>', 'of each kernel in a turn', factor(3600), 0.4),
    json: jsonOption,
    readme: readmeOption,
  },
  examples: [
    ['--engines "mgsd-lite wasm,jax-js wasm" --parts train --rounds 1', 'two engines, the training step alone'],
    ['--group webgpu --json FILE --readme', 'kept'],
  ],
});
const { threads } = values;
const groupOf = { wasm: wasmEngines, webgpu: gpuEngines };
const engines = values.engines?.map(name => known.find(each => each.name === name)!) ?? groupOf[values.group];

const chosenKernels = peerKernels(values.group === 'webgpu').filter(({ name }) => name.includes(values.kernels ?? ''));

/** Training steps whose losses are compared in the first round; later rounds only warm up. */
const checkedSteps = 11;
const warmUpSteps = 3;

interface KernelResult {
  readonly milliseconds: number;
  /** Of products, from a computation in f64. */
  readonly error: number;
  /** Elements of every result. */
  readonly samples: readonly (readonly number[])[];
}

interface EngineResult {
  readonly losses: readonly number[];
  readonly stepMilliseconds: readonly number[];
  readonly kernels: Readonly<Record<string, KernelResult>>;
}

/** Runs one process; undefined, after printing why, where the engine does not run here. */
function runEngine({ name, command, env }: EngineSpec, folder: string): EngineResult | undefined {
  const [program, ...args] = command.map(part => part.replace('{task}', folder).replace('{threads}', `${threads}`));
  const options = { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 600_000, maxBuffer: 2 ** 26 } as const;
  const { status, stdout, stderr } = spawnSync(program!, args, options);
  const line = stdout
    .trim()
    .split('\n')
    .findLast(text => text.startsWith('{'));
  if (status === 0 && line !== undefined) return JSON.parse(line) as EngineResult;
  const reason = stderr.trim().split('\n');
  console.log(
    `${name}: does not run here: ${reason.findLast(text => /error/i.test(text)) ?? reason.at(-1) ?? 'no output'}`,
  );
  return undefined;
}

if (engines.some(({ command }) => command.some(part => part.startsWith(peers)))) installPeers();

const folder = mkdtempSync(path.join(os.tmpdir(), 'mgsd-peers-'));
const results = new Map<string, EngineResult[]>(engines.map(({ name }) => [name, []]));
const broken = new Set<string>();
for (let round = 0; round < values.rounds; round++) {
  await writeTask(folder, {
    checkedSteps: round === 0 ? checkedSteps : warmUpSteps,
    seconds: values.seconds,
    kernelSeconds: values.kernelSeconds,
    parts: values.parts,
    kernels: chosenKernels,
  });
  progress.begin(`round ${round + 1} of ${values.rounds}`, engines.length);
  for (const [i, engine] of engines.entries()) {
    progress.update(i, engine.name);
    if (broken.has(engine.name)) continue;
    if (engine.parts && !engine.parts.some(part => values.parts.some(chosen => chosen === part))) continue;
    const result = runEngine(engine, folder);
    if (!result) broken.add(engine.name);
    else results.get(engine.name)!.push(result);
    const step =
      result && result.stepMilliseconds.length > 0 ? `${number(median(result.stepMilliseconds))} ms per step` : '';
    if (result) progress.write(`round ${round + 1}: ${engine.name.padEnd(26)} ${step}`);
  }
}
progress.end();
rmSync(folder, { recursive: true, force: true });

const first = engines[0]!.name;
const reference = results.get(first)!;
const tokens = sizes.batch * sizes.length;
/** Ratios to us are formed within a round, and the median is over rounds. */
const ratio = (name: string, of: (result: EngineResult) => number) =>
  median(results.get(name)!.flatMap((result, i) => (reference[i] ? [of(result) / of(reference[i])] : [])));
const stepOf = ({ stepMilliseconds }: EngineResult) => median(stepMilliseconds);

interface StepSummary {
  readonly name: string;
  readonly native: boolean;
  readonly stepMilliseconds: number;
  readonly spread: readonly number[];
  /** Theirs over ours. */
  readonly timesOurs: number;
  readonly losses: readonly number[];
}

const summary: StepSummary[] = [];
const trainRows: string[][] = [];
for (const { name, native = false } of engines) {
  const runs = results.get(name)!.filter(({ stepMilliseconds }) => stepMilliseconds.length > 0);
  if (runs.length === 0) continue;
  const step = median(runs.map(stepOf));
  const spread = [Math.min(...runs.map(stepOf)), Math.max(...runs.map(stepOf))];
  const times = ratio(name, stepOf);
  const worst = Math.max(...runs[0]!.losses.map((loss, i) => Math.abs(loss - reference[0]!.losses[i]!)));
  summary.push({ name, native, stepMilliseconds: step, spread, timesOurs: times, losses: runs[0]!.losses });
  trainRows.push([
    native ? `${name} (native)` : name,
    number(step),
    `${number(spread[0])} to ${number(spread[1])}`,
    number((1000 * tokens) / step),
    number(transformerFlops() / step / 1e6),
    number(times),
    number(worst),
  ]);
}
if (trainRows.length > 0)
  console.log(
    `\n${table(['engine', 'step ms', 'over rounds', 'tokens/s', 'GFLOP/s', 'step / ours', 'largest difference of a loss'], trainRows)}`,
  );

const shown = engines.filter(({ name }) => results.get(name)!.some(run => Object.keys(run.kernels).length > 0));

/** Largest difference from our results, relative to the largest of them. */
function difference(ours: KernelResult, theirs: KernelResult): number {
  let worst = 0;
  ours.samples.forEach((samples, i) => {
    const largest = samples.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-6);
    samples.forEach((x, j) => {
      const error = Math.abs(x - (theirs.samples[i]?.[j] ?? NaN)) / largest;
      if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
    });
  });
  return worst;
}

interface KernelCell {
  readonly milliseconds: number;
  readonly rate: number;
  /** Theirs over ours, within rounds; undefined for ourselves. */
  readonly timesOurs: number | undefined;
  readonly isRight: boolean;
}

function kernelCell(kernel: string, work: number, engine: string): KernelCell | undefined {
  const runs = results.get(engine)!;
  const milliseconds = runs.flatMap(run => run.kernels[kernel]?.milliseconds ?? []);
  const mine = reference.map(run => run.kernels[kernel]);
  if (milliseconds.length === 0 || !mine[0]) return undefined;
  const pairs = runs.flatMap((run, i) =>
    run.kernels[kernel] && mine[i] ? [[run.kernels[kernel], mine[i]] as const] : [],
  );
  const typical = median(milliseconds);
  return {
    milliseconds: typical,
    rate: work / typical / 1e6,
    timesOurs:
      engine === first ? undefined : median(pairs.map(([theirs, own]) => theirs.milliseconds / own.milliseconds)),
    isRight: pairs.every(([theirs, own]) => theirs.error < 1e-2 && difference(own, theirs) < 5e-3),
  };
}

const kernelTable = chosenKernels.map(({ name, work, unit }) => ({
  name,
  unit,
  cells: Object.fromEntries(shown.map(engine => [engine.name, kernelCell(name, work, engine.name)])),
}));
const isPeer = ({ name, native = false }: EngineSpec) =>
  !native && !name.startsWith('mgsd-lite') && !name.endsWith('(1 thread)');
/** Our time over that of the fastest engine that is not native code; below 1 where we are fastest. */
const slowest = kernelTable.flatMap(({ name, cells }) => {
  const times = shown
    .filter(isPeer)
    .flatMap(engine => (cells[engine.name]?.isRight ? (cells[engine.name]!.timesOurs ?? []) : []));
  return times.length === 0 ? [] : [{ name, ratio: 1 / Math.min(...times) }];
});
const text = ({ rate, timesOurs, isRight }: KernelCell) =>
  `${number(rate)}${timesOurs === undefined ? '' : ` (${number(timesOurs)})`}${isRight ? '' : ' WRONG'}`;
if (kernelTable.length > 0 && shown.length > 0) {
  const cells = kernelTable.map(({ name, unit, cells: byEngine }) => [
    name,
    unit,
    ...shown.map(engine => (byEngine[engine.name] ? text(byEngine[engine.name]!) : '-')),
  ]);
  console.log(
    `\nRates, and in brackets the time over ours\n${table(['kernel', 'unit', ...shown.map(({ name }) => name)], cells)}`,
  );
  const behind = slowest.filter(({ ratio: r }) => r > 1.15).map(({ name, ratio: r }) => `${name} (${number(r)} times)`);
  console.log(`\nMore than 15 % slower than the fastest JavaScript peer: ${behind.join(', ') || 'none'}`);
}

if (values.json !== undefined) {
  mkdirSync(path.dirname(values.json), { recursive: true });
  const record = {
    date: new Date().toISOString(),
    command: commandLine(),
    node: process.version,
    processor: os.cpus()[0]?.model,
    threads,
    rounds: values.rounds,
    training: summary,
    kernels: kernelTable,
    slowest,
  };
  writeFileSync(values.json, `${JSON.stringify(record, undefined, 1)}\n`);
  console.log(`written to ${values.json}`);
}
if (values.readme) writeReadme(`peers-${values.group}`, paragraph());

/** The result in a few sentences. */
function paragraph(): string {
  const file = values.json === undefined ? 'not written' : `[JSON](results/${path.basename(values.json)})`;
  const steps = summary.map(
    ({ name, native, stepMilliseconds, timesOurs }) =>
      `${name}${native ? ' (native)' : ''} ${number(stepMilliseconds)} ms${name === first ? '' : ` (${number(timesOurs)} times ours)`}`,
  );
  const squares = ['nn 512', 'nt 512', 'tn 512'].flatMap(name => kernelTable.filter(row => row.name === name));
  const products = shown
    .filter(engine => squares.some(({ cells }) => cells[engine.name]))
    .map(engine => `${engine.name} ${squares.map(({ cells }) => number(cells[engine.name]?.rate)).join(', ')}`);
  const behind = slowest.filter(({ ratio: r }) => r > 1.15).map(({ name, ratio: r }) => `${name} (${number(r)} times)`);
  const kernelText =
    kernelTable.length === 0
      ? ''
      : ` Of the ${slowest.length} kernels that a JavaScript peer offers, more than 15 % slower than the fastest peer: ${behind.join(', ') || 'none'}.`;
  return (
    `On ${os.cpus()[0]?.model ?? 'unknown'}, ${threads} threads (${file}, ${values.rounds} rounds; every ratio is formed within a round): a training step of a GPT of ` +
    `0.84 million parameters takes ${steps.join(', ')}. Products of 512³ in nn, nt and tn, GFLOP/s: ${products.join('; ')}.${kernelText}`
  );
}
