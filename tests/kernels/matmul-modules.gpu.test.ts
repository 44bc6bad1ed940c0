/**
 * Every module of every way of multiplying matrices, for every adapter that the tuning table knows, compiles on Dawn's
 * null backend, which has the matrix extension; and becomes a pipeline where it fits into that backend's workgroups.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { openDevice } from '../../core/backends/webgpu/device.js';
import type { OpenedDevice } from '../../core/backends/webgpu/device.js';
import { matmulCases } from '../../kernels/cases.js';
import { matmulKernel, matmulKernels, wgslProfiles } from '../../kernels/index.js';
import type { DType, Kernel, WgslMachine, WgslTarget } from '../../kernels/index.js';
import { wgslModule } from '../../kernels/wgsl.js';
import { machines } from './machines.js';

let opened: OpenedDevice;
beforeAll(async () => {
  opened = await openDevice({ backend: 'null' });
});
afterAll(() => opened.device.destroy());

const floats = (...types: readonly ('f32' | 'f16')[]) =>
  Object.fromEntries(['a', 'b', 'bias', 'residual', 'c'].map((name, i) => [name, types[i]!])) as Record<string, DType>;
const allDtypes = [
  floats('f32', 'f32', 'f32', 'f32', 'f32'),
  floats('f16', 'f16', 'f16', 'f16', 'f16'),
  floats('f16', 'f16', 'f32', 'f32', 'f32'),
];

/** Modules of the tuning table and of the single tiles that GPU runs choose, by what they are for. */
function modulesOf(machine: WgslMachine): Map<string, string> {
  const modules = new Map<string, string>();
  const add = (kernel: Kernel, target: WgslTarget) => {
    for (const pass of kernel.wgsl(target))
      modules.set(wgslModule(kernel, pass, target), `${target.profile} ${kernel.name} ${pass.variant ?? ''}`);
  };
  for (const profile of wgslProfiles) {
    for (const kernel of matmulKernels) for (const dtypes of allDtypes) add(kernel, { profile, machine, dtypes });
    // slices of k for every tile; what comes at the end of a row is the second pass's business there
    for (const { kernel, dtypes, selects } of matmulCases({ profile, machine }))
      if (selects.endsWith('split')) add(kernel, { profile, machine, dtypes });
  }
  return modules;
}

/** Lanes and workgroup memory that a module asks for. */
function demands(code: string): { readonly lanes: number; readonly bytes: number } {
  const arrays = [...code.matchAll(/var<workgroup> \w+: array<vec4[fu], (\d+)>/g)];
  expect(arrays.length).toBe([...code.matchAll(/var<workgroup>/g)].length);
  return {
    lanes: Number(/@workgroup_size\((\d+)\)/.exec(code)![1]),
    bytes: arrays.reduce((sum, [, length]) => sum + 16 * Number(length), 0),
  };
}

const checked = new Set<string>();

for (const [name, machine] of Object.entries(machines))
  it(`modules for ${name}`, async () => {
    const { device } = opened;
    const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize } = device.limits;
    const modules = modulesOf(machine);
    const checks = [...modules].map(async ([code, label]) => {
      if (checked.has(code)) return;
      checked.add(code);
      const { lanes, bytes } = demands(code);
      expect(lanes, label).toBeLessThanOrEqual(machine.workgroupLanes);
      expect(bytes, label).toBeLessThanOrEqual(machine.workgroupMemory);
      device.pushErrorScope('validation');
      const module = device.createShaderModule({ code });
      if (lanes <= maxComputeInvocationsPerWorkgroup && bytes <= maxComputeWorkgroupStorageSize)
        device.createComputePipeline({ layout: 'auto', compute: { module } });
      const error = device.popErrorScope();
      const { messages } = await module.getCompilationInfo();
      const problems = messages.map(({ lineNum, message }) => `${label}, ${lineNum}: ${message}\n${code}`);
      expect(problems.slice(0, 1)).toEqual([]);
      expect((await error)?.message, label).toBeUndefined();
    });
    await Promise.all(checks);
    expect([...modules.values()].some(label => label.includes('staged'))).toBe(true);
  });

it('a backend launches what the table says, with scratch where slices of k need it, and records it', async () => {
  const backend = new WebGpuBackend({ ...opened, profile: 'sgmat', machine: machines.hopper });
  const launch = (layout: 'nn' | 'tn', m: number, n: number, k: number, times: number) => {
    const kernel = matmulKernel({ layout, bias: false, activation: 'none', residual: false }) as unknown as Kernel;
    const operands = [m * k, k * n, n, m * n, m * n].map(length => ({
      allocation: backend.allocate(2 * length),
      dtype: 'f16' as const,
      byteOffset: 0,
      length,
    }));
    for (let i = 0; i < times; i++) backend.launch(kernel, operands, [m, n, k, 1, 0, 0]);
    for (const { allocation } of operands) backend.free(allocation);
  };
  launch('nn', 64, 64, 16, 2);
  launch('nn', 64, 72, 40, 1);
  const created = (times: number) => {
    const before = backend.statistics.buffersCreated;
    launch('tn', 64, 64, 2048, times);
    return backend.statistics.buffersCreated - before;
  };
  expect(created(9)).toBeGreaterThan(5); // operands, and scratch
  expect(created(9)).toBe(5); // scratch is used again
  await backend.finish();
  expect(backend.selections()).toEqual([
    { kernel: 'matmul_nn', variant: 'direct 64x64x16 (32x32)', launches: 2 },
    { kernel: 'matmul_nn', variant: 'staged 64x64x32 (32x32) ragged', launches: 1 },
    { kernel: 'matmul_tn', variant: 'staged 64x64x32 (32x32) split', launches: 18 },
    { kernel: 'matmul_tn', variant: 'reduce of 64x64', launches: 18 },
  ]);
});
