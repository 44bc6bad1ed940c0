/**
 * FrozenLake: walk from start to goal over a frozen lake without entering a hole or leaving the board. Not slippery.
 * Leaving the board is a failure, in training and evaluation alike, as in the benchmark's evaluator.
 */

import { boardRows, checkSize, neighbour, onBoard, type Action } from '../grid.js';
import type { CellMark, PlanState, StepResult, WorldInstance } from '../world.js';

export interface FrozenLakeInstance extends WorldInstance {
  readonly start: number;
  readonly goal: number;
  /** Cells with a hole, in raster order. */
  readonly holes: readonly number[];
}

/** A checked puzzle; holes in any order. RangeError if a cell lies off the board, or start, goal and holes collide. */
export function createInstance(
  size: number,
  start: number,
  goal: number,
  holes: readonly number[],
): FrozenLakeInstance {
  checkSize(size);
  const special = [start, goal, ...holes];
  const outside = special.find(cell => !onBoard(size, cell));
  if (outside !== undefined) throw new RangeError(`cell ${outside} is not on a FrozenLake board of side ${size}`);
  if (new Set(special).size !== special.length)
    throw new RangeError('start, goal and holes of a FrozenLake puzzle must be different cells');
  return { size, start, goal, holes: [...holes].sort((a, b) => a - b) };
}

/** The plan state is the agent's cell. Fatal reasons: `off-board`, `hole`. */
export function step(instance: FrozenLakeInstance, state: PlanState, action: Action): StepResult {
  const next = neighbour(instance.size, state, action);
  if (next < 0) return { verdict: 'fatal', next: state, reason: 'off-board' };
  if (instance.holes.includes(next)) return { verdict: 'fatal', next: state, reason: 'hole' };
  return { verdict: next === instance.goal ? 'goal' : 'ok', next };
}

export function cellMark({ start, goal, holes }: FrozenLakeInstance, cell: number): CellMark {
  if (cell === start) return ['S', 'start'];
  if (cell === goal) return ['G', 'goal'];
  return holes.includes(cell) ? ['H', 'obstacle'] : ['.', 'floor'];
}

/** The map as `size` rows of S(tart), G(oal), H(ole) and F(rozen). */
export function mapRows(instance: FrozenLakeInstance): string[] {
  return boardRows(instance.size, cell => cellMark(instance, cell)[0].replace('.', 'F'));
}
