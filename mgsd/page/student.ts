/** The student that panels plan with, in the page's worker: the packaged one, or a checkpoint that was opened. */
import type { Device } from '../../core/index.js';
import { decodeCheckpoint, loadModel } from '../../models/index.js';
import type { Checkpoint } from '../../models/index.js';
import { Planner } from '../evaluation/planner.js';
import { trainedConfig } from '../method/config.js';
import { useDevice } from './device.js';
import { messageOf } from './protocol.js';
import type { Handler } from './protocol.js';

/** A checkpoint by the name of its file, and the bytes of that. */
export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const packaged = new URL('../pretrained/student.safetensors', import.meta.url);

let opened: Checkpoint | undefined;
const planners = new WeakMap<Device, Promise<Planner>>();

/** The student on a device, loaded once. */
export const studentOn = (device: Device): Promise<Planner> => loadedOnce(planners, device, load);

/** What `load` gives for a device, from `kept` if it is there. */
export function loadedOnce<T>(
  kept: WeakMap<Device, Promise<T>>,
  device: Device,
  load: (device: Device) => Promise<T>,
): Promise<T> {
  let loaded = kept.get(device);
  if (!loaded) kept.set(device, (loaded = load(device)));
  loaded.catch(() => kept.delete(device)); // the next call tries again
  return loaded;
}

async function load(device: Device): Promise<Planner> {
  const checkpoint =
    opened ?? decodeCheckpoint(await fetched(packaged, 'The trained model', 'Training works without it.'));
  return new Planner(checkpoint, await loadModel(device, checkpoint, { trainable: false }));
}

/** The bytes of a model that is deployed with the page. @throws Error that says what works without it */
export async function fetched(file: URL, name: string, whatWorks: string): Promise<Uint8Array> {
  const response = await fetch(file).catch((error: unknown) => {
    throw new Error(`${name} cannot be loaded (${messageOf(error)}). ${whatWorks}`, { cause: error });
  });
  if (!response.ok) throw new Error(`${name} is missing (${response.url}: ${response.status}). ${whatWorks}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Takes a checkpoint as the student, undefined: the packaged one. @returns what it is. @throws Error if it is none */
const openStudent: Handler<NamedFile | undefined, string> = file =>
  useDevice(async device => {
    const checkpoint = file && read(file);
    const before = await planners.get(device)?.catch(() => undefined);
    planners.delete(device);
    await before?.close();
    opened = checkpoint?.decoded;
    return checkpoint?.title ?? 'the packaged student';
  });

function read({ name, bytes }: NamedFile): { readonly decoded: Checkpoint; readonly title: string } {
  try {
    const decoded = decodeCheckpoint(bytes);
    const config = trainedConfig(decoded);
    if (!config) throw new Error('It does not say which boards it was trained on.');
    const { stage = '?', step = '?' } = decoded.metadata;
    const { preset, seed } = config;
    return { decoded, title: `${name}: preset ${preset}, seed ${seed}, ${stage}, update ${step}` };
  } catch (error) {
    throw new Error(`${name} cannot be opened. ${messageOf(error)}`, { cause: error });
  }
}

export const studentCalls = { openStudent };
