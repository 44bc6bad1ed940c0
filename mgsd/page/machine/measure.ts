/** How fast the worker's device is: products, memory, launches, and a training step. */
import { matmul, neg, noGrad } from '../../../core/index.js';
import type { Capabilities, Device } from '../../../core/index.js';
import { VisionLanguageModel } from '../../../models/index.js';
import { modelConfigOf, resolveConfig } from '../../method/config.js';
import { trainingGroups } from '../../method/puzzles.js';
import { probeStep, smallPools } from '../../method/stages/probe.js';
import { makeOptimizer } from '../../method/stages/stage.js';
import { countWork } from '../../runs/work.js';
import { useDevice } from '../device.js';
import type { Told } from '../protocol.js';

/** The median of several samples. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

export interface MeasureEvent {
  readonly done: number;
  readonly total: number;
  readonly figures: readonly Figure[];
}

export interface Measured {
  readonly figures: readonly Figure[];
  readonly device: Capabilities;
}

const largestPass = 64 * 2 ** 20; // bytes: more than most caches hold

/** Has the device to itself until the end, or until the caller cancels. */
export function measureAll({ emit, signal }: Told<MeasureEvent>): Promise<Measured> {
  return useDevice(async device => {
    const sizes = device.capabilities.software ? [256, 512] : [256, 512, 1024];
    const parts = sizes.map(n => () => product(device, n));
    parts.push(
      () => memory(device),
      () => launches(device),
      () => training(device),
    );
    const figures: Figure[] = [];
    for (const [done, part] of parts.entries()) {
      signal.throwIfAborted();
      emit({ done, total: parts.length, figures: [...figures] });
      figures.push(...(await device.scope(part)));
    }
    return { figures, device: device.capabilities };
  });
}

/**
 * How often a second `work` is done, which may only enqueue it: of samples of 30 ms and a fence, the median. Half a
 * second of them, at least five; where one takes seconds, fewer.
 */
async function perSecond(device: Device, work: () => unknown): Promise<number> {
  let repeat = 1;
  const sample = async () => {
    const start = performance.now();
    for (let i = 0; i < repeat; i++) await work();
    await device.finish();
    return (performance.now() - start) / 1000;
  };
  await sample(); // compiles
  await sample(); // records what is replayed
  let last = await sample();
  for (; last < 0.03; last = await sample()) repeat *= 2;
  const rates = [repeat / last];
  const start = performance.now();
  for (let taken = 0; taken < 500 || (rates.length < 5 && taken < 2000); taken = performance.now() - start)
    rates.push(repeat / (await sample()));
  return rates.sort((a, b) => a - b)[rates.length >> 1]!;
}

const filled = (length: number) => Float32Array.from({ length }, (_, i) => (i % 251) / 251 - 0.5);

async function product(device: Device, n: number): Promise<readonly Figure[]> {
  const [a, b] = [device.tensor(filled(n * n), [n, n]), device.tensor(filled(n * n), [n, n])];
  const rate = await perSecond(device, () => device.scope(() => noGrad(() => void matmul(a, b))));
  return [{ what: `product of ${n} x ${n} matrices, f32`, value: (rate * 2 * n ** 3) / 1e9, unit: 'GFLOP/s' }];
}

/** A pass that reads x and writes y, as a copy does. */
async function memory(device: Device): Promise<readonly Figure[]> {
  const bytes = Math.min(largestPass, device.capabilities.maxBufferBytes);
  const x = device.tensor(filled(bytes / 4), [bytes / 4]);
  const rate = await perSecond(device, () => device.scope(() => noGrad(() => void neg(x))));
  const what = `memory: ${bytes / 2 ** 20} MiB read, as many written`;
  return [{ what, value: (rate * 2 * bytes) / 1e9, unit: 'GB/s' }];
}

async function launches(device: Device): Promise<readonly Figure[]> {
  const x = device.tensor(filled(16), [16]);
  const rate = await perSecond(device, () => device.scope(() => noGrad(() => void neg(x))));
  return [{ what: 'launches of a kernel on 16 numbers', value: rate, unit: 'a second' }];
}

/** An update of stage 1 of `tiny`, on fresh weights. Tokens: rows of the decoder, prompts included. */
async function training(device: Device): Promise<readonly Figure[]> {
  const config = smallPools(resolveConfig('tiny'));
  const { precision, seed, preset, stage1 } = config;
  const batch = device.capabilities.software ? 8 : stage1.batch; // of 64 an update takes ten seconds there
  const student = new VisionLanguageModel(device, modelConfigOf(config), { precision }).initialize(seed);
  const optimizer = makeOptimizer(student, config);
  try {
    const step = probeStep('stage1', { config, student, optimizer, groups: trainingGroups(config) }, batch);
    const { tokens, flops } = await countWork(device, batch, step);
    const rate = await perSecond(device, step);
    const what = `training, stage 1 of preset ${preset}, ${batch} pictures an update`;
    return [
      { what, value: rate * tokens, unit: 'tokens/s' },
      { what: `${what}: its arithmetic`, value: (rate * flops) / 1e9, unit: 'GFLOP/s' },
    ];
  } finally {
    for (const done of [optimizer, student]) done.dispose();
  }
}
