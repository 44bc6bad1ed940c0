/** What the Plan panel asks the worker: the model's facts, and its plans. */
import type { Device } from '../../../core/index.js';
import { decodeCheckpoint, loadModel } from '../../../models/index.js';
import type { ModelConfig } from '../../../models/index.js';
import { Planner } from '../../evaluation/planner.js';
import type { SurePlan } from '../../evaluation/planner.js';
import { trainedConfig } from '../../method/config.js';
import type { Puzzle } from '../../method/puzzles.js';
import { createWorldByName, isWorldName } from '../../worlds/registry.js';
import type { WorldName } from '../../worlds/registry.js';
import type { WorldInstance } from '../../worlds/world.js';
import { useDevice } from '../device.js';
import type { Handler } from '../protocol.js';

/** What the page must know of the model. */
export interface ModelFacts {
  readonly config: ModelConfig;
  /** Worlds and board sizes that it was trained on. */
  readonly tasks: readonly { readonly world: WorldName; readonly levels: readonly number[] }[];
}

/** A puzzle by its state, or a picture of one, (imageSize, imageSize, 3) bytes. */
export type Shown =
  | { readonly world: WorldName; readonly instance: WorldInstance }
  | { readonly world: WorldName; readonly image: Uint8Array };

const files = { student: new URL('../../pretrained/student.safetensors', import.meta.url) };

const planners = new WeakMap<Device, Promise<Planner>>();

function studentOn(device: Device): Promise<Planner> {
  let planner = planners.get(device);
  if (!planner) planners.set(device, (planner = load(device, files.student)));
  planner.catch(() => planners.delete(device)); // the next call tries again
  return planner;
}

async function load(device: Device, file: URL): Promise<Planner> {
  const response = await fetch(file);
  if (!response.ok) throw new Error(`the model is missing (${response.url}: ${response.status}): deploy it too`);
  const checkpoint = decodeCheckpoint(new Uint8Array(await response.arrayBuffer()));
  return new Planner(checkpoint, await loadModel(device, checkpoint, { trainable: false }));
}

const describeModel: Handler<undefined, ModelFacts> = () =>
  useDevice(async device => {
    const planner = await studentOn(device);
    const tasks = trainedConfig(planner)?.tasks ?? [];
    const known = tasks.flatMap(({ world, levels }) => (isWorldName(world) ? [{ world, levels }] : []));
    return { config: planner.config, tasks: known };
  });

const plan: Handler<Shown, SurePlan> = shown =>
  useDevice(async device => {
    const planner = await studentOn(device);
    if ('image' in shown) return await planner.plan(shown.image, { world: shown.world });
    const puzzle: Puzzle = { world: createWorldByName(shown.world), instance: shown.instance };
    return await planner.planFromSymbols(puzzle);
  });

export const planCalls = { describeModel, plan };
