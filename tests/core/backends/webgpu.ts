/** What the tests of the webgpu backend share: an adapter, or the reason why there is none. */
import { describe, it } from 'vitest';
import { openDevice } from '../../../core/backends/webgpu/device.js';
import type { OpenedDevice } from '../../../core/backends/webgpu/device.js';
import { WebGpuUnavailableError } from '../../../core/faults.js';
import { trainingMatrices } from '../../../kernels/index.js';

/** What the device at hand is and can do. */
export type Found = Pick<OpenedDevice, 'machine' | 'capabilities'>;

async function find(): Promise<Found | string> {
  try {
    const { device, ...found } = await openDevice();
    device.destroy();
    return found;
  } catch (error) {
    if (error instanceof WebGpuUnavailableError) return error.message;
    throw error;
  }
}

const found = await find();

/**
 * `describe`, where there is an adapter; else one test that is skipped with the reason, or fails if
 * MGSD_REQUIRE_WEBGPU=1.
 */
export function describeWithAdapter(title: string, suite: (found: Found) => void): void {
  if (typeof found !== 'string') describe(title, () => suite(found));
  else
    it(title, context => {
      if (process.env['MGSD_REQUIRE_WEBGPU'] === '1') throw new Error(found);
      context.skip(found.split('\n', 1)[0]);
    });
}

/** The same for a suite that needs a matrix unit for f16; .config/test.mjs knows the reason. */
export function describeWithMatrices(title: string, suite: (found: Found) => void): void {
  if (typeof found !== 'string' && trainingMatrices(found.machine, 'f16').length === 0)
    it(title, context => context.skip('no matrix unit on this adapter'));
  else describeWithAdapter(title, suite);
}
