import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { cpu } from '../../core/devices.js';
import { losses } from '../miniature-run.js';
import { expectTrajectory, referenceTrajectory, trainedStages, trajectoryOn } from './trajectory.js';

const opened: Device[] = [];
async function wasm(threads: number): Promise<Device> {
  const device = await openDevice('wasm', { threads });
  opened.push(device);
  return device;
}

afterAll(async () => {
  for (const device of opened) await device.close();
});

describe.each(trainedStages)('20 updates of %s', stage => {
  it('have the same losses on wasm as on cpu, and the same bits with two threads as with one', async () => {
    const one = await trajectoryOn(await wasm(1), stage);
    await expectTrajectory(one, stage, 1e-4);
    expect(await trajectoryOn(await wasm(2), stage)).toEqual(one);
  });

  it('are repeated bit by bit by the same seed', async () => {
    const device = await wasm(2);
    expect(await trajectoryOn(device, stage)).toEqual(await trajectoryOn(device, stage));
    expect(losses(await trajectoryOn(cpu, stage))).toEqual(losses(await referenceTrajectory(stage)));
  });
});
