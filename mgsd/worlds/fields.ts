/** Reading the `name: value` lines of a world's description. Every error says which line is missing or wrong, and how. */

import { cellAt, checkSize } from './grid.js';

/** The lines of a text without blanks around them. */
export function trimmedLines(text: string): string[] {
  return text.split(/\r?\n/).map(line => line.trim());
}

/** Part of a text, short enough for an error message and on one line. */
export function quoted(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?');
  return `'${line.length > 60 ? `${line.slice(0, 60)}...` : line}'`;
}

/** The value of the line `name: value`, whichever of the names it goes by; an Error if there is none, or two that differ. */
export function field(lines: readonly string[], ...names: readonly string[]): string {
  const values = lines.flatMap(line => {
    const colon = line.indexOf(':');
    return colon > 0 && names.includes(line.slice(0, colon).trimEnd()) ? [line.slice(colon + 1).trim()] : [];
  });
  const [value, other] = new Set(values);
  const name = names[0] ?? '';
  if (value === undefined || value === '') throw new Error(`the text has no line '${name}: ...'`);
  if (other !== undefined) throw new Error(`the text has two different lines '${name}: ...'`);
  return value;
}

/** The side of a square board, written `5x5`. */
export function parseSize(name: string, value: string): number {
  const match = /^(\d{1,3}) ?x ?(\d{1,3})$/.exec(value);
  if (match === null || match[1] !== match[2])
    throw new Error(`'${name}' must be a square such as 5x5, not ${quoted(value)}`);
  const size = Number(match[1]);
  checkSize(size);
  return size;
}

/** The cell written `(row,col)`; an Error unless it is one cell of the board. */
export function parseCell(name: string, size: number, value: string): number {
  const match = /^\( ?(\d{1,3}) ?, ?(\d{1,3}) ?\)$/.exec(value);
  if (match === null) throw new Error(`'${name}' must be a cell such as (0,1), not ${quoted(value)}`);
  const [row, col] = [Number(match[1]), Number(match[2])];
  if (row >= size || col >= size) throw new Error(`'${name}' names ${value}, which is not on a board of side ${size}`);
  return cellAt(row, col);
}

/** The cells of a list joined by `, ` or `; `, empty for `none`. */
export function parseCells(name: string, size: number, value: string): number[] {
  if (value === 'none') return [];
  return value.split(/(?<=\)) ?[,;] ?/).map(cell => parseCell(name, size, cell));
}
