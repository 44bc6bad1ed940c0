/**
 * The soak test: `npm run soak`, or parts of it by `node dist/bench/soak.js --part kills`. Each part is its own process
 * with forced garbage collection; the report goes to bench/results/soak.json and ends with a verdict.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { factor, oneOf, option, repeated, toggle } from '../mgsd/cli/options.js';
import { openDevice } from '../core/index.js';
import type { DeviceChoice } from '../core/index.js';
import { benchCommand, jsonOption } from './command.js';
import { crashRuns } from './soak/crashes.js';
import { dispatchUnderCollections } from './soak/dispatches.js';
import { compareRuns } from './soak/equality.js';
import { fuzz, fuzzKinds } from './soak/fuzz.js';
import { killRuns } from './soak/kills.js';
import type { KillReport } from './soak/kills.js';
import { memoryOverSteps } from './soak/memory.js';
import { runBadCommands } from './soak/processes.js';

interface PartResult {
  readonly summary: string;
  readonly facts: object;
  readonly problems: readonly string[];
}

const partNames = [
  ...['equality on cpu', 'equality on wasm', 'equality on wasm threads', 'equality on webgpu', 'kills', 'crashes'],
  ...['bad input in process', 'bad input as processes', 'memory', 'memory with recordings', 'dispatches'],
] as const;
const values = benchCommand({
  command: 'node dist/bench/soak.js',
  about: 'Not speed but endurance. Ends with 1 if a part fails.',
  measures: partNames,
  takes: 'an hour or two on two cores; each part is printed as it ends',
  options: {
    part: repeated('--part <name>', 'only this part', oneOf(partNames)),
    scale: option('--scale <share>', 'how much of everything', factor(100), 1),
    json: jsonOption,
    child: toggle('--child', 'set in the processes of the parts').hideHelp(),
  },
  examples: [['--part kills --scale 0.1', 'one part, twenty kills']],
});

const scaled = (count: number) => Math.ceil(count * values.scale);
const kills = scaled(200);
const fuzzInputs = scaled(10_000);
const badProcesses = scaled(40);
const memorySteps = scaled(2000);
const dispatches = scaled(20_000);
const seed = 20260606;

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Bit equality on one backend. */
async function equality(choice: DeviceChoice, threads?: number): Promise<PartResult> {
  const device = await openDevice(choice, threads === undefined ? {} : { threads });
  const { stops, differences } = await inFolder(folder => compareRuns(device, folder, choice === 'webgpu' ? 4 : 2));
  await device.close();
  const { name, driver } = device.capabilities;
  return {
    summary: `a run stopped ${stops} times, and a second straight one, leave the files of the first`,
    facts: { backend: choice, threads: device.capabilities.threads, name, driver, stops },
    problems: differences.map(file => `${file} differs`),
  };
}

/** Flat memory, launch by launch or with recorded steps. */
async function memory(eager: boolean): Promise<PartResult> {
  const device = await openDevice('wasm', { threads: 1 });
  const { problems, ...facts } = await memoryOverSteps(device, memorySteps, eager);
  await device.close();
  const { responseTokens, liveBuffers, liveBytes, heapBytes } = facts;
  return {
    summary:
      `${facts.steps} steps of stage 2, responses of ${responseTokens.join(' to ')} tokens on average; by quarters at most ` +
      `${liveBuffers.join(', ')} tensors with ${liveBytes.map(mb).join(', ')}, heap ${heapBytes.map(mb).join(', ')}`,
    facts,
    problems,
  };
}

/** In the order of the report. */
const parts: Readonly<Record<(typeof partNames)[number], () => Promise<PartResult>>> = {
  'equality on cpu': () => equality('cpu'),
  'equality on wasm': () => equality('wasm', 1),
  'equality on wasm threads': () => equality('wasm', 2),
  'equality on webgpu': () => equality('webgpu'),
  kills: async () => {
    const lanes = [0, 1]; // side by side: most of the time of a process is its start
    const reports = await inFolder(folder =>
      Promise.all(lanes.map(lane => killRuns(kills / lanes.length, path.join(folder, String(lane)), seed + lane))),
    );
    const total = (of: (report: KillReport) => number) => reports.reduce((sum, report) => sum + of(report), 0);
    const names = new Set(reports.flatMap(report => Object.keys(report.signals)));
    const facts = {
      kills: total(report => report.kills),
      signals: Object.fromEntries([...names].map(name => [name, total(report => report.signals[name] ?? 0)])),
      duringWrites: total(report => report.duringWrites),
      checkpointsRead: total(report => report.checkpointsRead),
      finishedRuns: total(report => report.finishedRuns),
    };
    const problems = reports.flatMap(report => report.problems);
    const { signals, duringWrites, checkpointsRead, finishedRuns } = facts;
    const bySignal = Object.entries(signals).map(([name, count]) => `${count} ${name}`);
    return {
      summary:
        `${facts.kills} processes killed (${bySignal.join(', ')}; ${duringWrites} in the middle of a write), ${checkpointsRead} ` +
        `checkpoints read afterwards, every resume went on, ${finishedRuns} runs finished with the files of a straight one`,
      facts,
      problems,
    };
  },
  crashes: async () => {
    const device = await openDevice('wasm', { threads: 1 });
    const stride = Math.max(1, Math.round(1 / values.scale));
    const { problems, ...facts } = await inFolder(folder => crashRuns(device, folder, stride));
    await device.close();
    return {
      summary: `${facts.crashes} runs that died before one of their ${facts.operations} operations on files left those of a straight one`,
      facts,
      problems,
    };
  },
  'bad input in process': async () => {
    const each = Math.ceil(fuzzInputs / fuzzKinds.length);
    const reports = [];
    for (const kind of fuzzKinds) reports.push(await inFolder(folder => fuzz(kind, each, folder, seed)));
    const total = reports.reduce((sum, { inputs }) => sum + inputs, 0);
    return {
      summary: `${total} fuzzed inputs of ${reports.length} kinds used or refused with one clear line`,
      facts: {
        inputs: Object.fromEntries(reports.map(({ kind, inputs }) => [kind, inputs])),
        peakBytes: 1024 * process.resourceUsage().maxRSS,
      },
      problems: reports.flatMap(({ kind, problems }) => problems.map(problem => `${kind}: ${problem}`)),
    };
  },
  'bad input as processes': async () => {
    const { problems, ...facts } = await inFolder(folder =>
      Promise.resolve(runBadCommands(badProcesses, folder, seed)),
    );
    return { summary: `${facts.processes} processes with bad input: one line and exit code 2 each`, facts, problems };
  },
  memory: () => memory(true),
  'memory with recordings': () => memory(false),
  dispatches: async () => {
    const { problems, ...facts } = await dispatchUnderCollections(dispatches);
    return {
      summary: `${facts.dispatches} dispatches on ${facts.adapter} under ${facts.collections} forced collections, all of them counted`,
      facts,
      problems,
    };
  },
};

async function inFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mgsd-soak-'));
  try {
    return await body(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a part in a process of its own. */
function runPart(name: string): PartResult & { readonly seconds: number } {
  const start = performance.now();
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', process.argv[1]!, '--child', '--scale', String(values.scale), '--part', name],
    { encoding: 'utf8', timeout: 30 * 60_000, maxBuffer: 2 ** 26 },
  );
  const seconds = (performance.now() - start) / 1000;
  const line = stdout.split('\n').findLast(text => text.startsWith('{'));
  if (status === 0 && line !== undefined) return { ...(JSON.parse(line) as PartResult), seconds };
  const last = stderr.trim().split('\n').slice(-3).join(' | ');
  return {
    summary: 'did not come to its end',
    facts: {},
    problems: [`ended with ${status ?? signal}: ${last}`],
    seconds,
  };
}

const wanted = values.part ?? partNames;
if (values.child) {
  const result = await parts[wanted[0]!]();
  console.log(JSON.stringify(result));
} else {
  const results = wanted.map(name => {
    const result = runPart(name);
    const { summary, problems, seconds } = result;
    console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds.toFixed(0)} s): ${summary}`);
    for (const problem of problems) console.log(`     ${problem}`);
    return { name, ok: problems.length === 0, ...result, seconds: Math.round(seconds) };
  });
  const failed = results.filter(({ ok }) => !ok).length;
  console.log(failed === 0 ? 'all is well' : `${failed} of ${results.length} parts failed`);
  if (values.json !== undefined) {
    const report = {
      date: new Date().toISOString(),
      command: 'npm run soak',
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      processors: `${os.availableParallelism()} of ${os.cpus()[0]?.model ?? 'an unknown model'}`,
      ok: failed === 0,
      parts: results,
    };
    fs.writeFileSync(values.json, `${JSON.stringify(report, undefined, 1)}\n`);
  }
  if (failed > 0) process.exitCode = 1;
}
