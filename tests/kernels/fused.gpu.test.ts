/**
 * The fused decode step at the width of the largest preset, in the types of mixed precision, as software adapters and
 * GPUs run it.
 */
import { afterAll, expect, it } from 'vitest';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { checkCase, conformanceCase } from '../../kernels/cases.js';
import { decodeAttendKernel, decodeLinearKernel } from '../../kernels/index.js';
import type { Kernel } from '../../kernels/index.js';
import { describeWithAdapter } from '../core/backends/webgpu.js';

const width = 512;
const rows = 6; // more than one tile, and not whole tiles
const near = { kind: 'uniform', minimum: -1, maximum: 1 } as const;
const matrix = { kind: 'uniform', minimum: -0.05, maximum: 0.05 } as const;

/** Matrices and what goes into and comes out of the middle are f16; the residual stream, norms and biases f32. */
const wide = { gain: 'f32', shift: 'f32', bias: 'f32', residual: 'f32' } as const;

const linear = (inputs: number, outputs: number, flags: { normalise: number; relu: number; add: number }) => ({
  params: { rows, inputs, outputs, ...flags, eps: 1e-5 },
  lengths: {
    x: rows * inputs,
    gain: inputs,
    shift: inputs,
    weight: inputs * outputs,
    bias: outputs,
    residual: rows * outputs,
    y: rows * outputs,
  },
  fills: { x: near, weight: matrix },
});

const cases = [
  {
    what: 'norm and product',
    kernel: decodeLinearKernel as unknown as Kernel,
    example: linear(width, 516, { normalise: 1, relu: 1, add: 0 }),
    dtypes: { ...wide, x: 'f32', weight: 'f16', y: 'f16' },
  },
  {
    what: 'product and residual',
    kernel: decodeLinearKernel as unknown as Kernel,
    example: linear(4 * width, 132, { normalise: 0, relu: 0, add: 1 }),
    dtypes: { ...wide, x: 'f16', weight: 'f16', y: 'f32' },
  },
  {
    what: 'attention',
    kernel: decodeAttendKernel as unknown as Kernel,
    example: {
      params: { rows: 3, capacity: 134, width, heads: 8 },
      lengths: {
        qkv: 3 * 3 * width,
        control: 6,
        prefixes: 3,
        weight: width ** 2,
        bias: width,
        residual: 3 * width,
        cache: 3 * 134 * 2 * width,
        y: 3 * width,
      },
      fills: {
        qkv: near,
        cache: near,
        weight: matrix,
        control: { kind: 'values', values: [0, 0, 0, 0, 0, 3] }, // the column
        prefixes: { kind: 'values', values: [130, 1, 124] }, // scores are kept for 128 keys at a time
      },
    },
    dtypes: { ...wide, qkv: 'f16', weight: 'f16', cache: 'f16', y: 'f32' },
  },
] as const;

describeWithAdapter('the fused decode step at width 512', () => {
  for (const profile of ['software', 'alu'] as const) {
    const backend = openWebGpuBackend({ profile });
    afterAll(async () => {
      await (await backend).close();
    });
    it.each(cases)(`${profile}: $what`, async ({ kernel, example, dtypes }) => {
      const test = conformanceCase(kernel, example, dtypes, 1, 7);
      expect(await checkCase(await backend, kernel, test)).toBeUndefined();
    });
  }
});
