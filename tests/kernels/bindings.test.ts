/** Browsers may allow as few as eight storage buffers in a shader, and some software adapters allow ten. */
import { describe, expect, it } from 'vitest';
import { Programs } from '../../core/backends/webgpu/programs.js';
import { kernels } from '../../kernels/index.js';
import type { DType, Kernel } from '../../kernels/index.js';
import { boundBuffers } from '../../kernels/wgsl.js';
import { leastMachine } from '../../kernels/machine.js';
import { machines } from './machines.js';

const dtypesOf = (kernel: Kernel) =>
  Object.fromEntries(
    Object.entries(kernel.buffers).map(([name, { kind }]) => [name, kind === 'index' ? 'i32' : 'f32']),
  );

describe('storage buffers', () => {
  it.each(kernels.map(kernel => [kernel.name, kernel] as const))('%s binds eight at most', (_, kernel) => {
    for (const profile of ['software', 'alu', 'sgmat'] as const)
      for (const machine of [leastMachine, ...Object.values(machines)])
        for (const pass of kernel.wgsl({ dtypes: dtypesOf(kernel) as Record<string, DType>, profile, machine }))
          expect(boundBuffers(kernel, pass).length, `${profile}, ${machine.adapter}`).toBeLessThanOrEqual(8);
  });

  it('a kernel that binds more than the adapter allows says so by name', () => {
    const device = { limits: { maxStorageBuffersPerShaderStage: 2 } } as GPUDevice;
    const programs = new Programs(device, { profile: 'alu', machine: leastMachine }, () => undefined);
    const kernel = kernels.find(({ name }) => name === 'adamw')!;
    const operands = Object.values(dtypesOf(kernel)).map(dtype => ({
      allocation: { bytes: 16 },
      dtype: dtype as DType,
      byteOffset: 0,
      length: 4,
    }));
    expect(() => programs.get(kernel, operands)).toThrow(/kernel adamw .* binds \d storage buffers, .* allows 2/);
  });
});
