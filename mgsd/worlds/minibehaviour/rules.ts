/**
 * MiniBehaviour: fetch the printer and put it on the table. The agent picks the printer up from a cell beside it and
 * drops it from a cell beside the table, which ends the episode with success. The table (2 rows x 3 columns) can never
 * be entered; the printer's cell is blocked until PICK and free floor afterwards.
 */

import {
  DROP,
  MOVES,
  PICK,
  boardCells,
  boardRows,
  cellAt,
  cellOfState,
  cellText,
  checkSize,
  colOf,
  manhattan,
  neighbour,
  onBoard,
  rowOf,
  type Action,
} from '../grid.js';
import type { CellMark, PlanState, StepResult, WorldInstance } from '../world.js';

export interface MiniBehaviourInstance extends WorldInstance {
  readonly agent: number;
  readonly printer: number;
  /** The top left cell of the table. */
  readonly table: number;
}

export const TABLE_ROWS = 2;
export const TABLE_COLS = 3;

/** Added to the agent's cell in a plan state: after PICK, and after DROP. */
const CARRYING = 64;
export const DONE = 128;

export function isCarrying(state: PlanState): boolean {
  return state >= CARRYING && state < DONE;
}

/** Rows + columns between a cell and the nearest cell of the table: 0 on it, 1 beside it. */
export function distanceToTable(table: number, cell: number): number {
  const row = rowOf(cell) - rowOf(table);
  const col = colOf(cell) - colOf(table);
  return Math.max(-row, 0, row - TABLE_ROWS + 1) + Math.max(-col, 0, col - TABLE_COLS + 1);
}

/** The six cells of the table with this top left cell, in raster order. */
export function tableCells(table: number): number[] {
  const cells: number[] = [];
  for (let row = 0; row < TABLE_ROWS; row++)
    for (let col = 0; col < TABLE_COLS; col++) cells.push(cellAt(rowOf(table) + row, colOf(table) + col));
  return cells;
}

/** The top left cells that a table can have on a board with side `size`, in raster order. */
export function tablePlaces(size: number): number[] {
  return boardCells(size).filter(cell => rowOf(cell) + TABLE_ROWS <= size && colOf(cell) + TABLE_COLS <= size);
}

/** The cells from which the printer can be picked up, in raster order. */
export function besidePrinter({ size, printer, table }: MiniBehaviourInstance): number[] {
  return boardCells(size).filter(cell => manhattan(cell, printer) === 1 && distanceToTable(table, cell) > 0);
}

/**
 * The cells from which it can be dropped, in raster order; the printer's own cell is one if it lies beside the table.
 */
export function besideTable({ size, table }: MiniBehaviourInstance): number[] {
  return boardCells(size).filter(cell => distanceToTable(table, cell) === 1);
}

/** RangeError unless a board of this side has room for table, printer and agent. */
export function checkBoard(size: number): void {
  checkSize(size);
  if (size < TABLE_COLS)
    throw new RangeError(
      `a MiniBehaviour board of side ${size} has no room for the table: sides begin at ${TABLE_COLS}`,
    );
}

/** A checked puzzle; RangeError if something lies off the board or two things share a cell. */
export function createInstance(size: number, agent: number, printer: number, table: number): MiniBehaviourInstance {
  checkBoard(size);
  for (const cell of [agent, printer])
    if (!onBoard(size, cell)) throw new RangeError(`cell ${cell} is not on a MiniBehaviour board of side ${size}`);
  if (!tablePlaces(size).includes(table))
    throw new RangeError(`a table with its top left at cell ${table} does not lie on a board of side ${size}`);
  for (const [name, cell] of [
    ['agent', agent],
    ['printer', printer],
  ] as const)
    if (distanceToTable(table, cell) === 0) throw new RangeError(`the ${name} at ${cellText(cell)} is on the table`);
  if (agent === printer) throw new RangeError(`agent and printer are both at ${cellText(agent)}`);
  return { size, agent, printer, table };
}

/**
 * The plan state is the agent's cell, + 64 while it carries the printer, + 128 when it has dropped it. Fatal reasons:
 * `off-board`, `table`, `printer` (entering its cell before PICK), `illegal-pick`, `illegal-drop`.
 */
export function step(instance: MiniBehaviourInstance, state: PlanState, action: Action): StepResult {
  const cell = cellOfState(state);
  const carrying = isCarrying(state);
  const fatal = (reason: string): StepResult => ({ verdict: 'fatal', next: state, reason });
  if (action === PICK)
    return !carrying && manhattan(cell, instance.printer) === 1
      ? { verdict: 'ok', next: cell + CARRYING }
      : fatal('illegal-pick');
  if (action === DROP)
    return carrying && distanceToTable(instance.table, cell) === 1
      ? { verdict: 'goal', next: cell + DONE }
      : fatal('illegal-drop');
  const next = neighbour(instance.size, cell, action);
  if (next < 0) return fatal('off-board');
  if (distanceToTable(instance.table, next) === 0) return fatal('table');
  if (next === instance.printer && !carrying) return fatal('printer');
  return { verdict: 'ok', next: carrying ? next + CARRYING : next };
}

/** The agent's first moves that do not fail. */
export function legalMoves(instance: MiniBehaviourInstance): Action[] {
  return MOVES.filter(move => step(instance, instance.agent, move).verdict !== 'fatal');
}

export function cellMark({ agent, printer, table }: MiniBehaviourInstance, cell: number): CellMark {
  if (cell === agent) return ['A', 'start'];
  if (cell === printer) return ['P', 'goal'];
  return distanceToTable(table, cell) === 0 ? ['T', 'obstacle'] : ['.', 'floor'];
}

/** The board as `size` rows of A(gent), P(rinter), T(able) and `.` for free floor. */
export function gridRows(instance: MiniBehaviourInstance): string[] {
  return boardRows(instance.size, cell => cellMark(instance, cell)[0]);
}
