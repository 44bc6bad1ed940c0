import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { expectTrajectory, trainedStages, trajectoryOn } from './trajectory.js';

let device: Device | undefined;
let reason = '';

beforeAll(async () => {
  try {
    device = await openDevice('webgpu');
  } catch (error) {
    reason = (error as Error).message.split('\n', 1)[0]!;
    if (process.env['MGSD_REQUIRE_WEBGPU'] === '1') throw error;
  }
});
afterAll(() => device?.close());

describe.each(trainedStages)('20 updates of %s', stage => {
  it('have the same losses on webgpu as on cpu, and the same bits again', async context => {
    if (!device) return context.skip(`no WebGPU adapter: ${reason}`);
    const metrics = await trajectoryOn(device, stage);
    await expectTrajectory(metrics, stage, 1e-4);
    expect(await trajectoryOn(device, stage)).toEqual(metrics);
  });
});
