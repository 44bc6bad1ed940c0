/**
 * Everything worth measuring on a machine with a GPU, in a few minutes: what the adapter offers, whether every kernel
 * is correct on it, its ceilings, how close our products, attention, training steps and rollouts come to them, a short
 * real run, and the same work in PyTorch. `npm run bench:gpu`
 *
 * Each part is its own process with a time limit and saves results as they arrive, so a part that hangs or crashes the
 * driver loses only its own.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { reportCapabilities } from './gpu/capabilities.js';
import { checkKernels } from './gpu/correctness.js';
import { measureLimits } from './gpu/limits.js';
import type { Limits } from './gpu/limits.js';
import { nameOf, workOf } from './gpu/products.js';
import { climb } from './gpu/rungs.js';
import { rehearsalPage } from './gpu/rehearsal-page.js';
import type { Rehearsed } from './gpu/rehearsal.js';
import { parts, rehearsalOf, scales } from './gpu/scale.js';
import type { GpuScale, Part } from './gpu/scale.js';
import { summary } from './gpu/summary.js';
import type { GpuDay } from './gpu/summary.js';
import { sweep } from './gpu/sweep.js';
import { measureTraining, stepShape } from './gpu/training.js';
import { commaList, factor, oneOf, option, toggle } from '../mgsd/cli/options.js';
import { modelPresets } from '../models/index.js';
import { benchCommand } from './command.js';

const partList = commaList(oneOf(parts));
const values = benchCommand({
  command: 'npm run bench:gpu --',
  about: 'Everything there is to find out on a machine with a GPU, PyTorch beside it; each part in its own process.',
  measures: parts.map(part => `${part} (at most ${scales.full.seconds[part]} s)`),
  takes: 'nine minutes on a GPU; half an hour at --scale small on a software adapter',
  options: {
    out: option('--out <folder>', 'where gpu-day.json and gpu-day.md go', String, 'bench/results/gpu'),
    scale: option(
      '--scale <name>',
      'full, for a GPU; small, to try it on a software adapter',
      oneOf(['full', 'small']),
      'full',
    ),
    only: option('--only <list>', 'only these parts', partList),
    skip: option('--skip <list>', 'all but these', partList),
    minutes: option('--minutes <n>', 'begin no part after this long', factor(1440), 9),
    rehearse: toggle('--rehearse', 'every part on a device that computes nothing and says it is an H100'),
    part: option('--part <name>', 'set in the processes of the parts', oneOf(parts)).hideHelp(),
  },
  examples: [
    ['', 'the whole day'],
    ['--scale small --only capabilities,limits', 'two parts, on a software adapter'],
    ['--rehearse', 'without a GPU: does every part run, and compile, at its full sizes? Ten minutes on two cores'],
  ],
});
const scale = values.rehearse ? rehearsalOf(scales[values.scale]) : scales[values.scale];

const folder = path.resolve(values.out, values.rehearse ? 'rehearsal' : '');
const fileOf = (part: string) => path.join(folder, `${part}.json`);
/** What the processes of a part have seen of the null device, a line each. */
const rehearsalFile = (part: string) => path.join(folder, `${part}.jsonl`);

/** A reader never sees half a file. */
function write(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

const save = (part: Part) => (result: unknown) => {
  write(fileOf(part), JSON.stringify(result, undefined, 1));
};

/** What a part has written so far. */
const read = (part: Part): unknown =>
  existsSync(fileOf(part)) ? JSON.parse(readFileSync(fileOf(part), 'utf8')) : undefined;

/** What a part does, in its own process. */
const programs: Readonly<Record<Part, (scale: GpuScale) => Promise<unknown>>> = {
  capabilities: async () => save('capabilities')(await reportCapabilities()),
  correctness: chosen => checkKernels(chosen, save('correctness')),
  limits: async chosen => save('limits')(await measureLimits(chosen)),
  ladder: chosen => climb(chosen, read('limits') as Limits | undefined, save('ladder')),
  kernels: chosen => sweep(chosen, save('kernels')),
  training: chosen => measureTraining(chosen, save('training')),
  run: chosen => realRun(chosen, save('run')),
  pytorch: chosen => pytorch(chosen),
};

/** `mgsd-lite train` as a user would start it; how far it is, every two seconds, for it may be stopped. */
async function realRun(chosen: GpuScale, onProgress: (so: object) => void): Promise<void> {
  const program = new URL('../mgsd/cli/main.js', import.meta.url).href; // the build does not make the launcher
  const script = `process.exitCode = await (await import(${JSON.stringify(program)})).main(process.argv.slice(1));`;
  const start = performance.now();
  const out = path.join(folder, 'run');
  rmSync(out, { recursive: true, force: true }); // of an earlier day: a run never goes where one is
  const args = [
    '--input-type=module',
    '-e',
    script,
    '--',
    'train',
    '--device',
    'webgpu',
    '--json',
    '--out',
    out,
    ...chosen.run,
  ];
  const seconds = () => (performance.now() - start) / 1000;
  const seen: { told: number; last?: Event; end?: Event } = { told: 0 };
  const { code, output } = await runProcess(process.execPath, args, '', line => {
    const event = JSON.parse(line) as Event;
    if (event['event'] === 'end') seen.end = event;
    if (event['event'] === 'step') seen.last = event;
    if (seconds() - seen.told < 2) return;
    seen.told = seconds();
    onProgress({ seconds: seen.told, last: seen.last });
  });
  if (code !== 0) throw new Error(`mgsd-lite train ended with ${code}: ${output.slice(-2000)}`);
  onProgress({ seconds: seconds(), table: seen.end?.['table'], story: seen.end?.['story'] });
}

/** The same work in PyTorch, where a python3 with it is found. */
async function pytorch(chosen: GpuScale): Promise<void> {
  const find = 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)';
  const found = spawnSync('python3', ['-c', find], { stdio: 'ignore' });
  if (found.status !== 0) throw new Error('python3 with torch was not found');
  const script = path.resolve(import.meta.dirname, '../../bench/gpu/pytorch.py'); // beside the sources, not in dist/
  const work = workOf(chosen).map(item => ({ ...item, name: nameOf(item) }));
  const steps = chosen.training.map(({ preset, batch }) => ({
    preset,
    ...stepShape(modelPresets[preset], batch, chosen.responseLength),
  }));
  const { code, output } = await runProcess('python3', [script, fileOf('pytorch')], JSON.stringify({ work, steps }));
  if (code !== 0) throw new Error(`PyTorch's part ended with ${code}: ${output.slice(-2000)}`);
}

/** An event of `mgsd-lite train --json`. */
type Event = Readonly<Record<string, unknown>>;

function runProcess(
  command: string,
  args: readonly string[],
  input = '',
  onLine: (line: string) => void = () => undefined,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    createInterface(child.stdout).on('line', onLine);
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    child.on('error', reject);
    child.on('close', code => {
      resolve({ code: code ?? 1, output: code === 0 ? output : output + errors });
    });
    child.stdin.end(input);
  });
}

if (values.part !== undefined) {
  await programs[values.part](scale);
  process.exit(0); // whatever a driver still has running
}

const { only = parts, skip = [] } = values;
const canRun = (part: Part) => !values.rehearse || part !== 'pytorch'; // which has no null device
const chosen = parts.filter(part => only.includes(part) && !skip.includes(part) && canRun(part));
mkdirSync(folder, { recursive: true });

const start = Date.now();
const deadline = values.rehearse ? Infinity : start + 60_000 * values.minutes;
const day: GpuDay = {
  date: new Date().toISOString(),
  node: process.version,
  scale: scale.name,
  took: {},
  parts: {},
  problems: {},
};

/** Collects what a part has written, finished or not. */
function collect(part: Part): void {
  const result = read(part);
  if (result !== undefined) day.parts[part] = result as never;
  if (values.rehearse) return; // nothing was measured
  write(path.join(folder, 'gpu-day.json'), `${JSON.stringify(day, undefined, 1)}\n`);
  write(path.join(folder, 'gpu-day.md'), summary(day));
}

const rehearsed: Partial<Record<Part, Rehearsed[]>> = {};

/** How a part is started: for a rehearsal, it and the processes that it starts load the null device. */
function startOf(part: Part) {
  const args = [fileURLToPath(import.meta.url), '--part', part, '--scale', scale.name, '--out', values.out];
  if (!values.rehearse) return { args, env: process.env };
  const preload = `--import ${new URL('gpu/rehearsal.js', import.meta.url).href}`;
  const NODE_OPTIONS = `${process.env['NODE_OPTIONS'] ?? ''} ${preload}`;
  return { args: [...args, '--rehearse'], env: { ...process.env, NODE_OPTIONS, MGSD_REHEARSAL: rehearsalFile(part) } };
}

for (const part of chosen) {
  const left = deadline - Date.now();
  if (left < 5000) {
    day.problems[part] = `not begun: the ${values.minutes} minutes were over (--minutes)`;
    collect(part);
    continue;
  }
  const limit = Math.min(left, 1000 * scale.seconds[part]);
  const began = Date.now();
  for (const file of [fileOf(part), rehearsalFile(part)]) rmSync(file, { force: true }); // of an earlier day
  const log = openSync(path.join(folder, `${part}.log`), 'w');
  const { args, env } = startOf(part);
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', log, log],
    detached: process.platform !== 'win32',
    env,
  });
  const status = await new Promise<string>(resolve => {
    const timer = setTimeout(() => {
      // the whole group: a part may have children of its own
      if (process.platform === 'win32' || child.pid === undefined) child.kill('SIGKILL');
      else process.kill(-child.pid, 'SIGKILL');
      resolve(`stopped after ${Math.round(limit / 1000)} s; what it had by then counts`);
    }, limit);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve(code === 0 ? 'ok' : `ended with ${signal ?? code ?? 'nothing'}`);
    });
  });
  closeSync(log);
  if (status !== 'ok') {
    const lines = readFileSync(path.join(folder, `${part}.log`), 'utf8')
      .trim()
      .split('\n');
    const reason = lines.findLast(line => /^\s*\w*(Error|Exception)\b.*: /.test(line)) ?? lines.at(-1)!;
    day.problems[part] = status.startsWith('ended') ? `${status}: ${reason.trim()}` : status;
  }
  day.took[part] = (Date.now() - began) / 1000;
  collect(part);
  if (values.rehearse && existsSync(rehearsalFile(part))) {
    const lines = readFileSync(rehearsalFile(part), 'utf8').trim().split('\n');
    rehearsed[part] = lines.map(line => JSON.parse(line) as Rehearsed);
  }
  console.log(`${part.padEnd(13)} ${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s  ${status}`);
}
if (values.rehearse) {
  const { page, isGood } = rehearsalPage(day, rehearsed);
  write(path.join(folder, 'rehearsal.md'), page);
  console.log(`\n${page}`);
  if (!isGood) process.exitCode = 1;
} else {
  console.log(`\n${summary(day)}`);
  if (Object.keys(day.problems).length > 0) process.exitCode = 1;
}
