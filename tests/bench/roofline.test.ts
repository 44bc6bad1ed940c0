/**
 * What the benches compute from what they measure: rooflines, exponents, counts of work, and the README's paragraphs.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileWasm } from '../../.config/build-wasm.mjs';
import { peerKernels } from '../../bench/peers-kernels.js';
import { withBlock } from '../../bench/readme.js';
import { Captures, Loaded } from '../../bench/roofline/capture.js';
import { productError, squares } from '../../bench/roofline/cases.js';
import {
  bandwidthAt,
  boundOf,
  exponentials,
  highest,
  rootQuotients,
  slowPartOf,
} from '../../bench/roofline/ceilings.js';
import type { Ceilings } from '../../bench/roofline/ceilings.js';
import { countWork, visiblePairs } from '../../mgsd/runs/work.js';
import { explain, fit } from '../../bench/scaling-fit.js';
import type { ScalingRow } from '../../bench/scaling-fit.js';
import { attention, Device, gelu, matmul, noGrad, SequenceTable } from '../../core/index.js';
import { CpuBackend } from '../../core/backends/cpu.js';
import { supportsRelaxedSimd } from '../../core/backends/wasm/library.js';
import { openWasmBackend } from '../../core/backends/wasm/wasm.js';

const root = path.join(import.meta.dirname, '../..');

const ceilings: Ceilings = {
  f32: 100,
  others: {},
  bandwidth: [
    { bytes: 2 ** 10, read: 10, copy: 20, triad: 15 },
    { bytes: 2 ** 20, read: 40, copy: 30, triad: 35 },
    { bytes: 2 ** 30, read: 5, copy: 8, triad: 6 },
  ],
};

describe('the roofline', () => {
  it('has the bandwidth of the working set, or what a larger one shows', () => {
    expect(bandwidthAt(ceilings, 1)).toBe(40); // a launch costs more than the smallest loop does
    expect(bandwidthAt(ceilings, 2 ** 20)).toBe(40);
    expect(bandwidthAt(ceilings, 2 ** 25)).toBeCloseTo(24, 10); // half of the way, in logarithms
    expect(bandwidthAt(ceilings, 2 ** 40)).toBe(8);
  });

  it('bounds by the slower of arithmetic and memory', () => {
    expect(boundOf(ceilings, 1e9, 2 ** 20)).toMatchObject({ milliseconds: 10, by: 'arithmetic' });
    const memory = boundOf(ceilings, 1, 2 ** 30);
    expect(memory.by).toBe('memory');
    expect(memory.milliseconds).toBeCloseTo(2 ** 30 / 8e6, 6);
  });

  it('says what exponentials and roots take on their own, where that was measured', () => {
    const measured = { ...ceilings, others: { [exponentials]: 2, [rootQuotients]: 4 } };
    expect(slowPartOf(measured, 'distillation_reverse_kl', { rows: 500, cols: 1000 })).toBe(0.5); // two a logit
    expect(slowPartOf(measured, 'adamw', { n: 4e6 })).toBe(1);
    expect(slowPartOf(measured, 'matmul_nn', { m: 1, n: 1, k: 1 })).toBeUndefined();
    expect(slowPartOf(ceilings, 'adamw', { n: 4e6 })).toBeUndefined();
  });

  it('takes the higher of two measurements', () => {
    const other = {
      ...ceilings,
      f32: 120,
      others: { f16: 3 },
      bandwidth: ceilings.bandwidth.map(point => ({ ...point, read: 12 })),
    };
    const both = highest(ceilings, other);
    expect(both.f32).toBe(120);
    expect(both.others).toEqual({ f16: 3 });
    expect(both.bandwidth.map(({ read }) => read)).toEqual([12, 40, 12]);
  });

  it('has loops that compile with and without fused multiply-add, and write to no memory by themselves', async () => {
    const plain = ['simd', 'threads'];
    for (const features of supportsRelaxedSimd() ? [plain, [...plain, 'relaxed-simd']] : [plain]) {
      const binary = await compileWasm(root, 'bench/roofline/ceilings.as.ts', features, 'ceilings.wasm');
      const exported = WebAssembly.Module.exports(await WebAssembly.compile(Uint8Array.from(binary)));
      expect(exported.map(({ name }) => name).sort()).toEqual([
        'ceiling_copy',
        'ceiling_exp',
        'ceiling_fma',
        'ceiling_read',
        'ceiling_root',
        'ceiling_triad',
      ]);
    }
  }, 60_000);
});

describe('captured launches', () => {
  it('are told apart by size, counted, and right when they are run again', async () => {
    const device = new Device(await openWasmBackend({ threads: 1 }));
    const captures = new Captures();
    const x = device.keep(
      device.tensor(
        Float32Array.from({ length: 12 }, (_, i) => i / 6 - 1),
        [3, 4],
      ),
    );
    const w = device.keep(
      device.tensor(
        Float32Array.from({ length: 20 }, (_, i) => Math.sin(i)),
        [4, 5],
      ),
    );
    await captures.watch(device, 'forward', async () => {
      device.scope(() => noGrad(() => [gelu(gelu(x)), matmul(x, w)]));
      await device.finish();
    });
    const found = captures.launches.map(({ kernel, calls }) => [kernel.name, calls]);
    expect(found).toEqual([
      ['unary_gelu', { forward: 2 }],
      ['matmul_nn', { forward: 1 }],
    ]);
    for (const captured of captures.launches) {
      const loaded = new Loaded(device, captured);
      expect(await loaded.error()).toBeLessThan(1e-6);
      if (captured.kernel.name === 'matmul_nn') expect(await productError(loaded, captured)).toBeLessThan(1e-6);
      loaded.free();
    }
    await device.close();
  });

  it('that are wrong are found out', async () => {
    const device = new Device(new CpuBackend());
    const [captured] = squares([8]);
    const { kernel } = captured!;
    const wrong = {
      ...kernel,
      reference(...given: Parameters<typeof kernel.reference>) {
        kernel.reference(...given);
        const { c } = given[0];
        c![0] = c![0]! + 1;
      },
    };
    expect(await productError(new Loaded(device, captured!), captured!)).toBeLessThan(1e-6);
    expect(await productError(new Loaded(device, { ...captured!, kernel: wrong }), captured!)).toBeGreaterThan(1e-3);
    await device.close();
  });
});

describe('counts of work', () => {
  it('count pairs that a query sees', () => {
    // 3 rows of which 2 see each other, then causal; one query at position 4 of 5 keys
    expect(visiblePairs([0, 3, 0, 3, 2, 0, 3, 1, 3, 5, 2, 4])).toEqual({ pairs: 2 + 2 + 3 + 5, rows: 6 + 6 });
  });

  it('count attention by its table and not by the longest sequence', async () => {
    const device = new Device(new CpuBackend());
    const [heads, headDim] = [2, 4];
    const table = new SequenceTable([{ length: 2, prefix: 2 }], 8);
    const qkv = device.keep(device.full([2, 3 * heads * headDim], 0.1));
    const work = await countWork(device, 1, async () => {
      await device.scope(async () => {
        const y = attention(qkv, { heads, table: table.toTensor(device), maxLength: table.maxLength });
        await y.read();
      });
    });
    expect(work.launches).toBe(1);
    expect(work.flops).toBe(4 * heads * headDim * 2 * 2);
    await device.close();
  });

  it('products of peers have the operands of their layout', () => {
    for (const { kind, m, n, k, operands, work, repeat } of peerKernels(false)) {
      expect(repeat).toBeGreaterThanOrEqual(1);
      expect(work).toBeGreaterThan(0);
      if (k === undefined) continue;
      expect(operands[0]!.shape).toEqual(kind === 'tn' ? [k, m] : [m, k]);
      expect(operands[1]!.shape).toEqual(kind === 'nt' ? [n, k] : [k, n]);
    }
  });
});

describe('exponents', () => {
  const row = (value: number, milliseconds: number[], share = 0.5): ScalingRow => ({
    what: 'width',
    value,
    flops: value ** 2,
    milliseconds,
    families: milliseconds.map(ms => ({ products: share * ms, attention: 0.1, rest: (1 - share) * ms })),
  });

  it('come from medians over rounds, so that one slow moment does not put them off', () => {
    const exponent = fit('width', [row(1, [1, 1, 50]), row(2, [4, 4, 4]), row(4, [16, 16, 16])]);
    expect(exponent.time).toBeCloseTo(2, 10);
    expect(exponent.operations).toBeCloseTo(2, 10);
    expect(exponent.largest).toBeCloseTo(2, 10);
    expect(exponent.least).toBeLessThan(0);
    expect(exponent.needsReason).toBe(false);
    expect(exponent.families.products!.time).toBeCloseTo(2, 10);
  });

  it('need no times of kernels, which an asynchronous device does not tell', () => {
    const exponent = fit(
      'width',
      [1, 2, 4].map(value => ({ ...row(value, [value]), families: [] })),
    );
    expect(exponent.time).toBeCloseTo(1, 10);
    expect(exponent.families).toEqual({});
  });

  it('that are off want a reason', () => {
    const rows = [row(1, [1]), row(2, [2]), row(4, [4])];
    const exponent = fit('width', rows);
    expect(exponent.needsReason).toBe(true);
    expect(explain(exponent, rows)).toContain('time goes with width^1.00, operations with width^2.00');
  });
});

describe('bench/README.md', () => {
  it('has a place for every paragraph that a bench writes', () => {
    const readme = readFileSync(path.join(root, 'bench/README.md'), 'utf8');
    for (const bench of ['kernels', 'train', 'scaling', 'peers'])
      for (const backend of ['wasm', 'webgpu']) {
        const changed = withBlock(readme, `${bench}-${backend}`, 'new text');
        expect(changed).toContain(`<!-- ${bench}-${backend}:begin -->\n\nnew text\n\n<!-- ${bench}-${backend}:end -->`);
      }
    expect(() => withBlock(readme, 'nothing', '')).toThrow('has no block nothing');
  });
});
