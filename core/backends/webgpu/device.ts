/**
 * Opens a WebGPU device through Dawn's bindings for Node (the `webgpu` package), with the features that compute needs
 * switched on, and finds out what it got.
 */
import type * as Dawn from 'webgpu';
import type { WgslMachine, WgslProfile } from '../../../kernels/index.js';
import type { Capabilities } from '../../backend.js';
import { chooseProfile, describeMachine, isSoftware } from './machine.js';
import type { WebGpuOptions } from './options.js';
import { probeToggles } from './toggles.js';

export interface OpenedDevice {
  readonly device: GPUDevice;
  readonly usage: typeof GPUBufferUsage;
  readonly profile: WgslProfile;
  readonly machine: WgslMachine;
  readonly capabilities: Capabilities;
}

/** Asked for where the adapter offers them. */
const wantedFeatures: readonly string[] = [
  'shader-f16',
  'subgroups',
  'subgroup-size-control',
  'timestamp-query',
  'chromium-experimental-subgroup-matrix',
];

/**
 * Dawn's toggles (their meaning: Toggles.cpp in Dawn's sources). f16 on NVIDIA is held back by default on drivers
 * before 615; subgroup matrices count as unsafe because the extension is experimental; time stamps are rounded to 65
 * microseconds by default.
 */
function toggles(mode: 'production' | 'debug'): { readonly on: readonly string[]; readonly off: readonly string[] } {
  const always = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia', 'use_vulkan_memory_model'];
  const checks = mode === 'production' ? ['disable_robustness', 'disable_workgroup_init'] : ['enable_spirv_validation'];
  return { on: [...always, ...checks], off: ['timestamp_quantization'] };
}

/**
 * Dawn's instance for a set of flags: one per process, whichever copy of this module asks, for its threads and memory
 * are not given back. Devices work on memory that belongs to it: were it collected, the process would crash or hang.
 */
function instanceFor(create: typeof Dawn.create, flags: string[]): GPU {
  const key = Symbol.for('mgsd-lite.webgpu.instances');
  const holder = globalThis as unknown as Record<symbol, Map<string, GPU> | undefined>;
  const instances = (holder[key] ??= new Map<string, GPU>());
  const name = flags.join(' ');
  const instance = instances.get(name) ?? create(flags);
  instances.set(name, instance);
  return instance;
}

/** There is no adapter, or no Dawn for this machine; anything else that goes wrong is a fault. */
export class WebGpuUnavailableError extends Error {}

/** The bindings; `load` is replaced in tests. Throws with remedies where the package has no binary for this machine. */
export async function loadDawn(load: () => Promise<typeof Dawn> = () => import('webgpu')): Promise<typeof Dawn> {
  try {
    return await load();
  } catch (cause) {
    throw new WebGpuUnavailableError(
      `The \`webgpu\` package (Dawn for Node) does not load on ${process.platform}-${process.arch}: ${String(cause)}\n` +
        'It has binaries for Linux, macOS and Windows on x64 and arm64. Run `npm install` again without --omit=optional or ' +
        '--ignore-scripts; on Linux it needs glibc 2.31 or newer (Alpine has none). Or choose the `wasm` backend, which runs everywhere.',
      { cause },
    );
  }
}

function noAdapter(name: string | undefined, cause?: unknown): WebGpuUnavailableError {
  const wanted = name ? ` whose name contains "${name}"` : '';
  return new WebGpuUnavailableError(
    `No WebGPU adapter${wanted} was found.${cause instanceof Error ? ` Dawn says: ${cause.message}` : ''}\n` +
      (name ? '- Unset MGSD_ADAPTER (or the adapter option) to take any adapter.\n' : '') +
      '- With a GPU: install its Vulkan driver (`vulkaninfo --summary` must list it); in a container, pass the device and the driver ' +
      'through (for NVIDIA: NVIDIA_DRIVER_CAPABILITIES=all).\n' +
      '- Without one: install a software adapter (Debian and Ubuntu: apt-get install libvulkan1 mesa-vulkan-drivers, Mesa 24.2 or newer) ' +
      'or choose the `wasm` backend, which is faster on a processor.',
    { cause },
  );
}

/** Opens a device. Throws with remedies where there is no package, no adapter, or an adapter that cannot compute. */
export async function openDevice(options: WebGpuOptions = {}): Promise<OpenedDevice> {
  const { mode = 'production', backend } = options;
  const wanted = options.adapter ?? process.env['MGSD_ADAPTER'];
  const { create, globals } = await loadDawn();
  const { on, off } = toggles(mode);
  const flags = [`enable-dawn-features=${on.join(',')}`, `disable-dawn-features=${off.join(',')}`];
  if (backend) flags.push(`backend=${backend}`);
  if (wanted && backend !== 'null') flags.push(`adapter=${wanted}`);
  const instance = instanceFor(create, flags);

  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' }).catch((error: unknown) => {
    throw noAdapter(wanted, error); // Dawn throws where no adapter has the wanted name, and lists those that there are
  });
  if (!adapter) throw noAdapter(wanted);
  if (adapter.info.device === 'null-backend' && backend !== 'null') throw noAdapter(wanted);

  const requiredFeatures = wantedFeatures.filter(name => adapter.features.has(name)) as GPUFeatureName[];
  const limits = adapterLimits(adapter);
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits: limits });
  const machine = describeMachine(adapter.info, device);
  const profile = options.profile ?? chooseProfile(machine);
  const { GPUBufferUsage: usage } = globals as { GPUBufferUsage: typeof GPUBufferUsage };
  const capabilities = describe(adapter, device, { mode, profile, machine, toggles: on });
  if (!options.probe) return { device, usage, profile, machine, capabilities };
  const effects = await probeToggles({ device, usage, software: capabilities.software });
  const features = { ...capabilities.features, ...effects };
  return { device, usage, profile, machine, capabilities: { ...capabilities, features } };
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
