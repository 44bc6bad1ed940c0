/**
 * Ways of multiplying matrices, each on the smallest shapes that select it, asserting that they did. `alu` really runs
 * here, with tiles that are small enough to compile quickly; `sgmat` runs with emulated matrices. A GPU runs all tiles
 * of the table through the same `matmulCases`.
 */
import { afterAll, expect, it } from 'vitest';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import type { WebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { checkCase, conformanceCase, matmulCases } from '../../kernels/cases.js';
import { matmulKernel } from '../../kernels/index.js';
import type { MatmulCase } from '../../kernels/cases.js';
import type { Kernel, MatmulLayout } from '../../kernels/index.js';
import { describeWithAdapter } from '../core/backends/webgpu.js';
import { emulated, emulatedMachine } from './emulated-matrices.js';

/** Runs a case, holds it to the reference, and returns the variants of the passes that ran. */
async function run(
  backend: WebGpuBackend,
  { kernel, example, dtypes }: Omit<MatmulCase, 'selects'>,
): Promise<string[]> {
  const before = backend.selections();
  expect(await checkCase(backend, kernel, conformanceCase(kernel, example, dtypes, 1, 7))).toBeUndefined();
  const count = ({ kernel: name, variant }: { kernel: string; variant: string }, list: typeof before) =>
    list
      .filter(entry => entry.kernel === name && entry.variant === variant)
      .reduce((sum, { launches }) => sum + launches, 0);
  const after = backend.selections();
  return [...new Set(after.filter(entry => count(entry, after) > count(entry, before)).map(({ variant }) => variant))];
}

/** One test for all shapes of a kernel, its types and its way. */
function declare(cases: readonly MatmulCase[], backend: Promise<WebGpuBackend>): void {
  const labels = cases.map(({ kernel, selects, dtypes }) => `${kernel.name} ${dtypes.a} to ${dtypes.c}: ${selects}`);
  for (const label of new Set(labels))
    it(label, async () => {
      for (const test of cases.filter((_, i) => labels[i] === label))
        expect(await run(await backend, test)).toContain(test.selects);
    });
}

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
    expect(await run(await backend, { kernel, example: { params, lengths }, dtypes })).toEqual(selects);
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
  declare(matmulCases({ profile: 'alu' }, [narrow]).filter(wanted), backend);
  declare(
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
  const casesFor = (
    config: { M: number; N: number; K: number },
    idle: boolean,
    wanted: (test: MatmulCase) => boolean,
  ) => {
    const machine = emulatedMachine(config, idle);
    return matmulCases({ profile: 'sgmat', machine }, [staged, direct])
      .filter(wanted)
      .map(test => ({ ...test, kernel: emulated(test.kernel, machine) }));
  };
  // compiling takes long: every way, every layout, edges, idle subgroups and epilogues occur, but not each with each
  const named =
    (...wanted: readonly string[]) =>
    (test: MatmulCase) =>
      wanted.includes(
        `${test.kernel.name} ${test.dtypes.c} ${test.selects.replace('32x32x16 (16x16)', '').replaceAll('  ', ' ').trim()}`,
      );
  // matrices of 16 x 8 x 8, as NVIDIA has them
  declare(
    casesFor(
      { M: 16, N: 8, K: 8 },
      false,
      named(
        'matmul_nn f32 staged ragged',
        'matmul_nt f32 staged ragged',
        'matmul_tn f32 staged ragged',
        'matmul_tn f32 staged ragged split',
        'matmul_nn f32 direct',
        'matmul_nt f32 direct',
        'matmul_tn f32 direct split',
      ),
    ),
    backend,
  );
  // matrices of 8 x 16 x 16, as Intel has them, and subgroups that may be smaller than reckoned with
  declare(
    casesFor(
      { M: 8, N: 16, K: 16 },
      true,
      named('matmul_nn_bias_relu f16 staged', 'matmul_nn_bias_residual f16 direct'),
    ),
    backend,
  );
});
