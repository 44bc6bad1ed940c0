/** Maze in natural language. */

import { boardCells, cellText } from '../grid.js';
import type { WorldLanguage } from '../language.js';
import type { MazeInstance } from './rules.js';
import { openDirections } from './text.js';

export const language: WorldLanguage<MazeInstance> = {
  legend:
    'The image shows a maze: white corridors between black walls, a yellow dot for the player at the start, and a blue dot ' +
    'at the goal.',
  rules: [
    'Cells are (row, column), both counted from 0 at the top left.',
    'Move one cell at a time: L left, D down, R right, U up.',
    'A move is only possible where no wall is between the two cells; moving through a wall fails, reaching the target succeeds.',
  ],
  restate: 'the map size, the start, the target, and for every cell its open directions, one cell per line',
  answerRule: 'the letters of the moves, run together, as in RD',
  example: [
    'Map size: 2x2. Start: (0,0). Target: (1,1). Open directions:',
    '(0,0): right',
    '(0,1): down, left',
    '(1,0): right',
    '(1,1): up, left',
    'Right to (0,1) and down to (1,1) are both open.',
    '<answer>RD</answer>',
  ].join('\n'),
  contextFields:
    'the map size, the start, the target, the open directions of every cell, and the wall masks row by row (north 1, south 2, west 4, east 8)',
  questions: [
    'What is the size of the map, written as AxB?',
    'In which cell is the player (yellow), written as (row,col)?',
    'In which cell is the goal (blue), written as (row,col)?',
    'Which directions are open in every cell? Write one cell per line as (row,col): directions, out of up, right, down, left, or none.',
    'Which moves are legal for the player now, out of up, right, down, left?',
  ],
  answers: instance => [
    `${instance.size}x${instance.size}`,
    cellText(instance.start),
    cellText(instance.target),
    ['Open directions:', ...boardCells(instance.size).map(cell => `${cellText(cell)}: ${openDirections(instance, cell)}`)].join('\n'), // prettier-ignore
    openDirections(instance, instance.start),
  ],
};
