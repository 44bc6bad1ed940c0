/**
 * Losses beyond what the op table is checked for: tokens against one-hot targets, long rows, and calls that make no
 * sense.
 */
import { describe, expect, it } from 'vitest';
import { crossEntropy, openDevice, reverseKl, sum, tokenCrossEntropy } from '../../core/index.js';
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
const student = normal(2);
const ones = cpu.tensor(new Float64Array(rows).fill(1), [rows], { dtype: 'f64' });
const floor = cpu.tensor([-1000], [1], { dtype: 'f64' });

/** The largest difference, relative to the largest of `b`. */
function difference(a: readonly number[], b: readonly number[]): number {
  const largest = b.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0) / largest;
}

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
