/** Maze in tokens: the recap is size, start, target, and the open directions of every cell in raster order. */

import {
  actionToken,
  cellIndexToken,
  cellOf,
  maskOf,
  maskToken,
  sizeOf,
  sizeToken,
} from '../../../models/vocabulary.js';
import { MOVES, boardCells } from '../grid.js';
import type { Question } from '../world.js';
import { ALL_WALLS, createInstance, isOpen, wallsAt, type MazeInstance } from './rules.js';

/** (3 + size * size) tokens. Walls and open directions have the same bits: what has no wall is open. */
export function recap({ size, start, target, walls }: MazeInstance): number[] {
  return [
    sizeToken(size),
    cellIndexToken(start),
    cellIndexToken(target),
    ...walls.map(mask => maskToken(ALL_WALLS - mask)),
  ];
}

/** The puzzle that a recap describes; an Error if there is none: what a model perceives may not fit together. */
export function readRecap(tokens: readonly number[]): MazeInstance {
  const [first = -1, start = -1, target = -1, ...masks] = tokens;
  if (sizeOf(first) < 0) throw new Error('the recap does not begin with the size of a board');
  if (cellOf(start) < 0 || cellOf(target) < 0) throw new Error('start and target of the recap are not both cells');
  if (masks.some(mask => maskOf(mask) < 0)) throw new Error('open directions must follow the target in the recap');
  const walls = masks.map(mask => ALL_WALLS - maskOf(mask));
  return createInstance(sizeOf(first), cellOf(start), cellOf(target), walls);
}

/** The perception questions: size, player, goal, the open directions of every cell, and the player's legal moves. */
export function questions(instance: MazeInstance): Question[] {
  const { size, start, target } = instance;
  const table = boardCells(size).flatMap(cell => [
    cellIndexToken(cell),
    maskToken(ALL_WALLS - wallsAt(instance, cell)),
  ]);
  const moves = MOVES.filter(move => isOpen(instance, start, move));
  return [
    { name: 'size', kind: 'one', answer: [sizeToken(size)] },
    { name: 'player', kind: 'one', answer: [cellIndexToken(start)] },
    { name: 'goal', kind: 'one', answer: [cellIndexToken(target)] },
    { name: 'open directions', kind: 'table', answer: table },
    { name: 'legal moves', kind: 'list', answer: moves.map(actionToken) },
  ];
}
