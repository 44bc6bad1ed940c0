/** What the Plan panel asks the worker: the model's facts, and its plans. */
import type { ModelConfig } from '../../../models/index.js';
import type { SurePlan } from '../../evaluation/planner.js';
import { trainedConfig } from '../../method/config.js';
import type { Puzzle } from '../../method/puzzles.js';
import { createWorldByName, isWorldName } from '../../worlds/registry.js';
import type { WorldName } from '../../worlds/registry.js';
import type { WorldInstance } from '../../worlds/world.js';
import { useDevice } from '../device.js';
import type { Handler } from '../protocol.js';
import { studentOn } from '../student.js';

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
