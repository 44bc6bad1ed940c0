/**
 * Ways of multiplying matrices, each on the smallest shapes that select it, asserting that they did. `alu` really runs
 * here, with tiles that are small enough to compile quickly. So does `sgmat` in matrices.gpu.test.ts, but on square
 * matrices only where the adapter is a processor, so some of other sizes are emulated. A GPU runs all tiles of the
 * table through the same `matmulCases`.
 */
import { afterAll, expect, it } from 'vitest';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { matmulCases } from '../../kernels/cases.js';
import { matmulKernel } from '../../kernels/index.js';
import type { MatmulCase } from '../../kernels/cases.js';
import type { Kernel, MatmulLayout } from '../../kernels/index.js';
import { describeWithAdapter } from '../core/backends/webgpu.js';
import { emulated, emulatedMachine } from './emulated-matrices.js';
import { declareWays, runCase } from './ways.js';

describeWithAdapter('software, run on the adapter', () => {
  const backend = openWebGpuBackend({ profile: 'software' });
  afterAll(async () => {
    await (await backend).close();
  });
  const shapes: readonly (readonly [MatmulLayout, number, number, number, number, readonly string[]])[] = [
    ['nt', 16, 4, 4, 1, ['software turn', 'software turned']],
    ['nt', 17, 12, 8, 3, ['software turn', 'software turned']],
    ['nt', 15, 4, 4, 1, ['software four']],
    ['nt', 16, 4, 3, 1, ['software four']],
    ['nt', 16, 3, 4, 1, ['software single']],
    ['tn', 4, 4, 1, 1, ['software four both']],
    ['tn', 12, 20, 5, 3, ['software four both']],
    ['tn', 3, 4, 1, 1, ['software four']],
    ['nn', 1, 4, 1, 1, ['software four']],
  ];
  it.each(shapes)('%s %i x %i x %i, batch %i: %s', async (layout, m, n, k, batch, selects) => {
    const kernel = matmulKernel({ layout, bias: false, activation: 'none', residual: false }) as unknown as Kernel;
    const params = { m, n, k, batch, strideA: m * k, strideB: k * n };
    const lengths = { a: batch * m * k, b: batch * k * n, bias: n, residual: batch * m * n, c: batch * m * n };
    const dtypes = { a: 'f32', b: 'f32', bias: 'f32', residual: 'f32', c: 'f32' } as const;
    expect(await runCase(await backend, { kernel, example: { params, lengths }, dtypes })).toEqual(selects);
  });
});

describeWithAdapter('alu, run on the adapter', () => {
  const backend = openWebGpuBackend({ profile: 'alu' });
  afterAll(async () => {
    await (await backend).close();
  });
  const narrow = { kind: 'alu', m: 16, n: 16, depth: 8, rows: 4, columns: 4 } as const;
  const wide = { kind: 'alu', m: 16, n: 32, depth: 8, rows: 8, columns: 8 } as const;
  // compiling takes seconds per module: types and epilogues are crossed with one layout each, and wide lanes with one
  // type
  const wanted = ({ kernel: { name }, dtypes }: MatmulCase) =>
    dtypes.a === 'f32' ? name !== 'matmul_nn_bias' : name === (dtypes.c === 'f16' ? 'matmul_nn' : 'matmul_tn');
  declareWays(matmulCases({ profile: 'alu' }, [narrow]).filter(wanted), backend);
  declareWays(
    matmulCases({ profile: 'alu' }, [wide]).filter(
      ({ kernel, dtypes, selects }) => kernel.name === 'matmul_nt' && dtypes.a === 'f32' && !selects.includes('scalar'),
    ),
    backend,
  );
});

describeWithAdapter('sgmat, with emulated matrices', () => {
  const backend = openWebGpuBackend({ profile: 'alu' });
  afterAll(async () => {
    await (await backend).close();
  });
  const staged = { kind: 'staged', m: 32, n: 32, depth: 16, warpM: 16, warpN: 16 } as const;
  const direct = { ...staged, kind: 'direct' } as const;
  // compiling takes long: every layout, edges, slices and an epilogue occur, but not each with each
  for (const [config, idle, wanted] of [
    // as NVIDIA has them
    [
      { M: 16, N: 8, K: 8 },
      false,
      ['matmul_nn f32 staged ragged', 'matmul_tn f32 staged ragged split', 'matmul_nt f32 direct'],
    ],
    // as Intel has them, and subgroups that may be smaller than reckoned with
    [{ M: 8, N: 16, K: 16 }, true, ['matmul_nn_bias_residual f16 staged']],
  ] as const) {
    const machine = emulatedMachine(config, idle);
    const names: readonly string[] = wanted;
    const cases = matmulCases({ profile: 'sgmat', machine }, [staged, direct]).filter(({ kernel, dtypes, selects }) =>
      names.includes(`${kernel.name} ${dtypes.c} ${selects.replace(' 32x32x16 (16x16)', '')}`),
    );
    declareWays(
      cases.map(test => ({ ...test, kernel: emulated(test.kernel, machine) })),
      backend,
    );
  }
});
