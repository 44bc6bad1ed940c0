/** Maze for others: its walls as text and file, and prompts. */

import { MOVES, boardCells, cellText, DOWN, LEFT, neighbour, RIGHT, UP } from '../worlds/grid.js';
import { ALL_WALLS, createInstance, isOpen, rasterIndex, type MazeInstance } from '../worlds/maze/rules.js';
import type { FileFormat, TextVariant, WorldFormats, WorldLanguage } from './formats.js';
import { ACTION_WORDS, cellFields, type PuzzleFields } from './puzzle-fields.js';

/** The wall masks as `size` rows of numbers with blanks between them. */
function wallRows({ size, walls }: MazeInstance): string[] {
  return Array.from({ length: size }, (_, row) => walls.slice(row * size, (row + 1) * size).join(' '));
}

/** `right, down`: the open directions of a cell, `none` for a cell between four walls. */
function openDirections(instance: MazeInstance, cell: number): string {
  const open = ([UP, RIGHT, DOWN, LEFT] as const).filter(move => isOpen(instance, cell, move));
  return open.map(move => ACTION_WORDS[move]).join(', ') || 'none';
}

/** `(0,0): down` for every cell. */
function openLines(instance: MazeInstance): string[] {
  return boardCells(instance.size).map(cell => `${cellText(cell)}: ${openDirections(instance, cell)}`);
}

function describe(instance: MazeInstance, variant: TextVariant): string[] {
  const { size, start, target } = instance;
  const isContext = variant === 'context';
  const position = isContext ? '' : ' position';
  const lines = [
    `Map size: ${size}x${size}`,
    `Start${position}: ${cellText(start)}`,
    `Target${position}: ${cellText(target)}`,
    'Open directions of each cell:',
    ...openLines(instance),
  ];
  if (isContext)
    lines.push(
      'Wall masks, row by row:',
      ...wallRows(instance),
      'Hint: cells are (row, column), both counted from 0 at the top left.',
      'Hint: a wall mask is the sum of north 1, south 2, west 4 and east 8 where there is a wall; moving through a wall fails.',
    );
  return lines;
}

/** The sides of a cell with the bits of their walls. */
const SIDES = [
  ['north', 1],
  ['south', 2],
  ['west', 4],
  ['east', 8],
] as const;

/** Moves to the target from every cell, by its place in raster order. */
function distanceMap(instance: MazeInstance): Record<string, number> {
  const distance = new Map([[instance.target, 0]]);
  for (const [cell, moves] of distance)
    for (const move of MOVES) {
      if (!isOpen(instance, cell, move)) continue;
      const next = neighbour(instance.size, cell, move);
      if (!distance.has(next)) distance.set(next, moves + 1);
    }
  const ordered = boardCells(instance.size).map(cell => [rasterIndex(instance.size, cell), distance.get(cell) ?? -1]);
  return Object.fromEntries(ordered) as Record<string, number>;
}

const file: FileFormat<MazeInstance> = {
  block: 'layout',
  fields(instance, world) {
    const { size, start, target, walls } = instance;
    const sides = walls.map(mask => Object.fromEntries(SIDES.map(([name, bit]) => [name, (mask & bit) !== 0])));
    return {
      difficulty_bucket: world.difficulty(instance),
      ...cellFields('start', start),
      start_pos: rasterIndex(size, start),
      ...cellFields('target', target),
      target_pos: rasterIndex(size, target),
      layout_json: Array.from({ length: size }, (_, row) => sides.slice(row * size, (row + 1) * size)),
      distance_map: distanceMap(instance),
    };
  },
  rows: wallRows,
  read(rows, fields) {
    const named = namedWalls(fields);
    const walls = rows.length > 0 ? masksOf(rows) : named;
    if (walls === undefined)
      throw new Error("the walls are missing: a line 'layout:' and rows of wall masks, or layout_json");
    const size = Math.sqrt(walls.length);
    if (!Number.isInteger(size)) throw new Error(`${walls.length} cells are no square board`);
    if (named !== undefined && named.join() !== walls.join())
      throw new Error('layout_json does not fit the wall masks of the layout');
    const [start, target] = [fields.cell('start', size), fields.cell('target', size)];
    const instance = createInstance(size, start, target, walls);
    checkPlace('start_pos', start);
    checkPlace('target_pos', target);
    return instance;

    function checkPlace(name: string, cell: number): void {
      const place = fields.whole(name);
      if (place !== undefined && place !== rasterIndex(size, cell))
        throw new Error(`${name}=${place} is not the cell ${cellText(cell)}`);
    }
  },
};

/** Rows of wall masks with blanks or commas between the numbers. */
function masksOf(rows: readonly string[]): number[] {
  return rows.flatMap((row, r) => {
    const words = row.split(/[\s,]+/).filter(word => word !== '');
    if (words.length !== rows.length)
      throw new Error(`row ${r} of the layout has ${words.length} wall masks, not ${rows.length}`);
    return words.map(word => {
      if (!/^\d{1,2}$/.test(word) || Number(word) > ALL_WALLS)
        throw new Error(`'${word}' in row ${r} of the layout is no sum of north 1, south 2, west 4 and east 8`);
      return Number(word);
    });
  });
}

/**
 * The wall masks of layout_json: cells with a truth value for each side, in rows, in one list, or by place in raster
 * order.
 */
function namedWalls(fields: PuzzleFields): number[] | undefined {
  const value = fields.json('layout_json');
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null) throw new Error('layout_json must be a list or an object of cells');
  const cells: unknown[] = Array.isArray(value)
    ? value.flat()
    : Object.entries(value)
        .sort(([a], [b]) => Number(a) - Number(b))
        .map(([, cell]) => cell as unknown);
  return cells.map((cell, i) =>
    SIDES.reduce((mask, [name, bit]) => {
      const wall = (cell as Readonly<Record<string, unknown>> | null)?.[name];
      if (typeof wall !== 'boolean') throw new Error(`layout_json does not say whether cell ${i} has a wall ${name}`);
      return wall ? mask + bit : mask;
    }, 0),
  );
}

const language: WorldLanguage<MazeInstance> = {
  legends: {
    training:
      'The image shows a maze: white corridors between black walls, a yellow dot for the player at the start, and a blue dot ' +
      'at the goal.',
    'held-out':
      'The image shows a maze: pale corridors between dark walls, an amber diamond for the player at the start, and a navy ' +
      'square at the goal.',
    other: 'The image shows a maze: corridors between walls, the player at the start, and the goal.',
  },
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
    'the map size, the start, the target, the open directions of every cell, and the wall masks row by row ' +
    '(north 1, south 2, west 4, east 8)',
  questions: [
    'What is the size of the map, written as AxB?',
    'In which cell is the player, written as (row,col)?',
    'In which cell is the goal, written as (row,col)?',
    'Which directions are open in every cell? Write one cell per line as (row,col): directions, out of up, right, down, left, or none.',
    'Which moves are legal for the player now, out of up, right, down, left?',
  ],
  answers: instance => [
    `${instance.size}x${instance.size}`,
    cellText(instance.start),
    cellText(instance.target),
    ['Open directions:', ...openLines(instance)].join('\n'),
    openDirections(instance, instance.start),
  ],
};

export const maze: WorldFormats<MazeInstance> = { describe, file, language };
