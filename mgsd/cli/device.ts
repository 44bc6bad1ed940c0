/** The device of a command: opened by its --device and --threads, and closed whatever happens. */
import { describeDevice, openDevice } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import type { deviceOptions, Flags } from './options.js';

export type DeviceFlags = Flags<typeof deviceOptions>;

/** Opens the chosen device, runs `body` with it and closes it. @param onNote told why a better device is not used */
export async function withDevice<T>(
  { device: choice, threads }: DeviceFlags,
  body: (device: Device, description: string) => Promise<T>,
  onNote: (note: string) => void = () => {},
): Promise<T> {
  const device = await openDevice(choice, { onNote, ...(threads !== undefined && { threads }) });
  let result: T;
  try {
    result = await body(device, describeDevice(device.capabilities));
  } catch (error) {
    await device.close().catch(() => {}); // a device that has failed may not close either; the first error says why
    throw error;
  }
  await device.close();
  return result;
}

/** The device's options for a `commandLine`. */
export function deviceWords({ device, threads }: DeviceFlags): Partial<DeviceFlags> {
  return device === 'auto' ? { threads } : { device, threads };
}
