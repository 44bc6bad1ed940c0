/** The engine as the page sees it: a worker, and the device that it has opened. */
import type { DeviceReport, DeviceWish } from './device.js';
import { connect } from './protocol.js';
import type { Connection } from './protocol.js';
import type { calls } from './worker.js';

export interface Engine extends Connection<typeof calls> {
  /** What it computes on. Rejects with what this browser lacks. */
  readonly device: Promise<DeviceReport>;
}

/** Starts a worker. Panels share the page's; what runs for minutes starts one of its own. */
export function startEngine(): Engine {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const connection = connect<typeof calls>(worker);
  return { ...connection, device: connection.call('openDevice', wishOf(new URLSearchParams(location.search))) };
}

/** @throws never: what is no device is not wished for */
function wishOf(query: URLSearchParams): DeviceWish {
  const device = (['auto', 'webgpu', 'wasm', 'cpu'] as const).find(name => name === query.get('device'));
  const threads = Number(query.get('threads'));
  return { ...(device && { device }), ...(Number.isInteger(threads) && threads > 0 && { threads }) };
}
