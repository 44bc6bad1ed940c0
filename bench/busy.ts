/**
 * Threads on a busy machine: eight linear layers, forward, backward and AdamW, with one thread and with all, alone and
 * beside a process that computes without a pause, of the same priority or the lowest. The two are measured in turns,
 * and must leave the same weights. `npm run build && node dist/bench/busy.js --json bench/results/busy.json`
 *
 * Beside an equal, a core and a half would give 0.67. What is missing: while the other process has a worker's core,
 * the piece that the worker had begun waits for milliseconds, and no job can begin before it is done. Nobody else can
 * do it again, since kernels update in place. Tried in threads.ts and control.ts, over 12 to 24 rounds each: 0.82 to
 * 0.96 as it is (five times), 0.91 to 0.93 if the main thread sleeps sooner or later, 0.83 to 0.88 if a worker that
 * has woken it does not spin, 0.83 with smaller pieces as well, 0.84 to 0.95 if workers take only a part of the
 * pieces. Workers that rest between pieces of their own accord, once they have lost their core (1 ms in 2, 0.3 in
 * 3.3), are no better either. Nothing stood out of the noise, and nothing was kept. Linux shares the processor by
 * session first (autogroup): other work on the machine then counts whatever its `nice`, so stop it before measuring.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import { AdamW, linear, mean, openDevice, Parameters, Random, Recorder, square } from '../core/index.js';
import type { Device, ParameterSpec, Tensor } from '../core/index.js';
import { option, wholeNumber } from '../mgsd/cli/options.js';
import { median, table } from './gpu/format.js';
import { benchCommand, jsonOption, progress, roundsOption } from './command.js';
import { writeResult } from './harness.js';

const layers = 8;
const width = 512;
const batch = 1024;

/** What runs beside the threads: by how much its priority is lower (`nice`), undefined for nothing. */
const loads: Readonly<Record<string, number | undefined>> = {
  none: undefined,
  'equal priority': 0,
  'low priority': 19,
};

const options = benchCommand({
  command: 'node dist/bench/busy.js',
  about: 'What threads are worth on a busy machine.',
  measures: [
    `a step of ${layers} linear layers of width ${width}, ${batch} rows, with one thread and with more, in turns`,
    `beside: ${Object.keys(loads).join(', ')}`,
  ],
  takes: 'half a minute on two cores',
  options: {
    threads: option(
      '--threads <n>',
      'threads to compare with one',
      wholeNumber(2, 64),
      Math.max(2, os.availableParallelism()),
    ),
    rounds: roundsOption,
    json: jsonOption,
  },
  examples: [['--rounds 40', 'less noise']],
});
const rounds = options.rounds ?? 20;

class Layers {
  readonly parameters: Parameters;
  readonly times: number[] = [];
  readonly #device: Device;
  readonly #optimizer: AdamW;
  readonly #recorder: Recorder;
  readonly #x: Tensor;

  constructor(device: Device) {
    const spec = (name: string, shape: readonly number[], normal: number): ParameterSpec => ({
      ...{ name, shape, group: 'all' },
      init: normal > 0 ? { normal } : { constant: 0 },
    });
    const specs = Array.from({ length: layers }, (_, l) => [
      spec(`weight.${l}`, [width, width], 0.05),
      spec(`bias.${l}`, [width], 0),
    ]);
    this.#device = device;
    this.parameters = new Parameters(device, specs.flat());
    this.parameters.initialize(new Random(1, 1));
    this.#optimizer = new AdamW(this.parameters, {
      beta1: 0.9,
      beta2: 0.95,
      epsilon: 1e-8,
      weightDecay: 0,
      maxNorm: 0,
    });
    this.#recorder = new Recorder(device);
    const random = new Random(1, 2);
    this.#x = device.tensor(
      Float32Array.from({ length: batch * width }, () => random.normal()),
      [batch, width],
    );
  }

  /** A step, replayed from the third on. */
  async step(): Promise<void> {
    const start = performance.now();
    this.#optimizer.setRates({ all: 1e-4 });
    this.#recorder.run('step', {}, () => {
      let x = this.#x;
      for (let l = 0; l < layers; l++)
        x = linear(x, this.parameters.get(`weight.${l}`), this.parameters.get(`bias.${l}`), {
          activation: l % 2 === 0 ? 'relu' : 'none',
        });
      this.#optimizer.backward(mean(square(x)));
      this.#optimizer.update();
      return {};
    });
    await this.#device.finish();
    this.times.push(performance.now() - start);
  }
}

/** Runs `body` beside a process that computes until it is killed. */
async function beside<T>(lower: number | undefined, body: () => Promise<T>): Promise<T> {
  if (lower === undefined) return await body();
  const load = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  await once(load, 'spawn');
  try {
    os.setPriority(load.pid!, Math.min(19, os.getPriority() + lower));
    return await body();
  } finally {
    load.kill('SIGKILL');
    await once(load, 'exit');
  }
}

const devices = [await openDevice('wasm', { threads: 1 }), await openDevice('wasm', { threads: options.threads })];
const [one, more] = devices.map(device => new Layers(device)) as [Layers, Layers];
const results: Record<string, { one: number; more: number; ratio: number; quartiles: readonly number[] }> = {};
for (const [name, lower] of Object.entries(loads))
  await beside(lower, async () => {
    progress.begin(name, rounds);
    for (let i = 0; i < 3; i++) for (const each of [one, more]) await each.step();
    for (const each of [one, more]) each.times.length = 0;
    for (let round = 0; round < rounds; round++) {
      for (const each of round % 2 === 0 ? [one, more] : [more, one]) await each.step();
      progress.update(round + 1);
    }
    progress.end();
    const ratios = more.times.map((time, i) => time / one.times[i]!).toSorted((a, b) => a - b);
    const at = (share: number) => ratios[Math.floor(share * (ratios.length - 1))]!;
    const medians = { one: median(one.times), more: median(more.times) };
    results[name] = { ...medians, ratio: median(ratios), quartiles: [at(0.25), at(0.75)] };
  });
const [left, right] = await Promise.all([one, more].map(({ parameters }) => parameters.flat.read()));
if (left!.some((value, i) => value !== right![i])) throw new Error('the weights depend on the number of threads');
const text = table(
  ['beside', '1 thread, ms', `${options.threads} threads, ms`, 'ratio', 'half of the rounds'],
  Object.entries(results).map(([name, { one, more, ratio, quartiles }]) => [
    name,
    ...[one, more].map(ms => ms.toFixed(0)),
    ratio.toFixed(2),
    quartiles.map(value => value.toFixed(2)).join(' to '),
  ]),
);
console.log(text);
writeResult(options.json, devices[1]!, results, text);
for (const device of devices) await device.close();
