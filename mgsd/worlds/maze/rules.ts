/**
 * Maze: walk from start to target; moving through a wall is fatal. A puzzle may be any connected maze; the generated
 * ones are perfect (no loops), so that exactly one path without turning back leads from one cell to another.
 */

import { MOVES, boardCells, cellText, checkSize, colOf, neighbour, onBoard, rowOf, type Action } from '../grid.js';
import type { CellMark, PlanState, StepResult, WorldInstance } from '../world.js';

export interface MazeInstance extends WorldInstance {
  readonly start: number;
  readonly target: number;
  /** The walls of each cell in raster order, as stored: north 1, south 2, west 4, east 8, summed: (size * size). */
  readonly walls: readonly number[];
}

export const ALL_WALLS = 15;

/** The wall that a move L, D, R, U goes through, and the same wall as seen from the cell behind it. */
const WALL: readonly number[] = [4, 2, 8, 1];
const WALL_BEHIND: readonly number[] = [8, 1, 4, 2];

/** Index of a cell among the board's in raster order. */
export function rasterIndex(size: number, cell: number): number {
  return rowOf(cell) * size + colOf(cell);
}

/** The walls of a cell, a sum of wall bits. */
export function wallsAt(instance: MazeInstance, cell: number): number {
  return instance.walls[rasterIndex(instance.size, cell)] ?? ALL_WALLS;
}

/** Whether a move leads through no wall; false for PICK and DROP. */
export function isOpen(instance: MazeInstance, cell: number, move: Action): boolean {
  return move < MOVES.length && (wallsAt(instance, cell) & WALL[move]!) === 0;
}

/** Takes away the wall between `cell` and its neighbour in the direction of `move`, on both sides. */
export function openWall(walls: number[], size: number, cell: number, move: Action): void {
  const behind = neighbour(size, cell, move);
  walls[rasterIndex(size, cell)]! &= ~WALL[move]!;
  walls[rasterIndex(size, behind)]! &= ~WALL_BEHIND[move]!;
}

/**
 * The walls of a maze with the one beside `cell` in the direction of `move` put up or taken away, on both sides; the
 * border has one side.
 */
export function toggledWall({ size, walls }: MazeInstance, cell: number, move: Action): number[] {
  const behind = neighbour(size, cell, move);
  const changed = [...walls];
  changed[rasterIndex(size, cell)]! ^= WALL[move]!;
  if (behind >= 0) changed[rasterIndex(size, behind)]! ^= WALL_BEHIND[move]!;
  return changed;
}

/**
 * A checked puzzle. Error if start and target are not two cells of the board, a wall mask is missing or no sum of 1, 2,
 * 4 and 8, neighbours disagree on the wall between them, the border is open, or some cell cannot be reached.
 */
export function createInstance(size: number, start: number, target: number, walls: readonly number[]): MazeInstance {
  checkSize(size);
  for (const cell of [start, target])
    if (!onBoard(size, cell)) throw new RangeError(`cell ${cell} is not on a Maze board of side ${size}`);
  if (start === target) throw new RangeError('start and target of a Maze puzzle must be different cells');
  if (walls.length !== size * size)
    throw new RangeError(`a Maze of side ${size} has ${size * size} cells, but ${walls.length} wall masks are given`);
  const wrong = walls.find(mask => !Number.isInteger(mask) || mask < 0 || mask > ALL_WALLS);
  if (wrong !== undefined) throw new RangeError(`${wrong} is no wall mask: masks are sums of 1, 2, 4 and 8`);

  const instance: MazeInstance = { size, start, target, walls: [...walls] };
  for (const cell of boardCells(size))
    for (const move of MOVES) {
      const behind = neighbour(size, cell, move);
      if (behind < 0 && isOpen(instance, cell, move))
        throw new Error(`the Maze is open to the outside at ${cellText(cell)}: borders must be walls`);
      const open = behind >= 0 && (wallsAt(instance, behind) & WALL_BEHIND[move]!) === 0;
      if (behind >= 0 && isOpen(instance, cell, move) !== open)
        throw new Error(`${cellText(cell)} and ${cellText(behind)} disagree about the wall between them`);
    }
  const reached = reachedFrom(instance, start);
  const lost = boardCells(size).find(cell => !reached.has(cell));
  if (lost !== undefined)
    throw new Error(`the Maze is not connected: no way leads from the start to ${cellText(lost)}`);
  return instance;
}

function reachedFrom(instance: MazeInstance, start: number): Set<number> {
  const reached = new Set([start]);
  for (const cell of reached)
    for (const move of MOVES) if (isOpen(instance, cell, move)) reached.add(neighbour(instance.size, cell, move));
  return reached;
}

/** The plan state is the agent's cell. Fatal reason: `wall`, which includes the border. */
export function step(instance: MazeInstance, state: PlanState, action: Action): StepResult {
  if (!isOpen(instance, state, action)) return { verdict: 'fatal', next: state, reason: 'wall' };
  const next = neighbour(instance.size, state, action);
  return { verdict: next === instance.target ? 'goal' : 'ok', next };
}

export function cellMark({ start, target }: MazeInstance, cell: number): CellMark {
  if (cell === start) return ['S', 'start'];
  return cell === target ? ['T', 'goal'] : ['.', 'floor'];
}
