import { expect } from 'vitest';
import type { Device } from '../../../core/index.js';
import type { RunConfig } from '../../../mgsd/method/config.js';
import { compareRuns } from '../../../bench/soak/equality.js';

/** See `compareRuns`. */
export async function expectSameAfterStops(
  device: Device,
  folder: string,
  steps = 2,
  config?: RunConfig,
): Promise<void> {
  const { stops, differences } = await compareRuns(device, folder, steps, config);
  expect(stops).toBeGreaterThan(2);
  expect(differences).toEqual([]);
}
