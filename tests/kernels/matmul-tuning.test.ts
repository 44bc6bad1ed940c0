/** The tuning table: which way of multiplying a shape takes on which adapter, and that there always is exactly one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matmulCases } from '../../kernels/cases.js';
import { buckets, bucketOf, defineMatmul, matmulVariants, tileName, tuningRows } from '../../kernels/index.js';
import type { DType, MatmulLayout, TuningRow, WgslMachine, WgslProfile } from '../../kernels/index.js';
import { sliceCount } from '../../kernels/matmul/split.wgsl.js';
import { machines } from './machines.js';

type Float = 'f32' | 'f16';

/** Variants of the passes that run, in order. */
function selected(
  machine: WgslMachine,
  profile: WgslProfile,
  dtype: Float,
  layout: MatmulLayout,
  [m, n, k, batch = 1]: readonly [number, number, number, number?],
  rows?: readonly TuningRow[],
): string[] {
  const kernel = defineMatmul({ layout, bias: false, activation: 'none', residual: false }, rows);
  const dtypes: Record<'a' | 'b' | 'bias' | 'residual' | 'c', DType> = {
    a: dtype,
    b: dtype,
    bias: dtype,
    residual: dtype,
    c: dtype,
  };
  const params = { m, n, k, batch, strideA: m * k, strideB: k * n };
  const all = kernel.wgsl({ dtypes, profile, machine });
  const passes = all.filter(pass => pass.workgroups(params)[0] > 0);
  // scratch is asked for if a pass that runs wants it
  expect(all.some(pass => (pass.scratch?.(params) ?? 0) > 0)).toBe(passes.some(({ scratch }) => scratch !== undefined));
  return passes.map(({ variant }) => variant!);
}

describe('what a shape takes', () => {
  const { hopper, apple } = machines;
  it.each([
    // decoding, a projection, an MLP, the gradient of an input, the gradient of a weight, a large square
    ['sgmat', 'f16', 'nn', [32, 2048, 512], ['staged 32x128x64 (32x32)']],
    ['sgmat', 'f16', 'nn', [128, 384, 128], ['direct 64x64x16 (32x32)']],
    ['sgmat', 'f16', 'nn', [130, 384, 128], ['staged 64x64x32 (32x32)']],
    ['sgmat', 'f16', 'nn', [11136, 256, 256], ['staged 64x128x32 (32x64)']],
    ['sgmat', 'f16', 'nt', [11136, 2048, 512], ['staged 128x128x32 (64x64)']],
    ['sgmat', 'f16', 'nn', [4096, 4096, 4096], ['staged 128x128x32 (64x64)']],
    ['sgmat', 'f16', 'nn', [4096, 4096, 4104], ['staged 128x128x32 (64x64) ragged split', 'reduce of 128x128']],
    ['sgmat', 'f16', 'tn', [512, 2048, 11136], ['staged 128x128x32 (64x64) split', 'reduce of 128x128']],
    ['sgmat', 'f16', 'tn', [128, 512, 11133], ['staged 64x64x32 (32x32) ragged split', 'reduce of 64x64']],
    // what the matrix unit does not take goes to the arithmetic units
    ['sgmat', 'f16', 'nn', [11136, 257, 256], ['alu 64x64x16 (8x4) scalar']],
    ['sgmat', 'f16', 'nn', [11136, 260, 256], ['alu 64x64x16 (8x4)']],
    ['sgmat', 'f32', 'nn', [4096, 4096, 4096], ['alu 128x128x16 (8x8) long']],
    ['alu', 'f16', 'nn', [4096, 4096, 4096], ['alu 128x128x16 (8x8) long']],
    ['alu', 'f32', 'nn', [4096, 4096, 512], ['alu 128x128x16 (8x8)']],
    ['alu', 'f32', 'tn', [512, 2048, 11136], ['alu 64x64x16 (8x4) long']],
    ['alu', 'f32', 'tn', [128, 512, 11133], ['alu 64x64x16 (8x4) split', 'reduce of 64x64']],
  ] as const)('on an H100, %s %s %s %j: %j', (profile, dtype, layout, shape, variants) => {
    expect(selected(hopper, profile, dtype, layout, shape)).toEqual(variants);
  });

  it('differs between adapters: f32 matrices on Apple, tiles that fit into 16 KiB', () => {
    expect(selected(apple, 'sgmat', 'f32', 'nn', [4096, 4096, 2048])).toEqual(['staged 64x64x32 (32x32)']);
    expect(selected(machines.least, 'alu', 'f32', 'nn', [4096, 4096, 4096])).toEqual(['alu 128x64x16 (8x8) long']);
    expect(selected(machines.intel, 'sgmat', 'f16', 'nn', [512, 384, 128])).toEqual(['staged 64x64x32 (32x32)']);
  });

  it('is written for the arithmetic units without matrices and without subgroups', () => {
    for (const machine of [
      { ...hopper, matrices: [] },
      { ...hopper, subgroupSize: { min: 0, max: 0 } },
      { ...hopper, matrices: hopper.matrices.filter(({ resultComponentType }) => resultComponentType !== 'f32') },
    ])
      expect(selected(machine, 'sgmat', 'f16', 'nn', [4096, 4096, 512])).toEqual(['alu 128x128x16 (8x8)']);
  });
});

it('every shape has exactly one way on every adapter', () => {
  const size = fc.oneof(
    fc.integer({ min: 1, max: 80 }),
    fc.integer({ min: 1, max: 9000 }),
    fc.constantFrom(64, 512, 4096, 11136),
  );
  fc.assert(
    fc.property(
      fc.constantFrom<WgslMachine>(...Object.values(machines)),
      fc.constantFrom<WgslProfile>('software', 'alu', 'sgmat'),
      fc.constantFrom<Float>('f32', 'f16'),
      fc.constantFrom<MatmulLayout>('nn', 'nt', 'tn'),
      fc.tuple(size, size, size, fc.integer({ min: 1, max: 3 })),
      (machine, profile, dtype, layout, shape) => {
        const variants = selected(machine, profile, dtype, layout, shape);
        const [first, second] = variants;
        if (profile === 'software') expect(variants.at(-1)).toMatch(/^software/);
        else expect(variants.length).toBe(first!.endsWith('split') ? 2 : 1);
        if (second !== undefined && profile !== 'software') expect(second).toMatch(/^reduce of/);
      },
    ),
    { seed: Number(process.env['MGSD_TEST_SEED'] ?? 20260606), numRuns: 60 },
  );
});

it('a way follows from the sizes alone, not from what was asked before', () => {
  const dtypes = { a: 'f16', b: 'f16', bias: 'f16', residual: 'f16', c: 'f16' } as const;
  const kernel = defineMatmul({ layout: 'nn', bias: false, activation: 'none', residual: false });
  const passes = kernel.wgsl({ dtypes, profile: 'sgmat', machine: machines.hopper });
  const taken = (params: Readonly<Record<string, number>>) =>
    passes.filter(pass => pass.workgroups(params)[0] > 0).map(({ variant }) => variant);
  const params = { m: 128, n: 384, k: 128, batch: 1, strideA: 128 * 128, strideB: 128 * 384 };
  expect(taken(params)).toEqual(['direct 64x64x16 (32x32)']);
  params.m = 130; // the same object with other sizes
  expect(taken(params)).toEqual(['staged 64x64x32 (32x32)']);
});

it('every bucket is reached, and a table without a last resort says so', () => {
  const shapes = [
    [32, 2048, 512],
    [256, 128, 64],
    [64, 64, 4096],
    [1024, 1024, 64],
    [1024, 1024, 2048],
    [4096, 4096, 64],
  ];
  expect(shapes.map(([m, n, k]) => bucketOf({ m: m!, n: n!, k: k!, batch: 1 }))).toEqual([...buckets]);
  const [row] = tuningRows('nvidia', 'nn').filter(({ tile }) => tile.kind === 'direct');
  expect(() => selected(machines.hopper, 'sgmat', 'f16', 'nn', [64, 65, 64], [row!])).toThrow('tuning table');
});

it('slices cover k, none is empty, and their number follows the goal', () => {
  const tile = { m: 64, n: 64, depth: 32 };
  const goal = { workgroups: 128, minDepth: 512 };
  const slices = (m: number, n: number, k: number) => sliceCount({ m, n, k, batch: 1 }, tile, goal);
  expect(slices(64, 64, 11136)).toBe(22); // k / minDepth
  expect(slices(256, 256, 11136)).toBe(8); // 128 workgroups / 16 tiles
  expect(slices(1024, 1024, 11136)).toBe(1);
  expect(slices(64, 64, 100)).toBe(1);
  expect(sliceCount({ m: 4096, n: 4096, k: 16_384, batch: 1 }, tile, { ...goal, maxDepth: 4096 })).toBe(4);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 40000 }), (m, k) => {
      const count = slices(m, 64, k);
      const depth = Math.ceil(Math.ceil(k / count) / 32) * 32;
      expect((count - 1) * depth).toBeLessThan(k);
      expect(count * depth).toBeGreaterThanOrEqual(k);
    }),
  );
});

it('the cases for a GPU reach every way of every tile, and every epilogue', () => {
  const cases = matmulCases({ profile: 'sgmat', machine: machines.hopper });
  const selects = new Set(cases.map(test => test.selects));
  for (const { tile } of tuningRows('nvidia-hopper', 'nn'))
    expect([...selects].filter(name => name.startsWith(tileName(tile))).length).toBe(
      { direct: 2, staged: 4, alu: 6 }[tile.kind],
    );
  expect(new Set(cases.map(({ kernel }) => kernel.name)).size).toBe(matmulVariants.length);
  for (const { kernel, example, dtypes, selects: name } of cases) {
    const passes = kernel.wgsl({ dtypes, profile: 'sgmat', machine: machines.hopper });
    const taken = passes.filter(pass => pass.workgroups(example.params)[0] > 0);
    expect(taken.map(({ variant }) => variant)[0]).toBe(name);
  }
  expect(matmulCases({ profile: 'software' })).toEqual([]);
});
