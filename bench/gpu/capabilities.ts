/** What the adapter offers, with and without the toggles that this project sets. */
import { openDevice } from '../../core/backends/webgpu/device.js';
import { loadDawn } from '../../core/platform/dawn.js';
import type { Capabilities } from '../../core/index.js';

export interface CapabilityReport {
  /** As a run sees the device. */
  readonly device: Capabilities;
  /** Features of the adapter without any toggle, and those that the toggles add. */
  readonly plain: readonly string[];
  readonly added: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

export async function reportCapabilities(): Promise<CapabilityReport> {
  const { device, capabilities } = await openDevice({ probe: true });
  const features = [...device.features];
  const limits: Record<string, number> = {};
  for (const name in device.limits) {
    const value = (device.limits as unknown as Record<string, unknown>)[name];
    if (typeof value === 'number') limits[name] = value;
  }
  device.destroy();
  const { create } = await loadDawn();
  const instance = create([]);
  instances.push(instance);
  const plainAdapter = await instance.requestAdapter();
  const plain = plainAdapter ? [...plainAdapter.features] : [];
  return { device: capabilities, plain, added: features.filter(name => !plain.includes(name)), limits };
}

/** Dawn's instances must live as long as the process. */
const instances: GPU[] = [];
