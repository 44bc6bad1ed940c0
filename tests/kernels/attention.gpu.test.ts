/**
 * The attention passes of GPUs on the smallest shapes that select them, asserting that they did. `alu` really runs
 * here; `sgmat` runs with emulated matrices. A GPU runs all head dimensions through the same `attentionCases`.
 */
import { afterAll, expect, it } from 'vitest';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import type { WebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { attentionCases, checkCase, conformanceCase } from '../../kernels/cases.js';
import type { AttentionCase } from '../../kernels/cases.js';
import { describeWithAdapter } from '../core/backends/webgpu.js';
import { emulated, emulatedMachine } from './emulated-matrices.js';

/** f16 operands of products: every share and slope is rounded once more than by the reference. */
const halfTolerance = 4e-3;

function declare(cases: readonly AttentionCase[], backend: Promise<WebGpuBackend>): void {
  for (const { kernel, example, dtypes, selects } of cases)
    it(`${kernel.name} ${dtypes[kernel.name === 'attention' ? 'q' : 'qkv']!}: ${selects}`, async () => {
      const device = await backend;
      const launches = () =>
        device
          .selections()
          .filter(entry => entry.kernel === kernel.name && entry.variant === selects)
          .reduce((sum, entry) => sum + entry.launches, 0);
      const before = launches();
      const tolerance = selects.startsWith('matrix') ? halfTolerance : kernel.tolerance;
      const test = conformanceCase(kernel, example, dtypes, 1, 7);
      expect(await checkCase(device, { ...kernel, tolerance }, test)).toBeUndefined();
      expect(launches()).toBeGreaterThan(before);
    }, 240_000); // a software adapter takes most of a minute to compile emulated matrices, once
}

describeWithAdapter('alu, run on the adapter', () => {
  const backend = openWebGpuBackend({ profile: 'alu' });
  afterAll(async () => {
    await (await backend).close();
  });
  // wider ones take the adapter's compiler half a minute each
  declare(attentionCases({ profile: 'alu' }, [8, 16]), backend);
});

describeWithAdapter('sgmat, with emulated matrices', () => {
  const backend = openWebGpuBackend({ profile: 'alu' });
  afterAll(async () => {
    await (await backend).close();
  });
  for (const [config, idle] of [
    [{ M: 16, N: 8, K: 8 }, false], // as NVIDIA has them
    [{ M: 8, N: 16, K: 16 }, true], // as Intel has them, and subgroups that may be smaller than reckoned with
  ] as const) {
    const machine = emulatedMachine(config, idle);
    const cases = attentionCases({ profile: 'sgmat', machine }, [16]).filter(({ selects }) =>
      selects.startsWith('matrix'),
    );
    it(`chooses matrices of ${config.M} x ${config.N} x ${config.K} for f16`, () => {
      expect(new Set(cases.map(({ kernel }) => kernel.name))).toEqual(new Set(['attention', 'attention_grad']));
    });
    declare(
      cases.map(test => ({ ...test, kernel: emulated(test.kernel, machine) })),
      backend,
    );
  }
});
