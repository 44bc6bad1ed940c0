import { expect } from 'vitest';
import type { Device } from '../../../core/index.js';
import { compareRuns } from '../../../bench/soak/equality.js';

/** See `compareRuns`. */
export async function expectSameAfterStops(device: Device, folder: string, steps = 2): Promise<void> {
  const { stops, differences } = await compareRuns(device, folder, steps);
  expect(stops).toBeGreaterThan(2);
  expect(differences).toEqual([]);
}
