/**
 * Random MiniBehaviour puzzles. All of them are solvable: the free cells are connected with and without the printer's.
 */

import { choose, type RandomSource } from '../world.js';
import { boardCells } from '../grid.js';
import type { Bucket } from '../buckets.js';
import { checkBoard, createInstance, distanceToTable, tablePlaces, type MiniBehaviourInstance } from './rules.js';

/** Puzzles drawn for one of a wanted difficulty, as in the published generator. */
export const MAXIMUM_DRAWS = 20_000;

/**
 * The table uniform over its places, the printer over the cells it leaves, the agent over the rest. RangeError for a
 * small side.
 */
export function drawMiniBehaviour(random: RandomSource, size: number): MiniBehaviourInstance {
  checkBoard(size);
  const table = choose(random, tablePlaces(size));
  const floor = boardCells(size).filter(cell => distanceToTable(table, cell) > 0);
  const printer = choose(random, floor);
  const agent = choose(
    random,
    floor.filter(cell => cell !== printer),
  );
  return createInstance(size, agent, printer, table);
}

/** The bucket of a puzzle of side `size` whose shortest plan has `length` actions, PICK and DROP included. */
export function bucketOf(size: number, length: number): Bucket {
  if (length <= size - 1) return 'easy';
  return length <= size + 1 ? 'medium' : 'hard';
}
