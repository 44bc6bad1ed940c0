/** The perception questions about a FrozenLake image: size, player, goal, holes. */

import { cellIndexToken, sizeToken } from '../../../models/vocabulary.js';
import type { Question } from '../world.js';
import type { FrozenLakeInstance } from './rules.js';

export function questions({ size, start, goal, holes }: FrozenLakeInstance): Question[] {
  return [
    { name: 'size', kind: 'one', answer: [sizeToken(size)] },
    { name: 'player', kind: 'one', answer: [cellIndexToken(start)] },
    { name: 'goal', kind: 'one', answer: [cellIndexToken(goal)] },
    { name: 'holes', kind: 'list', answer: holes.map(cellIndexToken) },
  ];
}
