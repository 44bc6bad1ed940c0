/** MiniBehaviour as text: rows of A P T and dots, the two descriptions of a state, and reading them back. */

import { MOVES, boardCells, cellAt, cellText, manhattan } from '../grid.js';
import { field, parseCells, parseSize, trimmedLines } from '../fields.js';
import type { TextVariant } from '../world.js';
import * as rules from './rules.js';
import type { MiniBehaviourInstance } from './rules.js';

/** The board as `size` rows of A(gent), P(rinter), T(able) and `.` for free floor. */
export function gridRows(instance: MiniBehaviourInstance): string[] {
  const letters = boardCells(instance.size).map(cell => {
    if (cell === instance.agent) return 'A';
    if (cell === instance.printer) return 'P';
    return rules.distanceToTable(instance.table, cell) === 0 ? 'T' : '.';
  });
  return Array.from({ length: instance.size }, (_, row) =>
    letters.slice(row * instance.size, (row + 1) * instance.size).join(''),
  );
}

/** The puzzle of a grid as `gridRows` writes it; an Error unless it is square with one A, one P and one whole table. */
export function parseGrid(rows: readonly string[]): MiniBehaviourInstance {
  const size = rows.length;
  rules.checkBoard(size);
  const found: Record<string, number[]> = { A: [], P: [], T: [], '.': [] };
  rows.forEach((row, r) => {
    if (row.length !== size) throw new Error(`row ${r} of the grid has ${row.length} letters, not ${size}: '${row}'`);
    row.split('').forEach((letter, c) => {
      const cells = found[letter];
      if (cells === undefined)
        throw new Error(`'${letter}' in row ${r} of the grid: only A, P, T and . may stand there`);
      cells.push(cellAt(r, c));
    });
  });
  const one = (letter: string): number => {
    const cells = found[letter] ?? [];
    if (cells.length !== 1) throw new Error(`the grid has ${cells.length} cells '${letter}' and needs exactly one`);
    return cells[0] ?? 0;
  };
  const table = found['T'] ?? [];
  const topLeft = table[0] ?? 0;
  if (table.join() !== rules.tableCells(topLeft).join())
    throw new Error(
      `the cells 'T' of the grid must form one table of ${rules.TABLE_ROWS} rows and ${rules.TABLE_COLS} columns`,
    );
  return rules.createInstance(size, one('A'), one('P'), topLeft);
}

const cellList = (cells: readonly number[]): string => cells.map(cellText).join(', ');

const MOVE_WORDS = ['left', 'down', 'right', 'up'] as const;

/** `left, up`: the moves that the agent may make from where it stands at first, `none` if there is none. */
export function legalMoves(instance: MiniBehaviourInstance): string {
  const moves = MOVES.filter(move => rules.step(instance, instance.agent, move).verdict !== 'fatal');
  return moves.length === 0 ? 'none' : moves.map(move => MOVE_WORDS[move]).join(', ');
}

/** What both variants say about a state, as names and values; the rest of a text is fixed. */
function facts(instance: MiniBehaviourInstance): readonly (readonly [name: string, value: string])[] {
  const { size, agent, printer, table } = instance;
  return [
    ['Grid size', `${size}x${size}`],
    ['Agent', cellText(agent)],
    ['Printer', cellText(printer)],
    ['Table cells', cellList(rules.tableCells(table))],
    ['Printer-adjacent cells', cellList(rules.besidePrinter(instance))],
    ['Table-adjacent cells', cellList(rules.besideTable(instance))],
    ['PICK legal now', manhattan(agent, printer) === 1 ? 'yes' : 'no'],
    ['DROP legal now', 'no'],
  ];
}

/** `plan` is the answer text of a reference plan, appended to the text. */
export function describe(instance: MiniBehaviourInstance, variant: TextVariant, plan: string | null): string {
  const between =
    variant === 'context'
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
  const lines = [
    ...facts(instance).map(([name, value]) => `${name}: ${value}`),
    ...between,
    'Legend: A = agent, P = printer, T = table, . = free floor',
    ...gridRows(instance),
    ...(variant === 'context' ? hints : []),
  ];
  if (plan !== null) lines.push(`Reference plan: ${plan}`);
  return lines.join('\n');
}

/** The puzzle in a text of either variant. The grid decides; an Error says which of the listed facts is missing or differs. */
export function parseDescription(text: string): MiniBehaviourInstance {
  const lines = trimmedLines(text);
  const size = parseSize('Grid size', field(lines, 'Grid size'));
  const instance = parseGrid(lines.filter(line => /^[APT.]{2,}$/.test(line)));
  if (size !== instance.size) throw new Error(`'Grid size' does not fit the ${instance.size} rows of the grid`);
  for (const [name, expected] of facts(instance)) {
    const value = field(lines, name);
    const same = value.startsWith('(')
      ? cellSet(parseCells(name, size, value)) === cellSet(parseCells(name, size, expected))
      : value.replaceAll(' ', '') === expected;
    if (!same) throw new Error(`'${name}' in the text does not fit its grid`);
  }
  return instance;
}

/** The same text for the same cells in any order. */
function cellSet(cells: readonly number[]): string {
  return [...cells].sort((a, b) => a - b).join();
}
