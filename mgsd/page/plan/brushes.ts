/** Boards of one's own: what each brush does to a cell, and why what comes out is no puzzle. */
import { readBoard } from '../../pictures/draw.js';
import type { FrozenLakeInstance } from '../../worlds/frozenlake/rules.js';
import { cellAt, colOf, MOVES, rowOf } from '../../worlds/grid.js';
import { toggledWall } from '../../worlds/maze/rules.js';
import type { MazeInstance } from '../../worlds/maze/rules.js';
import { TABLE_COLS, TABLE_ROWS } from '../../worlds/minibehaviour/rules.js';
import type { MiniBehaviourInstance } from '../../worlds/minibehaviour/rules.js';
import type { WorldName } from '../../worlds/registry.js';
import type { World, WorldInstance } from '../../worlds/world.js';

export interface Brush<I extends WorldInstance = WorldInstance> {
  readonly name: string;
  /** The board with this cell (8 * row + col) painted. What comes out need not be a puzzle: see `checkedBoard`. */
  paint(board: I, cell: number): I;
}

const without = (cells: readonly number[], cell: number) => cells.filter(other => other !== cell);

const frozenlake: readonly Brush<FrozenLakeInstance>[] = [
  {
    name: 'hole',
    paint: ({ holes, ...rest }, cell) => ({
      ...rest,
      holes: holes.includes(cell) ? without(holes, cell) : [...holes, cell],
    }),
  },
  { name: 'start', paint: (board, start) => ({ ...board, start, holes: without(board.holes, start) }) },
  { name: 'goal', paint: (board, goal) => ({ ...board, goal, holes: without(board.holes, goal) }) },
];

const sides = ['left', 'below', 'right', 'above'] as const; // in the order of MOVES

const maze: readonly Brush<MazeInstance>[] = [
  ...MOVES.map((move): Brush<MazeInstance> => ({
    name: `wall ${sides[move]}`,
    paint: (board, cell) => ({ ...board, walls: toggledWall(board, cell, move) }),
  })),
  { name: 'start', paint: (board, start) => ({ ...board, start }) },
  { name: 'target', paint: (board, target) => ({ ...board, target }) },
];

const minibehaviour: readonly Brush<MiniBehaviourInstance>[] = [
  { name: 'agent', paint: (board, agent) => ({ ...board, agent }) },
  { name: 'printer', paint: (board, printer) => ({ ...board, printer }) },
  {
    name: 'table', // its top left cell, as near to this one as the table fits
    paint: (board, cell) => ({
      ...board,
      table: cellAt(Math.min(rowOf(cell), board.size - TABLE_ROWS), Math.min(colOf(cell), board.size - TABLE_COLS)),
    }),
  },
];

/** The brushes of each world. */
export const brushes: Readonly<Record<WorldName, readonly Brush[]>> = { frozenlake, maze, minibehaviour };

/** A painted board as a puzzle, or the reason why it is none. */
export function checkedBoard(world: World, board: WorldInstance): { instance: WorldInstance } | { problem: string } {
  const read = readBoard(world, world.recap(board));
  if ('problem' in read || world.shortestLength(read.instance) >= 0) return read;
  return { problem: 'no plan leads to the goal' };
}

/** What is in a cell, in words: `floor, wall left, wall above`. */
export function cellWords(world: World, board: WorldInstance, cell: number): string {
  const walls = MOVES.filter(move => world.isWalled?.(board, cell, move)).map(move => `wall ${sides[move]}`);
  return [world.cellMark(board, cell)[1], ...walls].join(', ');
}
