/** Divergences beyond what the op table is checked for: limits, bounds, top-k supports, and calls that make no sense. */
import { describe, expect, it } from 'vitest';
import {
  crossEntropy,
  forwardKl,
  jsd,
  openDevice,
  reverseKl,
  softmax,
  sum,
  tailBucket,
  tokenCrossEntropy,
  topK,
} from '../../core/index.js';
import type { Device, DType, Tensor } from '../../core/index.js';
import { Random } from '../../core/index.js';
import { cpu } from './devices.js';

const [rows, cols] = [6, 9];
const random = new Random(7);
const normal = (scale: number) =>
  cpu.tensor(
    Array.from({ length: rows * cols }, () => scale * random.normal()),
    [rows, cols],
    { dtype: 'f64' },
  );
const [student, teacher] = [normal(2).trainable(), normal(2)];
const ones = cpu.tensor(new Float64Array(rows).fill(1), [rows], { dtype: 'f64' });
const floor = cpu.tensor([-1000], [1], { dtype: 'f64' });

type Divergence = (p: Tensor, q: Tensor) => Tensor;
const reverse: Divergence = (p, q) => reverseKl(p, q, ones, floor);
const forward: Divergence = (p, q) => forwardKl(p, q, ones, floor);
const jsdOf =
  (beta: number): Divergence =>
  (p, q) =>
    jsd(p, q, ones, floor, beta);

async function lossAndGradient(divergence: Divergence, p = student, q = teacher) {
  return await cpu.scope(async () => {
    const loss = divergence(p, q);
    loss.backward({ grad: ones });
    const gradient = Array.from(await p.grad!.read());
    p.grad = undefined;
    return { loss: Array.from(await loss.read()), gradient };
  });
}

/** The largest difference, relative to the largest of `b`. */
function difference(a: readonly number[], b: readonly number[]): number {
  const largest = b.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0) / largest;
}

describe('the generalised Jensen-Shannon divergence', () => {
  it('over beta tends to the forward KL for beta -> 0, over 1 - beta to the reverse KL for beta -> 1', async () => {
    for (const [divergence, limit] of [
      [forward, (epsilon: number) => epsilon],
      [reverse, (epsilon: number) => 1 - epsilon],
    ] as const) {
      const kl = await lossAndGradient(divergence);
      const distances = [];
      for (const epsilon of [1e-2, 1e-4, 1e-6]) {
        const near = await lossAndGradient(jsdOf(limit(epsilon)));
        const scaled = [near.loss, near.gradient].map(values => values.map(x => x / epsilon));
        distances.push(Math.max(difference(scaled[0]!, kl.loss), difference(scaled[1]!, kl.gradient)));
      }
      expect(distances[1]!).toBeLessThan(distances[0]! / 10);
      expect(distances[2]!).toBeLessThan(2e-3);
    }
  });

  it('with beta 1/2 does not care which is which, and never exceeds log 2', async () => {
    const far = normal(50);
    const [ab, ba] = [jsdOf(0.5)(far, teacher), jsdOf(0.5)(teacher, far)];
    expect(difference(Array.from(await ab.read()), Array.from(await ba.read()))).toBeLessThan(1e-12);
    for (const value of await ab.read()) expect(value).toBeLessThanOrEqual(Math.log(2));
  });

  it('is the sum that its definition says', async () => {
    const beta = 0.3;
    const [p, q] = [await softmax(student).read(), await softmax(teacher).read()];
    const expected = Array.from({ length: rows }, (_, i) => {
      let total = 0;
      for (let k = i * cols; k < (i + 1) * cols; k++) {
        const m = beta * q[k]! + (1 - beta) * p[k]!;
        total += beta * q[k]! * Math.log(q[k]! / m) + (1 - beta) * p[k]! * Math.log(p[k]! / m);
      }
      return total;
    });
    expect(difference(Array.from(await jsdOf(beta)(student, teacher).read()), expected)).toBeLessThan(1e-12);
  });

  it.each([0, 1, -0.1, 1.5, NaN])('refuses beta = %s and says what to take instead', beta => {
    expect(() => jsdOf(beta)(student, teacher)).toThrow(/beta is .* between 0 \(forward_kl\) and 1 \(reverse_kl\)/);
  });
});

describe('divergences of the k likeliest tokens and the rest', () => {
  const through =
    (divergence: Divergence, k: number, from: 'student' | 'teacher'): Divergence =>
    (p, q) => {
      const indices = topK(from === 'student' ? p : q, k);
      return divergence(tailBucket(p, indices), tailBucket(q, indices));
    };

  it('are those of all tokens when only one is left over', async () => {
    for (const divergence of [reverse, forward, jsdOf(0.5)]) {
      const [all, most] = [
        await lossAndGradient(divergence),
        await lossAndGradient(through(divergence, cols - 1, 'student')),
      ];
      expect(difference(most.loss, all.loss)).toBeLessThan(1e-12);
      expect(difference(most.gradient, all.gradient)).toBeLessThan(1e-12);
    }
  });

  it('grow with k, and never exceed them', async () => {
    for (const divergence of [reverse, forward, jsdOf(0.5)])
      for (const from of ['student', 'teacher'] as const) {
        let before = new Array<number>(rows).fill(0);
        for (let k = 1; k < cols; k++) {
          const loss = Array.from(await through(divergence, k, from)(student, teacher).read());
          loss.forEach((value, i) => expect(value).toBeGreaterThanOrEqual(before[i]! - 1e-12));
          before = loss;
        }
      }
  });

  it('are zero, with no gradient, between equals', async () => {
    const twin = cpu.tensor(await student.read(), [rows, cols], { dtype: 'f64' });
    for (const divergence of [reverse, forward, jsdOf(0.5)]) {
      const { loss, gradient } = await lossAndGradient(through(divergence, 3, 'teacher'), student, twin);
      for (const value of [...loss, ...gradient]) expect(Math.abs(value)).toBeLessThan(1e-12);
    }
  });

  it('topK lists the largest first, and equal ones in their order', async () => {
    const logits = cpu.tensor([3, 5, 5, 1, 0, -2, 0, 0], [2, 4]);
    expect(Array.from(await topK(logits, 3).read())).toEqual([1, 2, 0, 0, 2, 3]);
  });

  it('refuse a k that leaves nothing, or that there are not so many of', () => {
    for (const k of [0, cols + 1, 1.5]) expect(() => topK(student, k)).toThrow(/k must be 1 to 9/);
    expect(() => tailBucket(student, topK(student, cols))).toThrow(/k less than the vocabulary/);
    expect(() => tailBucket(student, cpu.tensor([1], [1, 1], { dtype: 'i32' }))).toThrow(/indices \[rows, k\]/);
  });
});

describe('cross-entropy with tokens', () => {
  it('has on wasm the bits of one-hot targets', async () => {
    const device = await openDevice('wasm', { threads: 1 });
    for (const [rows, cols] of [
      [1, 1],
      [5, 7],
      [9, 128],
    ] as const)
      await device.scope(async () => {
        const values = Float32Array.from({ length: rows * cols }, (_, i) => 5 * Math.sin(i * i));
        const logits = device.tensor(values, [rows, cols]).trainable();
        const tokens = Int32Array.from({ length: rows }, (_, i) => (3 * i) % cols);
        const oneHot = new Float32Array(rows * cols);
        tokens.forEach((token, i) => (oneHot[i * cols + token] = 1));
        const weight = device.tensor(Float32Array.from({ length: rows }, (_, i) => 0.3 - i));
        const evaluated = async (loss: Tensor) => {
          logits.grad = undefined;
          sum(loss).backward();
          return [...(await loss.read()), ...(await logits.grad!.read())];
        };
        const [sparse, dense] = [
          await evaluated(tokenCrossEntropy(logits, device.tensor(tokens, [rows], { dtype: 'i32' }), weight)),
          await evaluated(crossEntropy(logits, device.tensor(oneHot, [rows, cols]), weight)),
        ];
        expect(sparse).toEqual(dense);
      });
    await device.close();
  });

  it('refuses tokens that are not one index per row', () => {
    expect(() => tokenCrossEntropy(student, floor, ones)).toThrow(
      /needs one i32 token per row, got f64 \[1\] for \[6, 9\]/,
    );
  });
});

it('rows of 151936 logits keep their digits on wasm', async () => {
  const cols = 151936;
  const logits = (phase: number) => Float32Array.from({ length: 2 * cols }, (_, i) => 3 * Math.sin(phase + i * i));
  const runOn = (device: Device, dtype: DType) =>
    device.scope(async () => {
      const [p, q] = [
        device.tensor(logits(0), [2, cols], { dtype }).trainable(),
        device.tensor(logits(1), [2, cols], { dtype }),
      ];
      const loss = reverseKl(p, q, device.tensor([0.5, 1], [2], { dtype }), device.tensor([-9], [1], { dtype }));
      sum(loss).backward();
      return { loss: Array.from(await loss.read()), gradient: Array.from(await p.grad!.read()) };
    });
  const wasm = await openDevice('wasm', { threads: 1 });
  const [got, expected] = [await runOn(wasm, 'f32'), await runOn(cpu, 'f64')];
  expect(difference(got.loss, expected.loss)).toBeLessThan(3e-5);
  expect(difference(got.gradient, expected.gradient)).toBeLessThan(3e-5);
  await wasm.close();
});
