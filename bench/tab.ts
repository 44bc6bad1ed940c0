/**
 * Speed in a browser's tab: the training step of bench:peers on our wasm backend in a headless Chromium, beside the
 * same in Node, and beside jax-js in the same tab. Every engine stays open, in a worker of its own; they take turns of
 * a second or so, and ratios are formed within a round.
 *
 * `npm run bench:tab -- --json bench/results/tab.json --readme`
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { openDevice } from '../core/index.js';
import { commaList, factor, option, toggle, wholeNumber } from '../mgsd/cli/options.js';
import { isolation, serveFolder } from '../mgsd/cli/static-server.js';
import { openChromium } from './chromium.js';
import { benchCommand, jsonOption, progress, readmeOption } from './command.js';
import { median, number, table } from './gpu/format.js';
import { commandLine, timingOf, writeReadme } from './harness.js';
import { installPeers, peers, writeTask } from './peers-task.js';
import { Transformer } from './transformer.js';

const values = benchCommand({
  command: 'npm run bench:tab --',
  about: 'Our training step in a headless Chromium, beside the same in Node and jax-js in the same tab.',
  measures: [
    'the training step of bench:peers, f32, from the same weights:',
    'ours on wasm in the tab and in Node, and jax-js on wasm in the tab; with --webgpu both on WebGPU too',
  ],
  takes: '6 minutes on two cores; the first call installs 0.9 GB of peers into bench/peers',
  options: {
    threads: option('--threads <list>', 'of every engine', commaList(wholeNumber(1, 256)), [1, 2]),
    rounds: option('--rounds <n>', 'how often every engine has its turn', wholeNumber(3, 1000), 20),
    seconds: option('--seconds <s>', 'of training steps in a turn', factor(3600), 1.5),
    webgpu: toggle('--webgpu', "also ours and jax-js on the tab's WebGPU, with the software adapter: slow"),
    json: jsonOption,
    readme: readmeOption,
  },
  examples: [
    ['--json bench/results/tab.json --readme', 'what stands in bench/README.md'],
    ['--threads 1 --rounds 3', 'a first impression'],
  ],
});

/** First steps, whose losses are compared; and the warm-up. */
const losses = 11;

/** An engine in one place. */
interface Runner {
  readonly name: string;
  /** Resolves to the losses of the first steps. */
  readonly start: () => Promise<readonly number[]>;
  /** Milliseconds of each step. */
  readonly turn: (seconds: number) => Promise<readonly number[]>;
}

interface Tab {
  readonly start: (name: string, request: object) => Promise<number[]>;
  readonly turn: (name: string, seconds: number) => Promise<number[]>;
}

installPeers();
const folder = mkdtempSync(path.join(os.tmpdir(), 'mgsd-tab-'));
const bundler = pathToFileURL(path.resolve(import.meta.dirname, '../../.config/bundle.mjs')).href;
const { bundle } = (await import(bundler)) as {
  readonly bundle: (from: string, to: string) => Promise<void>;
};
await bundle(path.join(peers, 'tab'), folder);
await writeTask(folder, { checkedSteps: losses, seconds: 0, kernelSeconds: 0, parts: [], kernels: [] });
const server = await serveFolder(folder, 0, isolation); // jax-js starts its threads from text
const browser = await openChromium();
const page = await browser.newPage();
await page.goto(server.url);
if (!(await page.evaluate(() => (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated)))
  throw new Error('the page is not isolated, so nothing has threads');

const threaded = (threads: number) => `${threads} thread${threads === 1 ? '' : 's'}`;

function inTab(engine: 'ours' | 'jax', backend: 'wasm' | 'webgpu', threads: number): Runner {
  const name = `${engine === 'ours' ? 'mgsd-lite' : 'jax-js'} ${backend} in the tab${backend === 'wasm' ? `, ${threaded(threads)}` : ''}`;
  const request = { engine, backend, threads, losses };
  return {
    name,
    start: () => page.evaluate((a, b) => (globalThis as unknown as Tab).start(a, b), name, request),
    turn: seconds => page.evaluate((a, b) => (globalThis as unknown as Tab).turn(a, b), name, seconds),
  };
}

function inNode(threads: number): Runner {
  let transformer: Transformer;
  return {
    name: `mgsd-lite wasm in Node, ${threaded(threads)}`,
    start: async () => {
      transformer = new Transformer(await openDevice('wasm', { threads }));
      const first: number[] = [];
      while (first.length < losses) first.push(await transformer.step());
      return first;
    },
    turn: async seconds => {
      const milliseconds: number[] = [];
      for (const end = performance.now() + 1000 * seconds; performance.now() < end || milliseconds.length < 3;) {
        const start = performance.now();
        await transformer.step();
        milliseconds.push(performance.now() - start);
      }
      return milliseconds;
    },
  };
}

const most = Math.max(...values.threads);
/** Our engine in the tab, and who its time is held to. */
const pairs = [
  ...values.threads.map(threads => [inTab('ours', 'wasm', threads), inNode(threads)] as const),
  ...values.threads.map(threads => [inTab('ours', 'wasm', threads), inTab('jax', 'wasm', threads)] as const),
  ...(values.webgpu ? [[inTab('ours', 'webgpu', most), inTab('jax', 'webgpu', most)] as const] : []),
];
const runners = [...new Map(pairs.flat().map(runner => [runner.name, runner])).values()];
const firstLosses = new Map<string, readonly number[]>();
for (const runner of runners) {
  progress.write(`${runner.name} starts`);
  firstLosses.set(runner.name, await runner.start());
}
const expected = firstLosses.get(runners[0]!.name)!;
const difference = Object.fromEntries(
  [...firstLosses].map(([name, own]) => [name, Math.max(...own.map((loss, i) => Math.abs(loss - expected[i]!)))]),
);

/** The median step of each turn. */
const turns = new Map<string, number[]>(runners.map(({ name }) => [name, []]));
progress.begin('rounds', values.rounds);
for (let round = 0; round < values.rounds; round++) {
  progress.update(round);
  // every other round backwards, so that nobody is always behind the same one
  for (const { name, turn } of round % 2 === 0 ? runners : runners.toReversed())
    turns.get(name)!.push(median(await turn(values.seconds)));
}
progress.end();
const version = await browser.version();
await browser.close();
await server.close();
rmSync(folder, { recursive: true, force: true });

const steps = runners.map(({ name }) => ({ name, ...timingOf(turns.get(name)!), difference: difference[name]! }));
/** Their time over ours within a round: the median over rounds, and its interval. */
const ratios = pairs.map(([{ name: ours }, { name: theirs }]) => {
  const each = turns.get(theirs)!.map((time, round) => time / turns.get(ours)![round]!);
  return { ours, theirs, timesOurs: median(each), interval: medianInterval(each) };
});

/** Of the median, at 95 % or more where there are six rounds: the order statistics whose ranks a fair coin gives. */
function medianInterval(samples: readonly number[]): readonly [number, number] {
  const sorted = samples.toSorted((a, b) => a - b);
  const n = sorted.length;
  const rank = Math.max(0, Math.floor((n - 1.96 * Math.sqrt(n)) / 2 - 0.5));
  return [sorted[rank]!, sorted[n - 1 - rank]!];
}

const rows = steps.map(step => [step.name, number(step.median), number(step.best), number(step.difference)]);
console.log(table(['engine', 'step ms', 'best turn', 'largest difference of a loss'], rows));
const held = ratios.map(({ ours, theirs, timesOurs, interval }) => [
  ours,
  theirs,
  number(timesOurs),
  interval.map(number).join(' to '),
]);
console.log(`\n${table(['ours', 'held to', 'its time over ours', 'interval of the median'], held)}`);

if (values.json !== undefined) {
  const record = {
    date: new Date().toISOString(),
    command: commandLine(),
    node: process.version,
    browser: version,
    adapter: values.webgpu ? "Chromium's software adapter" : 'none: WebAssembly alone',
    processor: os.cpus()[0]?.model,
    rounds: values.rounds,
    seconds: values.seconds,
    steps,
    ratios,
    turns: Object.fromEntries(turns),
  };
  mkdirSync(path.dirname(values.json), { recursive: true });
  writeFileSync(values.json, `${JSON.stringify(record, undefined, 1)}\n`);
  console.log(`written to ${values.json}`);
}
if (values.readme) writeReadme('tab', paragraph());

/** The result in a few sentences. */
function paragraph(): string {
  const file = values.json === undefined ? 'not written' : `[JSON](results/${path.basename(values.json)})`;
  const texts = ratios.map(
    ({ ours, theirs, timesOurs, interval }) =>
      `${theirs} takes ${number(timesOurs)} times as long as ${ours} (${interval.map(number).join(' to ')})`,
  );
  return (
    `On ${os.cpus()[0]?.model ?? 'unknown'}, ${version}, Node ${process.version} (${file}, ${values.rounds} rounds; the median of ratios formed within a round, ` +
    `and its 95 % interval), a training step of the GPT of \`bench:peers\`: ${texts.join('; ')}.`
  );
}
process.exit(0); // Node's kernel threads are not waited for
