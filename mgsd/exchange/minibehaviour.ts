/** MiniBehaviour for others: its grid as text and file, and prompts. */

import { boardCells, cellText, gridDistances, manhattan } from '../worlds/grid.js';
import * as rules from '../worlds/minibehaviour/rules.js';
import { besidePrinter, besideTable, distanceToTable, gridRows, tableCells } from '../worlds/minibehaviour/rules.js';
import type { MiniBehaviourInstance } from '../worlds/minibehaviour/rules.js';
import type { FileFormat, TextVariant, WorldFormats, WorldLanguage } from './formats.js';
import { ACTION_WORDS, cellFields, cellPair, cellsByLetter, onlyCell, quoted } from './puzzle-fields.js';
import type { PuzzleFields } from './puzzle-fields.js';

const cellList = (cells: readonly number[]): string => cells.map(cellText).join(', ');

/** `left, up`: the agent's first moves that do not fail, `none` if there is none. */
function legalMoves(instance: MiniBehaviourInstance): string {
  return (
    rules
      .legalMoves(instance)
      .map(move => ACTION_WORDS[move])
      .join(', ') || 'none'
  );
}

function describe(instance: MiniBehaviourInstance, variant: TextVariant): string[] {
  const { size, agent, printer, table } = instance;
  const isContext = variant === 'context';
  const between = isContext
    ? [`Legal moves now: ${legalMoves(instance)}`]
    : [
        'Reminder: table cells can never be entered.',
        "Reminder: the printer's cell is blocked until PICK and free floor afterwards.",
      ];
  const hints = [
    'Hint: cells are (row, column), both counted from 0 at the top left.',
    'Hint: PICK works beside the printer and frees its cell; DROP works beside the table while carrying and ends the task.',
    'Hint: leaving the grid, entering the table, or entering the printer cell before PICK fails.',
  ];
  return [
    `Grid size: ${size}x${size}`,
    `Agent: ${cellText(agent)}`,
    `Printer: ${cellText(printer)}`,
    `Table cells: ${cellList(tableCells(table))}`,
    `Printer-adjacent cells: ${cellList(besidePrinter(instance))}`,
    `Table-adjacent cells: ${cellList(besideTable(instance))}`,
    `PICK legal now: ${manhattan(agent, printer) === 1 ? 'yes' : 'no'}`,
    'DROP legal now: no',
    ...between,
    'Legend: A = agent, P = printer, T = table, . = free floor',
    ...gridRows(instance),
    ...(isContext ? hints : []),
  ];
}

/**
 * The shortest ways from the agent to a cell beside the printer and on to one beside the table, with the first leg's
 * distances.
 */
function shortestLegs(instance: MiniBehaviourInstance) {
  const { size, agent, printer, table } = instance;
  const onTable = (cell: number) => distanceToTable(table, cell) === 0;
  const toPrinter = gridDistances(size, agent, cell => onTable(cell) || cell === printer);
  const legs = besidePrinter(instance).flatMap(pick => {
    const toTable = gridDistances(size, pick, onTable);
    return besideTable(instance)
      .filter(drop => toPrinter[pick]! >= 0 && toTable[drop]! >= 0)
      .map(drop => ({ pick, drop, moves: toPrinter[pick]! + toTable[drop]! }));
  });
  const least = Math.min(...legs.map(({ moves }) => moves));
  return { toPrinter, best: legs.filter(({ moves }) => moves === least) };
}

/** Distances by cell, `row,col`; cells that cannot be reached are left out. */
function distanceMap(size: number, distances: Int8Array): Record<string, number> {
  const reached = boardCells(size).filter(cell => distances[cell]! >= 0);
  return Object.fromEntries(reached.map(cell => [cellPair(cell).join(), distances[cell]!]));
}

const file: FileFormat<MiniBehaviourInstance> = {
  block: 'grid',
  fields(instance, world) {
    const { size, agent, printer, table } = instance;
    const { toPrinter, best } = shortestLegs(instance);
    const fromPrinter = gridDistances(size, printer, cell => distanceToTable(table, cell) === 0);
    return {
      grid_rows: size,
      grid_cols: size,
      outer_ring: false,
      difficulty_bucket: world.difficulty(instance),
      ...cellFields('start', agent),
      start_dir: 0,
      ...cellFields('printer', printer),
      table_pos: tableCells(table).map(cellPair),
      printer_neighbors: besidePrinter(instance).map(cellPair),
      table_neighbors: besideTable(instance).map(cellPair),
      best_paths: best.map(({ pick, drop, moves }) => ({ pick: cellPair(pick), drop: cellPair(drop), moves })),
      agent_distance_map: distanceMap(size, toPrinter),
      printer_distance_map: distanceMap(size, fromPrinter),
    };
  },
  rows: gridRows,
  read(rows, fields) {
    if (rows.length === 0) throw new Error("the grid is missing: a line 'grid:' and its rows of A, P, T and .");
    if (fields.isTrue('outer_ring'))
      throw new Error('outer_ring=true: leave the ring of walls out and give the inner grid');
    const instance = parseGrid(rows);
    for (const name of ['grid_rows', 'grid_cols']) {
      const side = fields.whole(name);
      if (side !== undefined && side !== instance.size)
        throw new Error(`${name}=${side} does not fit a grid of side ${instance.size}`);
    }
    fields.checkCell('start', instance.agent);
    fields.checkCell('printer', instance.printer);
    checkTable(instance, fields);
    checkList('printer_neighbors', besidePrinter(instance), fields);
    checkList('table_neighbors', besideTable(instance), fields);
    return instance;
  },
};

/** The puzzle of a grid; an Error unless it is square with one A, one P and one whole table. */
function parseGrid(rows: readonly string[]): MiniBehaviourInstance {
  rules.checkBoard(rows.length);
  const cells = cellsByLetter('grid', rows, 'APT.');
  const [table = 0] = cells('T');
  if (cells('T').join() !== tableCells(table).join())
    throw new Error(
      `the cells 'T' of the grid must form one table of ${rules.TABLE_ROWS} rows and ${rules.TABLE_COLS} columns`,
    );
  const [agent, printer] = ['A', 'P'].map(letter => onlyCell('grid', cells(letter), letter)) as [number, number];
  return rules.createInstance(rows.length, agent, printer, table);
}

/** table_pos may be the table's top left cell, or all six. */
function checkTable({ table }: MiniBehaviourInstance, fields: PuzzleFields): void {
  const value = fields.json('table_pos');
  if (value === undefined) return;
  const text = JSON.stringify(value);
  const cells = tableCells(table).map(cellPair);
  const sorted = Array.isArray(value) && Array.isArray(value[0]) ? sortedText(value) : text;
  if (![JSON.stringify(cells[0]), JSON.stringify([cells[0]]), sortedText(cells)].includes(sorted))
    throw new Error(`table_pos is ${quoted(text)}, but the grid has the table's top left at ${cellText(table)}`);
}

function checkList(name: string, cells: readonly number[], fields: PuzzleFields): void {
  const value = fields.json(name);
  if (value === undefined) return;
  if (!Array.isArray(value) || sortedText(value) !== sortedText(cells.map(cellPair)))
    throw new Error(`${name} is ${quoted(JSON.stringify(value))}, but the grid has ${cells.map(cellText).join(' ')}`);
}

/** The same text for the same cells in any order. */
function sortedText(cells: readonly unknown[]): string {
  return cells
    .map(cell => JSON.stringify(cell))
    .sort()
    .join();
}

const language: WorldLanguage<MiniBehaviourInstance> = {
  legends: {
    training:
      'The image shows a room with a black floor: the red triangle is the agent (which way it points has no meaning), the ' +
      'white device is the printer, and the tan cells are the table.',
    'held-out':
      'The image shows a room with a dark floor: the crimson disc is the agent (which way its nose points has no meaning), ' +
      'the pale device is the printer, and the brown cells are the table.',
    other: 'The image shows a room with an agent, a printer, and a table of two rows and three columns.',
  },
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
    'In which cell is the agent, written as (row,col)?',
    'In which cell is the printer, written as (row,col)?',
    'Which cells does the table cover? List them as (row,col).',
    'Which free cells are directly beside the printer? List them as (row,col).',
    'Which cells are directly beside the table? List them as (row,col).',
    'Which moves are legal for the agent now, out of up, right, down, left?',
  ],
  answers: instance => [
    `${instance.size}x${instance.size}`,
    cellText(instance.agent),
    cellText(instance.printer),
    cellList(tableCells(instance.table)),
    cellList(besidePrinter(instance)),
    cellList(besideTable(instance)),
    legalMoves(instance),
  ],
};

export const miniBehaviour: WorldFormats<MiniBehaviourInstance> = { describe, file, language };
