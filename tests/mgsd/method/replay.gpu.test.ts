/** Recorded updates on a GPU, or on the software adapter. */
import { afterAll, beforeAll } from 'vitest';
import { openDevice } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { describeWithAdapter } from '../../core/backends/webgpu.js';
import { testReplayedStages } from './replay.js';

describeWithAdapter('recorded updates on webgpu', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice('webgpu');
  });
  afterAll(() => device.close());
  testReplayedStages(() => device, 8);
});
