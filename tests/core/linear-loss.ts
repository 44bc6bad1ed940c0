/** What losses of linear heads must keep on every backend: those of the same logits formed all at once, gradients included. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  divergenceStats,
  forwardKl,
  jsd,
  linearCrossEntropy,
  linearForwardKl,
  linearJsd,
  linearReverseKl,
  lossChunkRows,
  matmul,
  mul,
  Random,
  reverseKl,
  sizeOf,
  sum,
  tokenCrossEntropy,
  transpose,
} from '../../core/index.js';
import type { Device, DType, LinearHead, Tensor } from '../../core/index.js';
import { cpu } from './devices.js';

/** Losses by name. */
export const losses = ['cross-entropy', 'reverse KL', 'forward KL', 'JSD'] as const;
export type LossName = (typeof losses)[number];

export interface HeadShape {
  readonly rows: number;
  readonly width: number;
  readonly vocabulary: number;
  /** The head is the transpose of a table [vocabulary, width]. */
  readonly turned?: boolean;
  readonly dtype?: DType;
}

/** Everything that a loss reads; x, w (or its table) and bias are trainable. */
export function makeInputs(device: Device, { rows, width, vocabulary, turned = false, dtype = 'f32' }: HeadShape) {
  const random = new Random(3, rows, vocabulary);
  const wide = dtype === 'f64' ? 'f64' : 'f32';
  const table = Float64Array.from({ length: 4096 }, () => random.normal());
  let next = 0;
  const drawn = (shape: readonly number[], scale: number, type: DType) => {
    const values = Float64Array.from({ length: sizeOf(shape) }, () => scale * table[(next += 7919) % table.length]!);
    return device.tensor(values, shape, { dtype: type });
  };
  const head = () => ({
    x: drawn([rows, width], 1, dtype),
    w: drawn(turned ? [vocabulary, width] : [width, vocabulary], 1, dtype),
    bias: drawn([vocabulary], 0.5, wide),
  });
  const [student, teacher] = [head(), head()];
  for (const leaf of Object.values(student)) leaf.trainable();
  const sampled = Int32Array.from({ length: rows }, (_, i) => (i * 31) % vocabulary);
  const index = (values: Int32Array) => device.tensor(values, [rows], { dtype: 'i32' });
  return {
    student,
    teacher,
    turned,
    sampled: index(sampled),
    /** Every fifth is none. */
    tokens: index(sampled.map((token, i) => (i % 5 === 4 ? -1 : token))),
    weight: device.tensor(Float64Array.from({ length: rows }, (_, i) => (0.5 + (i % 3)) / rows), [rows], { dtype: wide }), // prettier-ignore
    floor: device.tensor([-9], [1], { dtype: wide }),
  };
}

type Inputs = ReturnType<typeof makeInputs>;

const headOf = ({ turned }: Inputs, { x, w, bias }: LinearHead): LinearHead => ({
  ...{ x, bias },
  w: turned ? transpose(w) : w,
});

/** In chunks of `chunkRows`. */
export function inChunks(name: LossName, inputs: Inputs, chunkRows: number | undefined, gradientScale?: Tensor) {
  const { tokens, sampled, weight, floor } = inputs;
  const [student, teacher] = [headOf(inputs, inputs.student), headOf(inputs, inputs.teacher)];
  const options = { ...(chunkRows !== undefined && { chunkRows }), ...(gradientScale && { gradientScale }) };
  const divergence = { ...options, tokens: sampled };
  switch (name) {
    case 'cross-entropy':
      return linearCrossEntropy(student, tokens, weight, options);
    case 'reverse KL':
      return linearReverseKl(student, teacher, weight, floor, divergence);
    case 'forward KL':
      return linearForwardKl(student, teacher, weight, floor, divergence);
    case 'JSD':
      return linearJsd(student, teacher, weight, floor, 0.3, divergence);
  }
}

/** From the logits of all rows. */
export function fromLogits(name: LossName, inputs: Inputs) {
  const { tokens, sampled, weight, floor } = inputs;
  const { dtype } = weight;
  const logits = ({ x, w, bias }: LinearHead) => add(matmul(x, w, { dtype }), bias);
  const [student, teacher] = [logits(headOf(inputs, inputs.student)), logits(headOf(inputs, inputs.teacher))];
  const rowsOf = () => {
    switch (name) {
      case 'cross-entropy':
        return tokenCrossEntropy(student, tokens, weight);
      case 'reverse KL':
        return reverseKl(student, teacher, weight, floor);
      case 'forward KL':
        return forwardKl(student, teacher, weight, floor);
      case 'JSD':
        return jsd(student, teacher, weight, floor, 0.3);
    }
  };
  const rows = rowsOf();
  const stats = name === 'cross-entropy' ? undefined : divergenceStats(student, teacher, sampled, floor);
  return { loss: sum(rows), rows, stats };
}

/** Values of a loss and its gradients; the loss enters the scalar twice, so that what flows in is not 1. */
export async function evaluate(inputs: Inputs, { loss, rows, stats }: ReturnType<typeof inChunks>, lossScale?: Tensor) {
  add(loss, mul(loss, loss)).backward(lossScale ? { lossScale } : {});
  const { x, w, bias } = inputs.student;
  const read = async (tensor: Tensor | undefined) => (tensor ? Array.from(await tensor.read()) : []);
  return {
    loss: [await loss.item()],
    rows: await read(rows),
    stats: await read(stats),
    x: await read(x.grad),
    w: await read(w.grad),
    bias: await read(bias.grad),
  };
}

/** The largest difference by name, relative to the largest element. */
export function differences<K extends string>(
  a: Readonly<Record<K, readonly number[]>>,
  b: Readonly<Record<K, readonly number[]>>,
) {
  return Object.fromEntries(
    (Object.keys(b) as K[]).map(name => {
      expect(a[name]).toHaveLength(b[name].length);
      const largest = b[name].reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
      return [name, b[name].reduce((most, value, i) => Math.max(most, Math.abs(value - a[name][i]!)), 0) / largest];
    }),
  ) as Record<K, number>;
}

/** Kernels launched by `body`, with their params. */
export function launchesOf<T>(
  device: Device,
  body: () => T,
): { result: T; launches: (readonly [string, readonly number[]])[] } {
  // prettier-ignore
  const launches: (readonly [string, readonly number[]])[] = [];
  device.observer = (kernel, _, params) => launches.push([kernel.name, params]);
  try {
    return { result: body(), launches };
  } finally {
    device.observer = undefined;
  }
}

/** Rows of the loss kernel's launches. */
export function chunksOf(launches: readonly (readonly [string, readonly number[]])[]): number[] {
  return launches.flatMap(([name, [rows]]) => (/^(cross_entropy_tokens|distillation_)/.test(name) ? [rows!] : []));
}

/** Declares the tests; `open` is called once, before them. @param large with a vocabulary that takes a real backend */
export function describeLinearLoss(title: string, open: () => Promise<Device>, large: boolean): void {
  describe(title, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(async () => {
      await device.close();
    });

    describe.each(losses)('%s', name => {
      it.each([
        { rows: 1, width: 1, vocabulary: 2 },
        { rows: 64, width: 3, vocabulary: 5 },
        { rows: 65, width: 4, vocabulary: 8, turned: true },
        { rows: 130, width: 8, vocabulary: 33 },
        { rows: 200, width: 5, vocabulary: 64, turned: true },
      ])('$rows rows, width $width, vocabulary $vocabulary, turned $turned: that of all logits', async shape => {
        await device.scope(async () => {
          const { result, launches } = launchesOf(device, () => {
            const inputs = makeInputs(device, shape);
            return { inputs, loss: inChunks(name, inputs, 64) };
          });
          const sizes = Array.from({ length: Math.ceil(shape.rows / 64) }, (_, c) => Math.min(64, shape.rows - 64 * c));
          expect(chunksOf(launches)).toEqual(sizes);
          expect(launches.filter(([kernel]) => kernel === 'matmul_tn_accumulate')).toHaveLength(sizes.length - 1);
          const inputs = makeInputs(device, shape);
          const expected = await evaluate(inputs, fromLogits(name, inputs));
          const errors = differences(await evaluate(result.inputs, result.loss), expected);
          for (const [what, error] of Object.entries(errors)) expect(error, what).toBeLessThan(2e-5);
        });
      });
    });

    const ofLarge = async () => {
      const shape = { rows: 129, width: 2, vocabulary: 151936 };
      expect(lossChunkRows(129, 151936, device.capabilities)).toBe(128);
      await device.scope(async () => {
        const inputs = makeInputs(device, shape);
        const { result, launches } = launchesOf(device, () => inChunks('cross-entropy', inputs, undefined));
        expect(chunksOf(launches)).toEqual([128, 1]);
        const got = await evaluate(inputs, result);
        const byHand = await crossEntropyByHand(inputs);
        expect(got.loss[0]).toBeCloseTo(byHand.loss, 3);
        expect(differences({ bias: got.bias }, { bias: byHand.bias }).bias).toBeLessThan(1e-4);
      });
    };
    if (large) it('a vocabulary of 151936 goes through in the chunks that the device has room for', ofLarge);

    const longRows = async () => {
      const shape = { rows: 2, width: 3, vocabulary: 151936 };
      const runOn = (target: Device, dtype: DType) =>
        target.scope(async () => {
          const inputs = makeInputs(target, { ...shape, dtype });
          return await evaluate(inputs, inChunks('reverse KL', inputs, 64));
        });
      const errors = differences(await runOn(device, 'f32'), await runOn(cpu, 'f64'));
      expect(errors.bias).toBeLessThan(3e-5);
      expect(errors.loss).toBeLessThan(3e-5);
      expect(errors.x).toBeLessThan(1e-4); // sums of 151936 terms of either sign
    };
    if (large) it('rows of 151936 keep their digits', longRows);

    it('f16 operands: gradients are formed at the scale that is given, and without one refused', async () => {
      await device.scope(async () => {
        const shape = { rows: 130, width: 8, vocabulary: 40 };
        const scale = device.tensor([1024], [1]);
        const half = makeInputs(device, { ...shape, dtype: 'f16' });
        const got = await evaluate(half, inChunks('reverse KL', half, 64, scale), scale.view([]));
        const whole = makeInputs(device, shape);
        const expected = await evaluate(whole, fromLogits('reverse KL', whole));
        for (const name of ['loss', 'rows', 'x', 'w', 'bias'] as const) {
          const values = name === 'loss' || name === 'rows' ? got[name] : got[name].map(value => value / 1024);
          expect(differences({ values }, { values: expected[name] }).values, name).toBeLessThan(1e-2);
        }
        const unscaled = makeInputs(device, { ...shape, dtype: 'f16' });
        expect(() => inChunks('cross-entropy', unscaled, 64)).toThrow(/gradientScale: optimizer\.lossScale/);
      });
    });
  });
}

/** Cross-entropy and its gradient to the bias in f64 on the host, for the scalar loss + loss^2. */
async function crossEntropyByHand({ student, tokens, weight }: Inputs) {
  const [x, w, bias, ids, weights] = await Promise.all(
    [student.x, student.w, student.bias, tokens, weight].map(async t => Array.from(await t.read())),
  ) as [number[], number[], number[], number[], number[]]; // prettier-ignore
  const [width, vocabulary] = student.w.shape as [number, number];
  let loss = 0;
  const slope = new Float64Array(vocabulary);
  for (let i = 0; i < ids.length; i++) {
    if (ids[i]! < 0) continue;
    const z = Float64Array.from(bias);
    for (let d = 0; d < width; d++) for (let k = 0; k < vocabulary; k++) z[k]! += x[i * width + d]! * w[d * vocabulary + k]!; // prettier-ignore
    let [most, mass] = [-Infinity, 0];
    for (let k = 0; k < vocabulary; k++) most = Math.max(most, z[k]!);
    for (let k = 0; k < vocabulary; k++) mass += Math.exp(z[k]! - most);
    loss -= weights[i]! * (z[ids[i]!]! - most - Math.log(mass));
    for (let k = 0; k < vocabulary; k++) slope[k]! += (weights[i]! * Math.exp(z[k]! - most)) / mass;
    slope[ids[i]!]! -= weights[i]!;
  }
  return { loss, bias: Array.from(slope, value => value * (1 + 2 * loss)) };
}
