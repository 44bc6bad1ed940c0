/** Opening a device by name, or the best that this machine has. */
import type { Backend, BackendName, Capabilities } from './backend.js';
import { CpuBackend } from './backends/cpu.js';
import type { WebGpuOptions } from './backends/webgpu/options.js';
import { Device } from './device.js';

export { DryBackend } from './backends/dry.js';
export type { WebGpuOptions } from './backends/webgpu/options.js';

/** A backend by name, or the best that there is. */
export type DeviceChoice = 'auto' | BackendName;

/** How a device is opened. */
export interface OpenOptions {
  /** Threads of the wasm backend; default: one per processor. */
  readonly threads?: number;
  /** Of the webgpu backend: which adapter, production or debug mode, how kernels are written. */
  readonly webgpu?: WebGpuOptions;
  /** Told why `auto` did not take a GPU. */
  readonly onNote?: (note: string) => void;
}

/**
 * Opens a device. `auto` takes a real GPU, else wasm: a GPU that is emulated on the processor is slower than wasm, so
 * it must be asked for by name.
 * @throws Error with remedies if the device that was asked for is not there
 */
export async function openDevice(choice: DeviceChoice = 'auto', options: OpenOptions = {}): Promise<Device> {
  switch (choice) {
    case 'cpu':
      return new Device(new CpuBackend());
    case 'wasm':
      return new Device(await openWasm(options));
    case 'webgpu':
      return new Device(await openWebGpu(options));
    case 'auto': {
      const { probeWebGpu } = await import('./backends/webgpu/probe.js');
      const { name, software, error } = await probeWebGpu();
      if (name !== undefined && !software) return new Device(await openWebGpu(options));
      options.onNote?.(
        name === undefined
          ? `no GPU: ${error ?? 'none was found'}`
          : `${name} is emulated on the processor; wasm is faster (--device webgpu takes it all the same)`,
      );
      return new Device(await openWasm(options));
    }
  }
}

async function openWasm({ threads }: OpenOptions): Promise<Backend> {
  const { openWasmBackend } = await import('./backends/wasm/wasm.js');
  return await openWasmBackend(threads === undefined ? {} : { threads });
}

async function openWebGpu({ webgpu }: OpenOptions): Promise<Backend> {
  const { openWebGpuBackend } = await import('./backends/webgpu/webgpu.js');
  return await openWebGpuBackend(webgpu);
}

/** One line about a device, for the first line of a log. */
export function describeDevice({ backend, name, driver, dtypes, threads, features, ...rest }: Capabilities): string {
  const facts = Object.entries(features).map(([key, value]) => `${key} ${String(value)}`);
  const emulated = rest.software && rest.asynchronous ? ', emulated on the processor' : '';
  return `${backend}: ${name} (${driver}${emulated}), ${threads} thread${threads === 1 ? '' : 's'}, ${dtypes.join(' ')}; ${facts.join(', ')}`;
}
