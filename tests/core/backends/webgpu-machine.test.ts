/** From what adapters say about themselves to classes of the tuning table and to profiles. */
import { expect, it } from 'vitest';
import { adapterClass, chooseProfile, describeMachine, isSoftware } from '../../../core/backends/webgpu/machine.js';
import { machines } from '../../kernels/machines.js';

const info = (
  vendor: string,
  architecture: string,
  device: string,
  description: string,
  isFallbackAdapter = false,
) => ({
  vendor,
  architecture,
  device,
  description,
  isFallbackAdapter,
  subgroupMinSize: 32,
  subgroupMaxSize: 32,
});

it.each([
  ['nvidia-hopper', info('nvidia', 'hopper', '0x2330', 'NVIDIA H100 80GB HBM3')],
  ['nvidia-hopper', info('nvidia', '', '', 'NVIDIA H200')],
  ['nvidia', info('nvidia', 'ampere', '', 'NVIDIA GeForce RTX 3080: 580.1')],
  ['amd', info('amd', 'rdna-3', '', 'AMD Radeon RX 7900 XTX (RADV NAVI31)')],
  ['intel', info('intel', 'xe-2', '', 'Intel(R) Arc(tm) B580')],
  ['apple', info('apple', 'metal-3', '', 'Apple M4 Max')],
  ['default', info('qualcomm', 'adreno-7xx', '', 'Adreno 740')],
  ['software', info('mesa', 'software', '', 'llvmpipe (LLVM 19.1.7, 256 bits)')],
  ['software', info('google', '', '', 'SwiftShader Device')],
  ['software', info('microsoft', '', '', 'Microsoft Basic Render Driver', true)],
] as const)('%s', (expected, adapter) => {
  expect(adapterClass(adapter)).toBe(expected);
  expect(isSoftware(adapter)).toBe(expected === 'software');
});

it('takes matrices where f16 products are summed in f32, and only on real GPUs', () => {
  expect(chooseProfile(machines.hopper)).toBe('sgmat');
  expect(chooseProfile({ ...machines.hopper, matrices: [] })).toBe('alu');
  expect(chooseProfile({ ...machines.hopper, subgroupSize: { min: 0, max: 0 } })).toBe('alu');
  const inHalves = machines.hopper.matrices.filter(({ resultComponentType }) => resultComponentType === 'f16');
  expect(chooseProfile({ ...machines.hopper, matrices: inHalves })).toBe('alu');
  expect(chooseProfile({ ...machines.hopper, adapter: 'software' })).toBe('software');
});

it('lists matrices and subgroups only where the device has the features', () => {
  const limits = {
    maxComputeWorkgroupStorageSize: 49152,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupSizeX: 512,
  } as GPUSupportedLimits;
  const subgroupMatrixConfigs = machines.hopper.matrices;
  const adapter = { ...info('nvidia', 'hopper', '', 'H100'), subgroupMatrixConfigs } as unknown as GPUAdapterInfo;
  const matrices = 'chromium-experimental-subgroup-matrix';
  const { hopper } = machines;
  const features = new Set(['subgroups', matrices]);
  const language = new Set(['subgroup_id', 'subgroup_uniformity']);
  expect(describeMachine(adapter, { features, limits, language })).toEqual({ ...hopper, workgroupLanes: 512 });
  const unnumbered = describeMachine(adapter, { features, limits, language: new Set(['subgroup_id']) });
  expect(unnumbered.subgroupSize).toEqual({ min: 0, max: 0 });
  const plain = describeMachine(adapter, { features: new Set(), limits, language });
  expect(plain.matrices).toEqual([]);
  expect(plain.subgroupSize).toEqual({ min: 0, max: 0 });
});
