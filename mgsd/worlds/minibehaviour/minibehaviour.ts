/** MiniBehaviour as a world: what `createWorld` needs, put together from the files beside this one. */

import { TASK_MINIBEHAVIOUR } from '../../../models/vocabulary.js';
import { BUCKETS, bucketedGenerator } from '../buckets.js';
import {
  DROP,
  MOVES,
  PICK,
  cellOfState,
  manhattan,
  movesToward,
  neighbour,
  smallestForm,
  type Action,
} from '../grid.js';
import { createRenderer } from '../styles.js';
import { createWorld, type PlanState, type World } from '../world.js';
import { MAXIMUM_DRAWS, bucketOf, drawMiniBehaviour } from './generator.js';
import { LOOKS } from './looks.js';
import { questions, readRecap, recap } from './recap.js';
import { DONE, cellMark, checkBoard, distanceToTable, isCarrying, step, type MiniBehaviourInstance } from './rules.js';
import { STYLES, placements } from './sprites.js';

const title = 'MiniBehaviour';
const instanceKey = ({ size, printer, table, agent }: MiniBehaviourInstance): string =>
  `minibehaviour:${size}:${printer}:${table}:${agent}`;

const layoutKey = ({ size, printer, table }: MiniBehaviourInstance): string => {
  const letter = (cell: number) => (cell === printer ? 'P' : distanceToTable(table, cell) === 0 ? 'T' : 'F');
  return `minibehaviour:${size}:${smallestForm(size, letter)}`;
};
const render = createRenderer({ title, styles: STYLES, looks: LOOKS, placements, instanceKey });

/** The longest of all shortest plans by board side, from solving every puzzle of that side. */
const LONGEST_PLANS: Readonly<Record<number, number>> = { 3: 3, 4: 10, 5: 11, 6: 15, 7: 19, 8: 23 };

function maximumPlanLength(level: number): number {
  checkBoard(level);
  return LONGEST_PLANS[level] ?? 0;
}

/**
 * Straight ahead: towards the printer, PICK as soon as it is next to the agent, then towards the nearest part of the
 * table, DROP as soon as that is. Only the table can be in the way, and only before PICK.
 */
function straightAhead({ size, printer, table }: MiniBehaviourInstance, state: PlanState): Action[] {
  const cell = cellOfState(state);
  if (!isCarrying(state)) return manhattan(cell, printer) === 1 ? [PICK] : movesToward(cell, printer);
  const distance = distanceToTable(table, cell);
  if (distance === 1) return [DROP];
  return MOVES.filter(move => {
    const next = neighbour(size, cell, move);
    return next >= 0 && distanceToTable(table, next) < distance;
  });
}

/** MiniBehaviour with these generator options (see buckets.ts); an Error lists wrong ones. */
export function createMiniBehaviour(rawOptions?: unknown): World<MiniBehaviourInstance> {
  const difficulty = (instance: MiniBehaviourInstance): string =>
    bucketOf(instance.size, world.shortestLength(instance));
  const generator = { title, maximumDraws: MAXIMUM_DRAWS, draw: drawMiniBehaviour, bucketOf: difficulty };

  const world = createWorld<MiniBehaviourInstance>({
    name: 'minibehaviour',
    title,
    taskToken: TASK_MINIBEHAVIOUR,
    levels: [5, 6],
    actions: [...MOVES, PICK, DROP],
    difficulties: BUCKETS,

    generate: bucketedGenerator(generator, rawOptions),
    difficulty,
    instanceKey,
    layoutKey,

    render,
    recap,
    readRecap,
    maximumRecapLength: () => 4,
    recapFields: ['size', 'agent', 'printer', 'table'],
    questions,
    cellMark,

    start: instance => instance.agent,
    isGoal: (_, state) => state >= DONE,
    step,
    maximumPlanLength,
    straightAhead,
  });
  return world;
}
