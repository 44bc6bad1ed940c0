/**
 * Every attention module for every adapter that is known compiles on Dawn's null backend, and is chosen where it should
 * be.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../core/backends/webgpu/device.js';
import type { OpenedDevice } from '../../core/backends/webgpu/device.js';
import { attentionCases } from '../../kernels/cases.js';
import { attentionGradKernel, attentionKernel, wgslProfiles } from '../../kernels/index.js';
import type { DType, Kernel, WgslTarget } from '../../kernels/index.js';
import { wgslModule } from '../../kernels/wgsl.js';
import { machines } from './machines.js';

let opened: OpenedDevice;
beforeAll(async () => {
  opened = await openDevice({ backend: 'null' });
});
afterAll(() => opened.device.destroy());

function dtypesOf(kernel: Kernel, float: 'f32' | 'f16'): Record<string, DType> {
  const dtypes = { float, wide: 'f32', index: 'i32' } as const;
  return Object.fromEntries(Object.entries(kernel.buffers).map(([name, { kind }]) => [name, dtypes[kind]]));
}

for (const [name, machine] of Object.entries(machines))
  it(`modules for ${name}`, async () => {
    const { device } = opened;
    for (const profile of wgslProfiles)
      for (const kernel of [attentionKernel, attentionGradKernel] as unknown as Kernel[])
        for (const float of ['f32', 'f16'] as const) {
          const target: WgslTarget = { profile, machine, dtypes: dtypesOf(kernel, float) };
          for (const pass of kernel.wgsl(target)) {
            const code = wgslModule(kernel, pass, target);
            const lanes = Number(/@workgroup_size\((\d+)\)/.exec(code)![1]);
            const sizes = { vec4f: 16, vec4u: 16, vec2f: 8, f32: 4, f16: 2 } as const;
            const arrays = [...code.matchAll(/var<workgroup> \w+: array<(vec4f|vec4u|vec2f|f32|f16), (\d+)>/g)];
            const bytes = arrays.reduce((sum, [, type, n]) => sum + sizes[type as keyof typeof sizes] * Number(n), 0);
            expect(lanes).toBeLessThanOrEqual(machine.workgroupLanes);
            expect(bytes).toBeLessThanOrEqual(machine.workgroupMemory);
            device.pushErrorScope('validation');
            const module = device.createShaderModule({ code });
            if (lanes <= 256 && bytes <= 16384) device.createComputePipeline({ layout: 'auto', compute: { module } });
            const [{ messages }, error] = await Promise.all([module.getCompilationInfo(), device.popErrorScope()]);
            expect(messages.map(({ lineNum, message }) => `${lineNum}: ${message}\n${code}`).slice(0, 1)).toEqual([]);
            expect(error?.message).toBeUndefined();
          }
        }
  });

describe('what is chosen', () => {
  const selected = (target: Omit<WgslTarget, 'dtypes'>) =>
    new Set(attentionCases(target).map(({ kernel, dtypes, selects }) => `${dtypes['out']!} ${kernel.name} ${selects}`));

  it('matrices for f16 where the adapter has them, tiles elsewhere, nothing of it on software adapters', () => {
    const hopper = [...selected({ profile: 'sgmat', machine: machines.hopper })];
    expect(hopper).toContain('f16 attention matrix 16 (16x16x16, 32 rows)');
    expect(hopper).toContain('f16 attention matrix 32 (16x16x16, 32 rows of 256 keys)');
    expect(hopper).toContain('f16 attention_grad matrix 64 (16x16x16, 32 rows)');
    expect(hopper).toContain('f16 attention tiled 8'); // too narrow for the matrices
    expect(hopper).toContain('f32 attention_grad tiled 32');
    expect([...selected({ profile: 'alu', machine: machines.hopper })].every(name => name.includes(' tiled '))).toBe(
      true,
    );
    expect(selected({ profile: 'software', machine: machines.hopper }).size).toBe(0);
  });

  it('one pass per launch and side, whatever the head dimension', () => {
    for (const profile of wgslProfiles)
      for (const headDim of [1, 4, 8, 12, 16, 20, 32, 64, 128, 260]) {
        const kernel = attentionGradKernel as unknown as Kernel;
        const dtypes = dtypesOf(kernel, 'f16');
        const params = { sequences: 2, heads: 2, headDim, maxQueries: 9, scale: 1 };
        const passes = kernel.wgsl({ profile, machine: machines.hopper, dtypes });
        expect(passes.filter(pass => pass.workgroups(params)[0] > 0)).toHaveLength(2);
      }
  });
});
