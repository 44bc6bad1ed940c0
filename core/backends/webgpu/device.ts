/** Opens a WebGPU device, with the features that compute needs where they are offered, and finds out what it got. */
import type { WgslMachine, WgslProfile } from '../../../kernels/index.js';
import type { Capabilities } from '../../backend.js';
import { gpuSource } from '../../platform.js';
import type { BufferUsage } from '../../platform.js';
import { chooseProfile, describeMachine, isSoftware } from './machine.js';
import type { WebGpuOptions } from './options.js';
import { probeToggles } from './toggles.js';

export interface OpenedDevice {
  readonly device: GPUDevice;
  readonly usage: BufferUsage;
  readonly profile: WgslProfile;
  readonly machine: WgslMachine;
  readonly capabilities: Capabilities;
  /** True if waiting is to leave the processor to the device; see `settle`. */
  readonly sleeps: boolean;
}

/** Asked for where the adapter offers them. */
const wantedFeatures: readonly string[] = [
  'shader-f16',
  'subgroups',
  'subgroup-size-control',
  'timestamp-query',
  'chromium-experimental-subgroup-matrix',
];

/** Opens a device. Throws with remedies where there is no package, no adapter, or an adapter that cannot compute. */
export async function openDevice(options: WebGpuOptions = {}): Promise<OpenedDevice> {
  const { mode = 'production', backend } = options;
  const { gpu, usage, toggles, polls, noAdapter } = await gpuSource({ ...options, mode });
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch((error: unknown) => {
    throw noAdapter(error); // Dawn throws where no adapter has the wanted name, and lists those that there are
  });
  if (!adapter || (adapter.info.device === 'null-backend' && backend !== 'null')) throw noAdapter();

  const requiredFeatures = wantedFeatures.filter(name => adapter.features.has(name)) as GPUFeatureName[];
  const limits = adapterLimits(adapter);
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits: limits });
  const machine = describeMachine(adapter.info, {
    features: device.features,
    limits: device.limits,
    language: gpu.wgslLanguageFeatures,
  });
  const profile = options.profile ?? chooseProfile(machine);
  const capabilities = describe(adapter, device, { mode, profile, machine, toggles });
  const sleeps = polls && capabilities.software;
  if (!options.probe) return { device, usage, profile, machine, capabilities, sleeps };
  const effects = await probeToggles({ device, usage, sleeps });
  const features = { ...capabilities.features, ...effects };
  return { device, usage, profile, machine, capabilities: { ...capabilities, features }, sleeps };
}

/** Without asking, a device has WebGPU's smallest limits: 128 MiB bindings, 256 lanes. */
function adapterLimits(adapter: GPUAdapter): Record<string, number> {
  const names = [
    'maxBufferSize',
    'maxStorageBufferBindingSize',
    'maxStorageBuffersPerShaderStage',
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
    'maxComputeWorkgroupSizeY',
    'maxComputeWorkgroupSizeZ',
    'maxComputeWorkgroupsPerDimension',
    'maxImmediateSize',
  ];
  const offered = adapter.limits as unknown as Record<string, number | undefined>;
  return Object.fromEntries(names.flatMap(name => (offered[name] === undefined ? [] : [[name, offered[name]]])));
}

function describe(
  adapter: GPUAdapter,
  device: GPUDevice,
  asked: {
    readonly mode: string;
    readonly profile: string;
    readonly machine: WgslMachine;
    readonly toggles: readonly string[];
  },
): Capabilities {
  const { info } = adapter;
  const { limits } = device;
  const matrices = asked.machine.matrices.map(c => `${c.M}x${c.N}x${c.K} ${c.componentType}->${c.resultComponentType}`);
  const has = (name: string) => device.features.has(name);
  const experimental = [...adapter.features].some(name => name.startsWith('chromium-experimental'));
  return {
    backend: 'webgpu',
    name: [info.description.split(':')[0], info.device, info.vendor].find(Boolean) ?? 'unnamed adapter',
    driver: [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(', '),
    software: isSoftware(info),
    asynchronous: true,
    replays: true,
    dtypes: has('shader-f16') ? ['f32', 'f16', 'i32'] : ['f32', 'i32'],
    maxBufferBytes: Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize),
    threads: 1,
    features: {
      profile: asked.profile,
      'tuned as': asked.machine.adapter,
      mode: asked.mode,
      subgroups: has('subgroups'),
      'subgroup size': `${info.subgroupMinSize}..${info.subgroupMaxSize}`,
      'subgroup matrices': has('chromium-experimental-subgroup-matrix') ? matrices.join('; ') || 'none listed' : 'no',
      timestamps: has('timestamp-query'),
      'workgroup memory': limits.maxComputeWorkgroupStorageSize,
      'workgroup lanes': limits.maxComputeInvocationsPerWorkgroup,
      'binding alignment': limits.minStorageBufferOffsetAlignment,
      'toggles asked for': asked.toggles.join(' '),
      // what the toggles were to bring; where it could come from nothing else, it says whether they took effect
      'unsafe APIs (allow_unsafe_apis)': experimental ? 'allowed' : 'none offered',
      ...(info.vendor === 'nvidia' && {
        'f16 (vulkan_enable_f16_on_nvidia)': adapter.features.has('shader-f16') ? 'offered' : 'withheld',
      }),
    },
  };
}
