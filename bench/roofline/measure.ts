/** Ceilings of the given device. */
import type { Device } from '../../core/index.js';
import type { Ceilings } from './ceilings.js';
import { measureWasmCeilings } from './wasm.js';
import { measureWebGpuCeilings } from './webgpu.js';

/** Undefined on cpu, whose kernels are references written to be read. */
export async function measureCeilings({ capabilities }: Pick<Device, 'capabilities'>): Promise<Ceilings | undefined> {
  switch (capabilities.backend) {
    case 'wasm':
      return await measureWasmCeilings(capabilities);
    case 'webgpu':
      return await measureWebGpuCeilings(capabilities);
    case 'cpu':
      return undefined;
  }
}
