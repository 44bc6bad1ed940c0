/** Random mazes. */

import { choose, type RandomSource } from '../world.js';
import { MOVES, boardCells, neighbour } from '../grid.js';
import type { Bucket } from '../buckets.js';
import { ALL_WALLS, createInstance, openWall, type MazeInstance } from './rules.js';

/** Mazes drawn for one puzzle of an asked difficulty, as in the published generator. */
export const MAXIMUM_DRAWS = 4096;

/**
 * The walls of a perfect maze by randomised depth-first search (recursive backtracker): from a random cell go on to a
 * random neighbour that has not been visited, through the wall; where there is none, go back. (size * size) wall masks.
 */
export function carve(random: RandomSource, size: number): number[] {
  const walls = new Array<number>(size * size).fill(ALL_WALLS);
  const first = choose(random, boardCells(size));
  const visited = new Set([first]);
  const way = [first];
  for (let cell = way.at(-1); cell !== undefined; cell = way.at(-1)) {
    const here = cell;
    const moves = MOVES.filter(move => {
      const next = neighbour(size, here, move);
      return next >= 0 && !visited.has(next);
    });
    if (moves.length === 0) {
      way.pop();
      continue;
    }
    const move = choose(random, moves);
    openWall(walls, size, here, move);
    const next = neighbour(size, here, move);
    visited.add(next);
    way.push(next);
  }
  return walls;
}

/** A perfect maze with two different random cells as start and target. */
export function drawMaze(random: RandomSource, size: number): MazeInstance {
  const walls = carve(random, size);
  const cells = boardCells(size);
  const start = choose(random, cells);
  const target = choose(
    random,
    cells.filter(cell => cell !== start),
  );
  return createInstance(size, start, target, walls);
}

/** The bucket of a maze of side `size` whose shortest plan has `length` moves. */
export function bucketOf(size: number, length: number): Bucket {
  if (length <= Math.max(1, Math.floor(size / 2))) return 'easy';
  return length <= size ? 'medium' : 'hard';
}
