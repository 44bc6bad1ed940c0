/** The worker's device: the best that this browser has, opened once, for one user at a time. */
import { describeDevice, DeviceError, openDevice } from '../../core/index.js';
import type { BackendName, Device, DeviceChoice } from '../../core/index.js';
import { wasmProblem } from './machine/offers.js';
import { messageOf } from './protocol.js';
import type { Handler } from './protocol.js';

/** What the page asks for, from its address: `?device=webgpu`, `?device=wasm&threads=1`. */
export interface DeviceWish {
  readonly device?: DeviceChoice;
  readonly threads?: number;
}

/** What it got. */
export interface DeviceReport {
  readonly backend: BackendName;
  readonly threads: number;
  readonly description: string;
  /** What is missing, and what works all the same: a sentence each. */
  readonly notes: readonly string[];
}

interface Opened {
  readonly device: Device;
  readonly notes: readonly string[];
}

let wish: DeviceWish = {};
let opened: Promise<Opened> | undefined;
let turn: Promise<unknown> = Promise.resolve();

/** The device that was asked for, or the next best, with the reasons. */
async function open(): Promise<Opened> {
  const notes: string[] = [];
  const { device: choice = 'auto', threads } = wish;
  const ways = [...new Set<DeviceChoice>([choice, 'auto', 'wasm', 'cpu'])];
  for (const way of ways) {
    try {
      const onNote = (note: string) => notes.push(sentence(note.replace(/ \(--device.*\)$/, '')));
      const device = await openDevice(way, { onNote, ...(threads !== undefined && { threads }) });
      const { backend } = device.capabilities;
      if (backend === 'wasm' && !globalThis.crossOriginIsolated)
        notes.push(
          'This page is not isolated from other origins, so WebAssembly has one thread: a server that sends COOP and COEP headers, as `npx mgsd-lite play`, gives it all.',
        );
      if (backend === 'cpu' && choice !== 'cpu')
        notes.push('Everything works in plain JavaScript, only far more slowly.');
      return { device, notes };
    } catch (error) {
      const note =
        way === 'webgpu' ? messageOf(error) : (wasmProblem() ?? `WebAssembly does not run: ${messageOf(error)}`);
      if (!notes.includes(sentence(note))) notes.push(sentence(note)); // two ways may fail for one reason
    }
  }
  throw new Error(notes.join(' '));
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;

/** Whether the device has failed: what runs on it may have wrapped that in an error of its own. */
const isFault = (error: unknown): boolean =>
  error instanceof DeviceError || (error instanceof Error && isFault(error.cause));

/**
 * Runs `body` with the device, after all bodies before it. A device that is lost or out of memory is opened anew for
 * the next one.
 */
export function useDevice<T>(body: (device: Device) => Promise<T>): Promise<T> {
  const run = async () => {
    try {
      return await body((await (opened ??= open())).device);
    } catch (error) {
      if (isFault(error)) opened = undefined;
      throw error;
    }
  };
  const result = turn.then(run);
  turn = result.catch(() => undefined);
  return result;
}

const openCall: Handler<DeviceWish, DeviceReport> = async request => {
  wish = request;
  return await useDevice(async ({ capabilities }) => {
    const { notes } = (await opened)!;
    const { backend, threads } = capabilities;
    return { backend, threads, description: describeDevice(capabilities), notes };
  });
};

export const deviceCalls = { openDevice: openCall };
