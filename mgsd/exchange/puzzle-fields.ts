/**
 * The parts of a stored puzzle: `key=value` fields and boards of letters. Every error names the field or row that is
 * wrong.
 */

import { JsonError, parseStrictJson } from '../../models/index.js';
import { cellAt, cellText, colOf, onBoard, rowOf, type Action } from '../worlds/grid.js';

/** The actions as the files and texts write them, by `Action`. */
export const ACTION_WORDS = ['left', 'down', 'right', 'up', 'pick', 'drop'] as const;

/** [row, column], as the files write a cell in JSON. */
export function cellPair(cell: number): [row: number, col: number] {
  return [rowOf(cell), colOf(cell)];
}

/** The fields `NAME_row` and `NAME_col` of a cell. */
export function cellFields(name: string, cell: number): Record<string, number> {
  return { [`${name}_row`]: rowOf(cell), [`${name}_col`]: colOf(cell) };
}

/** Part of a text, short enough for an error message and on one line. */
export function quoted(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?');
  return `'${line.length > 60 ? `${line.slice(0, 60)}...` : line}'`;
}

/**
 * The cells of each letter on a square board, in raster order; an Error for rows of another length and other letters.
 * @param name what the error calls the board: `map`
 */
export function cellsByLetter(name: string, rows: readonly string[], letters: string): (letter: string) => number[] {
  const found = new Map(Array.from(letters, letter => [letter, [] as number[]]));
  rows.forEach((row, r) => {
    if (row.length !== rows.length)
      throw new Error(`row ${r} of the ${name} has ${row.length} letters, not ${rows.length}: ${quoted(row)}`);
    row.split('').forEach((letter, c) => {
      const cells = found.get(letter);
      if (cells === undefined) {
        const known = `${Array.from(letters.slice(0, -1)).join(', ')} and ${letters.at(-1)!}`;
        throw new Error(`'${letter}' in row ${r} of the ${name}: only ${known} may stand there`);
      }
      cells.push(cellAt(r, c));
    });
  });
  return letter => found.get(letter) ?? [];
}

/** The only cell of a letter; an Error if there is none, or several. */
export function onlyCell(name: string, cells: readonly number[], letter: string): number {
  const [cell, ...more] = cells;
  if (cell === undefined || more.length > 0)
    throw new Error(`the ${name} has ${cells.length} cells '${letter}' and needs exactly one`);
  return cell;
}

/** The fields of a stored puzzle. Undefined stands for a field that is not there. */
export class PuzzleFields {
  readonly #values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  isTrue(name: string): boolean {
    return /^(true|1)$/i.test(this.text(name) ?? '');
  }

  whole(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,9}$/.test(value)) throw new Error(`'${name}' must be a whole number, not ${quoted(value)}`);
    return Number(value);
  }

  json(name: string): unknown {
    const value = this.text(name);
    if (value === undefined) return undefined;
    try {
      return parseStrictJson(value);
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      throw new Error(`'${name}' is not valid JSON (${error.message}): ${quoted(value)}`, { cause: error });
    }
  }

  /** The actions of a JSON list of words. */
  actions(name: string): Action[] | undefined {
    const value = this.json(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw new Error(`'${name}' must be a JSON list of words such as "left"`);
    return value.map((word: unknown) => {
      const action = ACTION_WORDS.findIndex(known => typeof word === 'string' && known === word.toLowerCase());
      if (action < 0) throw new Error(`'${name}' holds ${quoted(JSON.stringify(word))}, which is no action`);
      return action as Action;
    });
  }

  /** Error if `NAME_row` and `NAME_col` name another cell than the board shows. */
  checkCell(name: string, expected: number): void {
    const [row = rowOf(expected), col = colOf(expected)] = [this.whole(`${name}_row`), this.whole(`${name}_col`)];
    if (row !== rowOf(expected) || col !== colOf(expected))
      throw new Error(`${name}_row and ${name}_col say (${row},${col}), but the board ${cellText(expected)}`);
  }

  /** The cell of `NAME_row` and `NAME_col` on a board of side `size`. */
  cell(name: string, size: number): number {
    const [row, col] = [this.whole(`${name}_row`), this.whole(`${name}_col`)];
    if (row === undefined || col === undefined) throw new Error(`'${name}_row' and '${name}_col' are needed`);
    const cell = cellAt(row, col);
    if (row >= size || col >= size || !onBoard(size, cell))
      throw new Error(`${name}_row and ${name}_col say (${row},${col}), which is not on a board of side ${size}`);
    return cell;
  }
}
