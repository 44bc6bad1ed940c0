/** Generation on the adapter at hand: every way to decode, held to the others. */
import { afterAll, beforeAll } from 'vitest';
import { openDevice } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import { describeWithAdapter } from '../core/backends/webgpu.js';
import { describeDecodePaths } from './decode-paths.js';

describeWithAdapter('generation on webgpu', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice('webgpu');
  });
  afterAll(() => device.close());

  describeDecodePaths('webgpu', () => device);
});
