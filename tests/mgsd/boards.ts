/** Puzzles from the boards and texts in which the published test vectors are written. */

import { formatsOf } from '../../mgsd/exchange/formats.js';
import { PuzzleFields } from '../../mgsd/exchange/puzzle-fields.js';
import { createFrozenLake } from '../../mgsd/worlds/frozenlake/frozenlake.js';
import type { FrozenLakeInstance } from '../../mgsd/worlds/frozenlake/rules.js';
import { boardCells, cellAt } from '../../mgsd/worlds/grid.js';
import { createInstance, type MazeInstance } from '../../mgsd/worlds/maze/rules.js';
import { createMiniBehaviour } from '../../mgsd/worlds/minibehaviour/minibehaviour.js';
import type { MiniBehaviourInstance } from '../../mgsd/worlds/minibehaviour/rules.js';

const noFields = new PuzzleFields(new Map());

/** FrozenLake from rows of S F H G. */
export function lakeOf(rows: readonly string[]): FrozenLakeInstance {
  return formatsOf(createFrozenLake()).file.read(rows, noFields);
}

/** MiniBehaviour from rows of A P T and dots. */
export function roomOf(rows: readonly string[]): MiniBehaviourInstance {
  return formatsOf(createMiniBehaviour()).file.read(rows, noFields);
}

/**
 * Maze from a text with lines `Map size: 3x3`, `Start: (0,0)`, `Target: (0,2)` and `(0,0): right, down` for every cell.
 */
export function mazeOf(text: string): MazeInstance {
  const cellOf = (name: string): number => {
    const [, row, col] = new RegExp(`^${name}(?: position)?: \\((\\d),(\\d)\\)$`, 'm').exec(text)!;
    return cellAt(Number(row), Number(col));
  };
  const size = Number(/^Map size: (\d)x\1$/m.exec(text)![1]);
  const bits: Readonly<Record<string, number>> = { up: 1, down: 2, left: 4, right: 8, none: 0 };
  const walls = boardCells(size).map(cell => {
    const [, open] = new RegExp(`^\\(${cell >> 3},${cell & 7}\\): (.*)$`, 'm').exec(text)!;
    return open!.split(', ').reduce((mask, word) => mask - bits[word]!, 15);
  });
  return createInstance(size, cellOf('Start'), cellOf('Target'), walls);
}
