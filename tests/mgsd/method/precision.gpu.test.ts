import { openWebGpuBackend } from '../../../core/backends/webgpu/webgpu.js';
import { WebGpuUnavailableError } from '../../../core/faults.js';
import type { WebGpuOptions } from '../../../core/backends/webgpu/options.js';
import { Device } from '../../../core/index.js';
import { describePrecision } from './precision.js';

async function open(options: WebGpuOptions): Promise<Device | string> {
  try {
    return new Device(await openWebGpuBackend(options));
  } catch (error) {
    if (!(error instanceof WebGpuUnavailableError) || process.env['MGSD_REQUIRE_WEBGPU'] === '1') throw error;
    return error.message.split('\n', 1)[0]!;
  }
}

describePrecision('mixed precision on webgpu', () => open({}));
