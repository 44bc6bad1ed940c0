/** Long sums on a device: whatever adds up, n equal numbers must be n times the number. */
import { describe, expect, it } from 'vitest';
import * as core from '../../core/index.js';
import { matmulRaw } from '../../core/primitives.js';
import { useDevice } from './devices.js';
import type { Device, Tensor } from '../../core/index.js';
import { optimizerPrepareKernel, sumSquaresKernel } from '../../kernels/index.js';

/** A sum of many numbers, and what it must be. */
type Case = (device: Device) => { readonly got: Tensor; readonly want: number };

/** Gradient of sum(y * slope), of the leaf. */
function gradient(leaf: Tensor, y: Tensor, slope: number): Tensor {
  y.backward({ grad: y.device.full(y.shape, slope, { dtype: y.dtype }) });
  return leaf.grad!;
}

const tenth = Math.fround(0.1);
const third = Math.fround(1 / 3);

/** n is large, and no power of two. Where a case is slow, it is smaller. */
export function longSums(n: number): Record<string, Case> {
  const rows = Math.min(n, 300_000);
  const long = n < 1e6 ? 2_011 : 65_521; // quadratic; no product is cut
  return {
    'sum of a row': d => ({ got: core.sum(d.full([n], tenth)), want: n * tenth }),
    'sum of a row, a multiple of four': d => ({
      got: core.sum(d.full([n - (n % 4)], third)),
      want: (n - (n % 4)) * third,
    }),
    'sum along axis 0': d => ({ got: core.sum(d.full([n, 3], tenth), 0), want: n * tenth }),
    'sum along axis 0, a multiple of four': d => ({ got: core.sum(d.full([rows, 4], third), 0), want: rows * third }),
    'sum along the middle': d => ({ got: core.sum(d.full([2, rows, 5], tenth), 1), want: rows * tenth }),
    'sum along two axes': d => ({ got: core.sum(d.full([301, 2, 997], tenth), [0, 2]), want: 301 * 997 * tenth }),
    'mean along axis 0': d => ({ got: core.mean(d.full([n, 3], tenth), 0), want: tenth }),
    'mean of all': d => ({ got: core.mean(d.full([n], third)), want: third }),
    'gradient of a broadcast row': d => {
      const row = d.full([3], 1).trainable();
      return { got: gradient(row, core.add(d.full([rows, 3], 1), row), tenth), want: rows * tenth };
    },
    'gradient of a broadcast column': d => {
      const column = d.full([2, 1], 1).trainable();
      return { got: gradient(column, core.mul(d.full([2, rows], third), column), 1), want: rows * third };
    },
    'gradient of broadcastTo': d => {
      const row = d.full([1, 5], 1).trainable();
      return { got: gradient(row, core.broadcastTo(row, [rows, 5]), tenth), want: rows * tenth };
    },
    'gradient of a bias': d => {
      const b = d.full([4], 0).trainable();
      return { got: gradient(b, core.linear(d.full([rows, 2], 1), d.full([2, 4], 1), b), tenth), want: rows * tenth };
    },
    'gradient of a weight': d => {
      const w = d.full([3, 4], 0).trainable();
      return {
        got: gradient(w, core.linear(d.full([rows, 3], third), w, d.full([4], 0)), tenth),
        want: rows * third * tenth,
      };
    },
    'product with a long inner dimension': d => ({
      got: core.matmul(d.full([3, n], tenth), d.full([n, 2], third)),
      want: n * tenth * third,
    }),
    'product of many rows with a long inner dimension': d => ({
      got: core.matmul(d.full([70, long], tenth), d.full([long, 40], third)),
      want: long * tenth * third,
    }),
    'product with a transposed view': d => ({
      got: core.matmul(d.full([9, long], tenth), core.transpose(d.full([12, long], third))),
      want: long * tenth * third,
    }),
    'product of a transposed view': d => ({
      got: core.matmul(core.transpose(d.full([long, 9], tenth)), d.full([long, 12], third)),
      want: long * tenth * third,
    }),
    'product of f16 with a long inner dimension': d => {
      const [small, large] = [2 ** -9 + 2 ** -13, 2 ** -5 + 2 ** -11];
      const a = d.full([long, 9], small, { dtype: 'f16' });
      const b = d.full([long, 12], large, { dtype: 'f16' });
      return { got: matmulRaw(core.transpose(a), b, { dtype: 'f32' }), want: long * small * large };
    },
    'batched product': d => ({
      got: core.matmul(d.full([2, 5, long], tenth), d.full([2, long, 6], third)),
      want: long * tenth * third,
    }),
    'linear with a long inner dimension': d => ({
      got: core.linear(d.full([6, long], tenth), d.full([long, 8], third), d.full([8], tenth), { activation: 'relu' }),
      want: long * tenth * third + tenth,
    }),
    'gradients of duplicates in a gather': d => {
      const table = d.full([2, 6], 1).trainable();
      const index = d.tensor(new Int32Array(rows).fill(1), [rows], { dtype: 'i32' });
      const grad = gradient(table, core.gatherRows(table, index), tenth);
      return { got: core.slice(grad, 0, 1, 2), want: rows * tenth };
    },
    'layer norm, mean and variance of a long row': d => {
      const values = Float32Array.from({ length: rows }, (_, i) => (i % 2 === 0 ? 3 : 5));
      const y = core.layerNorm(d.tensor(values, [1, rows]), d.full([rows], tenth), d.full([rows], 0));
      return { got: core.slice(y, 1, 7, 8), want: tenth };
    },
    'layer norm, gradient of beta': d => {
      const [x, gamma, beta] = [d.full([rows, 4], 1), d.full([4], 1), d.full([4], 0).trainable()];
      return { got: gradient(beta, core.layerNorm(x, gamma, beta), tenth), want: rows * tenth };
    },
    'layer norm, gradient of gamma': d => {
      const values = Float32Array.from({ length: 2 * rows }, (_, i) => (i % 2 === 0 ? 300 : 500));
      const [x, gamma, beta] = [d.tensor(values, [rows, 2]), d.full([2], 1).trainable(), d.full([2], 0)];
      return { got: core.slice(gradient(gamma, core.layerNorm(x, gamma, beta), tenth), 0, 1, 2), want: rows * tenth };
    },
    'layer norm, gradient of a long row': d => {
      // x = +-1 in turn, dy = 1 + x: mean of dy and of dy x is 1, so dx = rstd (1 + x - 1 - x) = 0; 1 makes it relative
      const values = Float32Array.from({ length: rows - (rows % 2) }, (_, i) => (i % 2 === 0 ? -1 : 1));
      const x = d.tensor(values, [1, values.length]).trainable();
      const y = core.layerNorm(x, d.full([values.length], third), d.full([values.length], 0), { eps: 1e-12 });
      y.backward({ grad: core.add(d.tensor(values, [1, values.length]), d.full([], 1)) });
      return { got: core.add(x.grad!, d.full([], 1)), want: 1 };
    },
    'softmax of a long row': d => ({ got: core.softmax(d.full([2, n], third)), want: 1 / n }),
    'log-softmax of a long row': d => ({ got: core.logSoftmax(d.full([1, n], third)), want: -Math.log(n) }),
    'gradient of log-softmax of a long row': d => {
      const x = d.full([1, rows], 1).trainable();
      // dx = dy - p sum(dy)
      const dx = gradient(x, core.logSoftmax(x), tenth);
      return { got: core.add(dx, d.full([], 1)), want: 1 };
    },
    'gradient of softmax of a long row': d => {
      const x = d.full([1, rows], 1).trainable();
      const y = core.softmax(x);
      y.backward({ grad: d.full([1, rows], rows) });
      return { got: core.add(x.grad!, d.full([], 1)), want: 1 };
    },
    'cross-entropy over a long row': d => ({
      got: core.crossEntropy(d.full([1, rows], third), d.full([1, rows], tenth), d.full([1], 1)),
      want: rows * tenth * Math.log(rows),
    }),
    'gradient of cross-entropy over a long row': d => {
      const logits = d.full([1, rows], third).trainable();
      const loss = core.crossEntropy(logits, d.full([1, rows], tenth), d.full([1], 1)); // sum(t) p - t = 0
      return { got: core.add(gradient(logits, loss, 10), d.full([], 1)), want: 1 };
    },
    'token cross-entropy over a long row': d => ({
      got: core.tokenCrossEntropy(d.full([1, n], third), d.tensor([5], [1], { dtype: 'i32' }), d.full([1], 1)),
      want: Math.log(n),
    }),
    'reverse KL over a long row': d => {
      const [student, teacher, want] = halves(d, rows);
      return { got: core.reverseKl(student, teacher, d.full([1], 1), d.full([1], -100)), want };
    },
    'forward KL over a long row': d => {
      const [student, teacher, want] = halves(d, rows);
      return { got: core.forwardKl(teacher, student, d.full([1], 1), d.full([1], -100)), want };
    },
    'statistics of a long row': d => {
      const logits = d.full([1, rows], third);
      const stats = core.divergenceStats(logits, logits, d.tensor([3], [1], { dtype: 'i32' }), d.full([1], -100));
      return { got: core.slice(stats, 1, 4, 6), want: Math.log(rows) }; // both entropies
    },
    'norm of a gradient': d => {
      const size = rows * 8;
      const chunk = 4096;
      const partial = d.empty([Math.ceil(size / chunk)], 'f32', 'test');
      const state = d.tensor([0, 0, 1, 0, 1, 1, 1, 1, 0]);
      d.launch(sumSquaresKernel, { x: d.full([size], tenth), partial }, { n: size, chunk });
      const hyper = d.tensor([0, 0, 0, 0, 0, 0, 0, 1]);
      d.launch(optimizerPrepareKernel, { partial, hyper, state }, { count: partial.size });
      return { got: core.slice(state, 0, 3, 4), want: Math.sqrt(size) * tenth };
    },
    'squares of one chunk': d => {
      const partial = d.empty([1], 'f32', 'test');
      d.launch(sumSquaresKernel, { x: d.full([rows], tenth), partial }, { n: rows, chunk: rows });
      return { got: partial, want: rows * tenth * tenth };
    },
    'attention to many keys': d => {
      const [heads, width] = [2, 8];
      const keys = Math.min(long, 5_003);
      const qkv = d.full([keys, 3 * width], third);
      const sequences = new core.SequenceTable([{ length: keys, prefix: keys }]);
      const attributes = { heads, table: sequences.toTensor(d), maxLength: keys };
      return { got: core.slice(core.attention(qkv, attributes), 0, 0, 9), want: third };
    },
    'attention, gradient of values': d => {
      const [heads, width, length] = [1, 4, 1500];
      const qkv = d.full([length, 3 * width], third).trainable();
      const sequences = new core.SequenceTable([{ length, prefix: length }]);
      const attributes = { heads, table: sequences.toTensor(d), maxLength: length };
      const dqkv = gradient(qkv, core.attention(qkv, attributes), tenth);
      return { got: core.slice(dqkv, 1, 2 * width, 3 * width), want: tenth };
    },
  };
}

/** Logits of two rows that differ by one in half of the places, and KL(first || second). */
function halves(device: Device, n: number): [Tensor, Tensor, number] {
  const even = n - (n % 2);
  const values = Float32Array.from({ length: even }, (_, i) => i % 2);
  const e = Math.E;
  // p = 1/n, q = e^x / (n (1 + e) / 2); KL = mean of log p - log q
  return [device.full([1, even], 0), device.tensor(values, [1, even]), Math.log((1 + e) / 2) - 0.5];
}

/** Declares the tests; `open` may return why there is no device: they are then skipped. */
export function describeLongSums(title: string, open: () => Promise<Device | string>, n = 1_000_003): void {
  describe(title, () => {
    const deviceOf = useDevice(open);
    it.each(Object.entries(longSums(n)))('%s', async (_, sum) => {
      const target = deviceOf();
      await target.scope(async () => {
        const { got, want } = sum(target);
        const values = await got.read();
        let worst = 0;
        for (const value of values)
          worst = Math.max(worst, Number.isNaN(value) ? Infinity : Math.abs(value / want - 1));
        expect(worst).toBeLessThan(1e-5);
      });
    });
  });
}
