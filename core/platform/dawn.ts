/** WebGPU in Node: Dawn's bindings (the `webgpu` package), with the features that compute needs switched on. */
import type * as Dawn from 'webgpu';
import { WebGpuUnavailableError } from '../faults.js';
import type { GpuRequest, GpuSource } from '../platform.js';

/**
 * Dawn's toggles (their meaning: Toggles.cpp in Dawn's sources). f16 on NVIDIA is held back by default on drivers
 * before 615; subgroup matrices count as unsafe because the extension is experimental; time stamps are rounded to 65
 * microseconds by default. A new buffer would be filled with zeros before its first use, which nothing relies on.
 */
function toggles(mode: 'production' | 'debug'): { readonly on: readonly string[]; readonly off: readonly string[] } {
  const always = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia', 'use_vulkan_memory_model'];
  const checks = mode === 'production' ? ['disable_robustness', 'disable_workgroup_init'] : ['enable_spirv_validation'];
  const unclear = mode === 'production' ? ['lazy_clear_resource_on_first_use'] : [];
  return { on: [...always, ...checks], off: ['timestamp_quantization', ...unclear] };
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

/** @throws WebGpuUnavailableError where the package does not load */
export async function dawnSource(node: NodeJS.Process, { mode, backend, adapter }: GpuRequest): Promise<GpuSource> {
  const wanted = adapter ?? node.env['MGSD_ADAPTER'];
  const { create, globals } = await loadDawn();
  const { on, off } = toggles(mode);
  const flags = [`enable-dawn-features=${on.join(',')}`, `disable-dawn-features=${off.join(',')}`];
  if (backend) flags.push(`backend=${backend}`);
  if (wanted && backend !== 'null') flags.push(`adapter=${wanted}`);
  const { GPUBufferUsage: usage } = globals as { GPUBufferUsage: typeof GPUBufferUsage };
  const gpu = instanceFor(create, flags);
  return { gpu, usage, toggles: on, polls: true, noAdapter: cause => noAdapter(wanted, cause) };
}
