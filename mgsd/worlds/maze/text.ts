/** Maze as text: the open directions of every cell, the rows of wall masks, and reading them back. */

import { DOWN, LEFT, RIGHT, UP, boardCells, cellText, type Action } from '../grid.js';
import { field, parseCell, parseSize, quoted, trimmedLines } from '../fields.js';
import type { TextVariant } from '../world.js';
import { ALL_WALLS, createInstance, isOpen, wallOf, type MazeInstance } from './rules.js';

/** The directions in the order in which the texts list them. */
const DIRECTIONS: readonly (readonly [word: string, move: Action])[] = [
  ['up', UP],
  ['right', RIGHT],
  ['down', DOWN],
  ['left', LEFT],
];

/** The wall masks as `size` rows of numbers with blanks between them. */
export function wallRows({ size, walls }: MazeInstance): string[] {
  return Array.from({ length: size }, (_, row) => walls.slice(row * size, (row + 1) * size).join(' '));
}

/** `right, down`: the open directions of a cell, `none` for a cell between four walls. */
export function openDirections(instance: MazeInstance, cell: number): string {
  const open = DIRECTIONS.filter(([, move]) => isOpen(instance, cell, move)).map(([word]) => word);
  return open.length === 0 ? 'none' : open.join(', ');
}

/** `plan` is the answer text of a reference plan, appended to the text. */
export function describe(instance: MazeInstance, variant: TextVariant, plan: string | null): string {
  const { size, start, target } = instance;
  const open = [
    'Open directions of each cell:',
    ...boardCells(size).map(cell => `${cellText(cell)}: ${openDirections(instance, cell)}`),
  ];
  const lines =
    variant === 'context'
      ? [
          `Map size: ${size}x${size}`,
          `Start: ${cellText(start)}`,
          `Target: ${cellText(target)}`,
          ...open,
          'Wall masks, row by row:',
          ...wallRows(instance),
          'Hint: cells are (row, column), both counted from 0 at the top left.',
          'Hint: a wall mask is the sum of north 1, south 2, west 4 and east 8 where there is a wall; moving through a wall fails.',
        ]
      : [
          `Map size: ${size}x${size}`,
          `Start position: ${cellText(start)}`,
          `Target position: ${cellText(target)}`,
          ...open,
        ];
  if (plan !== null) lines.push(`Reference plan: ${plan}`);
  return lines.join('\n');
}

/**
 * The puzzle in a text of either variant. The open directions decide; an Error says which cell has none or two lines, which
 * neighbours disagree, or that the wall masks, where there are any, do not fit.
 */
export function parseDescription(text: string): MazeInstance {
  const lines = trimmedLines(text);
  const size = parseSize('Map size', field(lines, 'Map size'));
  const start = parseCell('Start', size, field(lines, 'Start', 'Start position'));
  const target = parseCell('Target', size, field(lines, 'Target', 'Target position'));

  const walls = new Map<number, number>();
  for (const line of lines) {
    const match = /^(\([^()]*\)):(.*)$/.exec(line);
    if (match === null) continue;
    const [, name = '', directions = ''] = match;
    const cell = parseCell('open directions', size, name);
    if (walls.has(cell)) throw new Error(`the text has two lines '${cellText(cell)}: ...'`);
    walls.set(cell, parseDirections(cellText(cell), directions.trim()));
  }
  const masks = boardCells(size).map(cell => {
    const mask = walls.get(cell);
    if (mask === undefined) throw new Error(`the text has no line '${cellText(cell)}: ...' with the open directions`);
    return mask;
  });
  const instance = createInstance(size, start, target, masks);

  const rows = lines.filter(line => /^\d+( +\d+)*$/.test(line)).map(row => row.replace(/ +/g, ' '));
  if (rows.length > 0 && rows.join('/') !== wallRows(instance).join('/'))
    throw new Error(`the wall masks in the text do not fit its open directions`);
  return instance;
}

/** The wall mask of a cell with these open directions. */
function parseDirections(cell: string, directions: string): number {
  if (directions === 'none') return ALL_WALLS;
  let walls = ALL_WALLS;
  for (const word of directions.split(/ ?, ?/)) {
    const direction = DIRECTIONS.find(([name]) => name === word);
    if (direction === undefined)
      throw new Error(`${quoted(word)} at ${cell} is no direction: write up, right, down, left, or none`);
    walls &= ~wallOf(direction[1]);
  }
  return walls;
}
