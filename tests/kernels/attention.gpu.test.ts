/**
 * The attention passes of GPUs on the smallest shapes that select them, asserting that they did. `alu` really runs
 * here; matrices.gpu.test.ts runs `sgmat`, but on square matrices only where the adapter is a processor, so one of
 * other sizes is emulated.
 */
import { afterAll, expect, it } from 'vitest';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { attentionCases } from '../../kernels/cases.js';
import { describeWithAdapter } from '../core/backends/webgpu.js';
import { emulated, emulatedMachine } from './emulated-matrices.js';
import { declareWays } from './ways.js';

describeWithAdapter('attention', () => {
  const backend = openWebGpuBackend({ profile: 'alu' });
  afterAll(async () => {
    await (await backend).close();
  });
  // wider ones take the adapter's compiler half a minute each
  declareWays(attentionCases({ profile: 'alu' }, [8, 16]), backend);

  // as Intel has them, and subgroups that may be smaller than reckoned with
  const machine = emulatedMachine({ M: 8, N: 16, K: 16 }, true);
  const matrices = attentionCases({ profile: 'sgmat', machine }, [16]).filter(({ selects }) =>
    selects.startsWith('matrix'),
  );
  it('chooses matrices for f16', () => {
    expect(new Set(matrices.map(({ kernel }) => kernel.name))).toEqual(new Set(['attention', 'attention_grad']));
  });
  declareWays(
    matrices.map(test => ({ ...test, kernel: emulated(test.kernel, machine) })),
    backend,
  );
});
