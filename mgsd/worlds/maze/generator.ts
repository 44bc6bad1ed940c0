/** Random mazes. */

import { choose, type RandomSource } from '../world.js';
import { MOVES, boardCells, checkSize, neighbour } from '../grid.js';
import type { Bucket } from '../buckets.js';
import { ALL_WALLS, createInstance, openWall, type MazeInstance } from './rules.js';

/** Mazes drawn for one puzzle of a wanted difficulty, as in the published generator. */
export const MAXIMUM_DRAWS = 4096;

/**
 * The walls of a perfect maze by randomised depth-first search (recursive backtracker): from a random cell, break
 * through to a random neighbour not yet visited; where there is none, go back. (size * size) wall masks.
 */
export function carve(random: RandomSource, size: number): number[] {
  const walls = new Array<number>(size * size).fill(ALL_WALLS);
  const first = choose(random, boardCells(size));
  const visited = new Set([first]);
  const path = [first];
  for (let cell = path.at(-1); cell !== undefined; cell = path.at(-1)) {
    const here = cell;
    const moves = MOVES.filter(move => {
      const next = neighbour(size, here, move);
      return next >= 0 && !visited.has(next);
    });
    if (moves.length === 0) {
      path.pop();
      continue;
    }
    const move = choose(random, moves);
    openWall(walls, size, here, move);
    const next = neighbour(size, here, move);
    visited.add(next);
    path.push(next);
  }
  return walls;
}

/** A perfect maze with two different random cells as start and target. RangeError for a side that no board has. */
export function drawMaze(random: RandomSource, size: number): MazeInstance {
  checkSize(size);
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
