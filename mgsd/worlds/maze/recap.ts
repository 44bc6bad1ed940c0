/** Maze in tokens: size, start, target, and the open directions of every cell in raster order. */

import { cellIndexToken, cellOf, maskOf, maskToken, sizeOf, sizeToken } from '../../../models/vocabulary.js';
import { ALL_WALLS, createInstance, type MazeInstance } from './rules.js';

/** (3 + size * size) tokens. What is not walled is open: walls and open directions count their bits alike. */
export function recap({ size, start, target, walls }: MazeInstance): number[] {
  return [
    sizeToken(size),
    cellIndexToken(start),
    cellIndexToken(target),
    ...walls.map(mask => maskToken(ALL_WALLS - mask)),
  ];
}

/** The puzzle that a recap describes; an Error if it describes none, as what a model perceives may not fit together. */
export function readRecap(tokens: readonly number[]): MazeInstance {
  const [first = -1, start = -1, target = -1, ...masks] = tokens;
  if (sizeOf(first) < 0) throw new Error('the recap does not begin with the size of a board');
  if (cellOf(start) < 0 || cellOf(target) < 0) throw new Error('start and target of the recap are not both cells');
  if (masks.some(mask => maskOf(mask) < 0)) throw new Error('open directions must follow the target in the recap');
  const walls = masks.map(mask => ALL_WALLS - maskOf(mask));
  return createInstance(sizeOf(first), cellOf(start), cellOf(target), walls);
}
