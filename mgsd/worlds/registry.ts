/** The worlds by name. A further one is a folder beside `frozenlake/` and a line here. */

import { createFrozenLake } from './frozenlake/frozenlake.js';
import { createMaze } from './maze/maze.js';
import { createMiniBehaviour } from './minibehaviour/minibehaviour.js';
import type { World, WorldFactory } from './world.js';

const factories = {
  frozenlake: createFrozenLake,
  maze: createMaze,
  minibehaviour: createMiniBehaviour,
} as const satisfies Record<string, WorldFactory>;

/** Names of the worlds. */
export type WorldName = keyof typeof factories;

/** The names for configs and the command line. */
export const WORLD_NAMES = Object.keys(factories) as readonly WorldName[];

/** Whether `name` names a world; narrows its type. */
export function isWorldName(name: string): name is WorldName {
  return Object.hasOwn(factories, name);
}

/**
 * The world of this name, its type included, with its generator options (defaults where left out); an Error lists wrong
 * ones.
 */
export function createWorldByName<N extends WorldName>(name: N, options?: unknown): ReturnType<(typeof factories)[N]>;
export function createWorldByName(name: string, options?: unknown): World;
export function createWorldByName(name: string, options?: unknown): World {
  if (!isWorldName(name)) throw new RangeError(`there is no world '${name}': choose one of ${WORLD_NAMES.join(', ')}`);
  return factories[name](options);
}
