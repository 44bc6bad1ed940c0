/**
 * Every kernel on the device at hand, as written for software adapters and as written for GPUs; kernels that join the
 * lanes of a subgroup also as they are written where there are none.
 */
import { expect, it } from 'vitest';
import { openDevice } from '../../../core/backends/webgpu/device.js';
import { openWebGpuBackend, WebGpuBackend } from '../../../core/backends/webgpu/webgpu.js';
import { kernels, leastMachine } from '../../../kernels/index.js';
import type { DType, Kernel, WgslMachine } from '../../../kernels/index.js';
import { describeConformance } from '../../kernels/conformance.js';
import { describeWithAdapter } from './webgpu.js';

function joinsSubgroups(kernel: Kernel, machine: WgslMachine): boolean {
  const dtypes = Object.fromEntries(Object.keys(kernel.buffers).map((name): [string, DType] => [name, 'f32']));
  return kernel.wgsl({ profile: 'alu', machine, dtypes }).some(({ body }) => body.includes('subgroupShuffleXor'));
}

describeWithAdapter('webgpu', ({ capabilities, machine }) => {
  const dtypes = capabilities.dtypes.includes('f16') ? (['f32', 'f16'] as const) : (['f32'] as const);
  for (const profile of ['software', 'alu'] as const)
    describeConformance(`${profile} profile`, () => openWebGpuBackend({ profile }), { dtypes, runs: 4 });

  const joining = kernels.filter(kernel => joinsSubgroups(kernel, machine));
  it('rows of norms, losses and draws have a subgroup each where all subgroups are as large', () => {
    const { min, max } = machine.subgroupSize;
    const names = joining.map(({ name }) => name);
    const some = [
      'layer_norm',
      'layer_norm_grad_input',
      'cross_entropy',
      'distillation_reverse_kl',
      'softmax',
      'sample_tokens',
    ];
    expect(names).toEqual(min > 0 && min === max ? expect.arrayContaining(some) : []);
    expect(kernels.filter(kernel => joinsSubgroups(kernel, leastMachine))).toEqual([]);
  });
  describeConformance(
    'alu profile without subgroups',
    async () => new WebGpuBackend({ ...(await openDevice({ profile: 'alu' })), machine: leastMachine }),
    { dtypes, runs: 4, only: joining },
  );
});
