/** Boards in the terminal. */
import { stripVTControlCharacters } from 'node:util';
import { boardText, pathOf } from '../pictures/draw.js';
import type { BoardColours } from '../pictures/draw.js';
import type { Action } from '../worlds/grid.js';
import type { World, WorldInstance } from '../worlds/world.js';
import type { Terminal } from './terminal.js';

/** A board with a plan on it, in colour where the terminal has colours. */
export function boardLines(
  terminal: Terminal,
  world: World,
  instance: WorldInstance,
  plan: readonly Action[] = [],
): string[] {
  const colours = terminal.colours.isColorSupported ? boardColours(terminal) : undefined;
  return boardText(world, instance, pathOf(world, instance, plan), colours);
}

function boardColours({ colours }: Terminal): BoardColours {
  const { green, yellow, blue, dim, bold, red, magenta } = colours;
  return {
    start: text => bold(green(text)),
    goal: text => bold(yellow(text)),
    obstacle: blue,
    floor: dim,
    path: text => bold(magenta(text)),
    fatal: text => bold(red(text)),
  };
}

/** Columns of text, four blanks apart; the first line of each is its title. */
export function besideEachOther(columns: readonly (readonly string[])[]): string[] {
  const width = (text: string) => stripVTControlCharacters(text).length;
  const widths = columns.map(lines => Math.max(...lines.map(width)));
  const height = Math.max(0, ...columns.map(lines => lines.length));
  const cell = (text = '', column: number) => text + ' '.repeat(widths[column]! - width(text));
  const row = (at: number) =>
    columns
      .map((lines, column) => cell(lines[at], column))
      .join('    ')
      .trimEnd();
  return Array.from({ length: height }, (_, at) => row(at));
}
