/** MiniBehaviour in natural language. */

import { cellText } from '../grid.js';
import type { WorldLanguage } from '../language.js';
import { besidePrinter, besideTable, tableCells, type MiniBehaviourInstance } from './rules.js';
import { legalMoves } from './text.js';

const list = (cells: readonly number[]): string => cells.map(cellText).join(', ');

export const language: WorldLanguage<MiniBehaviourInstance> = {
  legend:
    'The image shows a room with a black floor: the red triangle is the agent (which way it points has no meaning), the white ' +
    'device is the printer, and the tan cells are the table.',
  rules: [
    'Cells are (row, column), both counted from 0 at the top left.',
    'Move one cell at a time: L left, D down, R right, U up. PICK takes the printer, DROP puts it down.',
    "Table cells can never be entered; the printer's cell only after PICK. Leaving the grid fails.",
    'PICK works from a cell directly beside the printer, DROP from a cell directly beside the table while carrying; DROP ends the task.',
  ],
  restate: 'the grid size, the agent, the printer, and all table cells',
  answerRule: 'the actions with commas between them, as in U,PICK,R,R,DROP',
  example: [
    'Grid size: 5x5. Agent: (4,0). Printer: (2,0). Table cells: (1,2), (1,3), (1,4), (2,2), (2,3), (2,4).',
    'From (3,0) the printer is in reach, and two moves right along row 3 the cell (3,2) lies beside the table.',
    '<answer>U,PICK,R,R,DROP</answer>',
  ].join('\n'),
  contextFields:
    'the grid size, the agent, the printer, the table cells, the cells beside the printer and beside the table, whether PICK and DROP ' +
    'are legal now, the legal moves, and the grid row by row (A agent, P printer, T table)',
  questions: [
    'What is the size of the grid, written as AxB?',
    'In which cell is the agent (red), written as (row,col)?',
    'In which cell is the printer (white), written as (row,col)?',
    'Which cells does the table (tan) cover? List them as (row,col).',
    'Which free cells are directly beside the printer? List them as (row,col).',
    'Which cells are directly beside the table? List them as (row,col).',
    'Which moves are legal for the agent now, out of up, right, down, left?',
  ],
  answers: instance => [
    `${instance.size}x${instance.size}`,
    cellText(instance.agent),
    cellText(instance.printer),
    list(tableCells(instance.table)),
    list(besidePrinter(instance)),
    list(besideTable(instance)),
    legalMoves(instance),
  ],
};
