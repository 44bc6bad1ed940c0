/** FrozenLake in natural language. */

import { cellText } from '../grid.js';
import type { WorldLanguage } from '../language.js';
import type { FrozenLakeInstance } from './rules.js';

export const language: WorldLanguage<FrozenLakeInstance> = {
  legend:
    'The image shows a FrozenLake board: pale ice cells, dark blue holes, the player in green on a stool at the start, ' +
    'and a red gift box with a yellow ribbon at the goal.',
  rules: [
    'Cells are (row, column), both counted from 0 at the top left.',
    'Move one cell at a time: L left, D down, R right, U up. The ice is not slippery.',
    'Stepping into a hole or off the board fails; reaching the goal succeeds.',
  ],
  restate: 'the map size, the start, the goal, and every hole (or none)',
  answerRule: 'the letters of the moves, run together, as in UUR',
  example: [
    'Map size: 4x4. Start: (3,1). Goal: (1,2). Holes: (0,0), (2,3).',
    'Going up twice through (2,1) to (1,1) and then right to (1,2) meets no hole.',
    '<answer>UUR</answer>',
  ].join('\n'),
  contextFields: 'the map size, the start, the goal, the holes, the map row by row (S start, G goal, H hole, F frozen)',
  questions: [
    'What is the size of the map, written as AxB?',
    'In which cell is the player, written as (row,col)?',
    'In which cell is the goal, written as (row,col)?',
    'Which cells are holes? List all of them as (row,col), or write none.',
  ],
  answers: ({ size, start, goal, holes }) => [
    `${size}x${size}`,
    cellText(start),
    cellText(goal),
    holes.length === 0 ? 'none' : holes.map(cellText).join(', '),
  ],
};
