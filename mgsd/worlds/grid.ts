/**
 * Cells and moves of a square board. A *cell* is the number 8 * row + col, rows from the top and columns from the left,
 * whatever the board's size: the order of cells is raster order, and cell c is the token `cellIndexToken(c)`.
 */

import { ACTION_NAMES, GRID_SIDE, MAXIMUM_SIZE, MINIMUM_SIZE } from '../../models/vocabulary.js';

/** An action by its index in `ACTION_NAMES`: 0 left, 1 down, 2 right, 3 up, 4 pick, 5 drop. */
export type Action = 0 | 1 | 2 | 3 | 4 | 5;

export const LEFT = 0;
export const DOWN = 1;
export const RIGHT = 2;
export const UP = 3;
export const PICK = 4;
export const DROP = 5;

/** The four moves, in the order in which gymnasium numbers them. */
export const MOVES = [LEFT, DOWN, RIGHT, UP] as const satisfies readonly Action[];

const ROW_STEP: readonly number[] = [0, 1, 0, -1];
const COL_STEP: readonly number[] = [-1, 0, 1, 0];

/** `L`, `D`, `R`, `U`, `PICK` or `DROP`. */
export function actionName(action: Action): string {
  return ACTION_NAMES[action];
}

/** The cell at (row, col). No check; see `neighbour` for one that knows the board. */
export function cellAt(row: number, col: number): number {
  return row * GRID_SIDE + col;
}

export function rowOf(cell: number): number {
  return Math.floor(cell / GRID_SIDE);
}

export function colOf(cell: number): number {
  return cell % GRID_SIDE;
}

/** The agent's cell in a plan state (see `PlanState`). */
export function cellOfState(state: number): number {
  return state % (GRID_SIDE * GRID_SIDE);
}

/** The n * n cells of a board with side `size`, in raster order. */
export function boardCells(size: number): number[] {
  const cells: number[] = [];
  for (let row = 0; row < size; row++) for (let col = 0; col < size; col++) cells.push(cellAt(row, col));
  return cells;
}

/** A board as `size` rows of one letter for each cell. */
export function boardRows(size: number, letter: (cell: number) => string): string[] {
  const letters = boardCells(size).map(letter);
  return Array.from({ length: size }, (_, row) => letters.slice(row * size, (row + 1) * size).join(''));
}

/** Whether `cell` lies on a board with side `size`. */
export function onBoard(size: number, cell: number): boolean {
  return Number.isInteger(cell) && cell >= 0 && rowOf(cell) < size && colOf(cell) < size;
}

/** The cell that a move leads to on a board with side `size`, -1 off the board and for actions that are no moves. */
export function neighbour(size: number, cell: number, action: Action): number {
  const row = rowOf(cell) + (ROW_STEP[action] ?? size);
  const col = colOf(cell) + (COL_STEP[action] ?? size);
  return row < 0 || col < 0 || row >= size || col >= size ? -1 : cellAt(row, col);
}

/**
 * One of the eight ways to lay a square board onto itself: the cell that comes to each place, and the move that each
 * becomes.
 */
interface Turn {
  readonly cells: readonly number[];
  readonly moves: readonly Action[];
}

const turnsBySize = new Map<number, readonly Turn[]>();

/** The rotations and mirror images of a board with side `size`, at least 3. */
function turnsOf(size: number): readonly Turn[] {
  const known = turnsBySize.get(size);
  if (known) return known;
  const turns = Array.from({ length: 8 }, (_, turn) => {
    const source = (cell: number): number => {
      const [row, col] = turn & 4 ? [colOf(cell), rowOf(cell)] : [rowOf(cell), colOf(cell)];
      return cellAt(turn & 2 ? size - 1 - row : row, turn & 1 ? size - 1 - col : col);
    };
    const centre = cellAt(1, 1);
    const moveTo = (cell: number) => MOVES.find(move => neighbour(size, source(centre), move) === cell)!;
    return {
      cells: boardCells(size).map(source),
      moves: MOVES.map(move => moveTo(source(neighbour(size, centre, move)))),
    };
  });
  turnsBySize.set(size, turns);
  return turns;
}

/**
 * A board as text that is the same for all its rotations and mirror images: the smallest of their texts.
 * @param letter what is in a cell; `moves[m]` is the board's own move where the turned board moves by `m`
 */
export function smallestForm(size: number, letter: (cell: number, moves: readonly Action[]) => string): string {
  let least = turnsOf(size);
  let form = '';
  for (let place = 0; place < size ** 2; place++) {
    const letters = least.map(({ cells, moves }) => letter(cells[place]!, moves));
    const smallest = letters.reduce((a, b) => (b < a ? b : a));
    if (least.length > 1) least = least.filter((_, turn) => letters[turn] === smallest);
    form += smallest;
  }
  return form;
}

/** |row difference| + |column difference|: the number of moves on an empty board. */
export function manhattan(a: number, b: number): number {
  return Math.abs(rowOf(a) - rowOf(b)) + Math.abs(colOf(a) - colOf(b));
}

/** The moves that bring `cell` nearer to `target` on an empty board: none, one or two. */
export function movesToward(cell: number, target: number): Action[] {
  const moves: Action[] = [];
  const col = colOf(target) - colOf(cell);
  const row = rowOf(target) - rowOf(cell);
  if (col < 0) moves.push(LEFT);
  if (row > 0) moves.push(DOWN);
  if (col > 0) moves.push(RIGHT);
  if (row < 0) moves.push(UP);
  return moves;
}

/**
 * Breadth-first distances from `from` over the cells of a board that are not `blocked` (-1: not reachable), indexed by
 * cell: (64). `from` itself is not tested against `blocked`.
 */
export function gridDistances(size: number, from: number, blocked: (cell: number) => boolean): Int8Array {
  const distance = new Int8Array(GRID_SIDE * GRID_SIDE).fill(-1);
  distance[from] = 0;
  const queue = [from];
  for (const cell of queue) {
    for (const move of MOVES) {
      const next = neighbour(size, cell, move);
      if (next < 0 || distance[next] !== -1 || blocked(next)) continue;
      distance[next] = distance[cell]! + 1;
      queue.push(next);
    }
  }
  return distance;
}

/** `(row,col)`, as the prompts write a cell. */
export function cellText(cell: number): string {
  return `(${rowOf(cell)},${colOf(cell)})`;
}

/** RangeError unless `size` is a board side that the vocabulary has tokens for. */
export function checkSize(size: number): void {
  if (!Number.isInteger(size) || size < MINIMUM_SIZE || size > MAXIMUM_SIZE)
    throw new RangeError(`a board of side ${size} is not possible: sides run from ${MINIMUM_SIZE} to ${MAXIMUM_SIZE}`);
}
