/** FrozenLake in tokens: the recap is size, start, goal, and the holes in raster order. */

import { cellIndexToken, cellOf, sizeOf, sizeToken } from '../../../models/vocabulary.js';
import type { Question } from '../world.js';
import { createInstance, type FrozenLakeInstance } from './rules.js';

/** (3 + number of holes) tokens. */
export function recap({ size, start, goal, holes }: FrozenLakeInstance): number[] {
  return [sizeToken(size), ...[start, goal, ...holes].map(cellIndexToken)];
}

/** The puzzle that a recap describes; an Error if there is none: what a model perceives may not fit together. */
export function readRecap(tokens: readonly number[]): FrozenLakeInstance {
  const size = sizeOf(tokens[0] ?? -1);
  if (size < 0) throw new Error('the recap does not begin with the size of a board');
  const [start = -1, goal = -1, ...holes] = tokens.slice(1).map(cellOf);
  if ([start, goal, ...holes].includes(-1)) throw new Error('start, goal and holes of the recap are not all cells');
  return createInstance(size, start, goal, holes);
}

/** The perception questions: size, player, goal, holes. */
export function questions({ size, start, goal, holes }: FrozenLakeInstance): Question[] {
  return [
    { name: 'size', kind: 'one', answer: [sizeToken(size)] },
    { name: 'player', kind: 'one', answer: [cellIndexToken(start)] },
    { name: 'goal', kind: 'one', answer: [cellIndexToken(goal)] },
    { name: 'holes', kind: 'list', answer: holes.map(cellIndexToken) },
  ];
}
