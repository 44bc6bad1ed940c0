/** Puzzles that are known by a number, on the command line and on the page. */
import { Random } from '../../core/index.js';
import type { World } from '../worlds/world.js';
import { streams } from './puzzles.js';
import type { Puzzle } from './puzzles.js';
import { instancePool } from './split.js';
import type { SplitName } from './split.js';

/**
 * The puzzle of a number: `plan --seed 7`, and puzzle 7 of the page. @throws Error if the world has no boards of this
 * size
 */
export function numberedPuzzle(world: World, level: number, seed: number, split: SplitName): Puzzle {
  const random = new Random(seed, split === 'test' ? streams.test : streams.pools, level);
  const [instance] = instancePool(world, level, random, { split, count: 1 });
  return { world, instance: instance! };
}
