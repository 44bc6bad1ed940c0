/** The perception questions about a Maze image: size, player, goal, open directions of every cell, and where the player can go. */

import { actionToken, cellIndexToken, maskToken, sizeToken } from '../../../models/vocabulary.js';
import { MOVES, boardCells } from '../grid.js';
import type { Question } from '../world.js';
import { ALL_WALLS, isOpen, wallsAt, type MazeInstance } from './rules.js';

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
