/** MiniBehaviour as a world: what `createWorld` needs, put together from the files beside this one. */

import { TASK_MINIBEHAVIOUR, cellIndexToken } from '../../../models/vocabulary.js';
import { BUCKETS, generateBucketed, parseBucketOptions } from '../buckets.js';
import { DROP, MOVES, PICK, actionName, manhattan, movesToward, neighbour, type Action } from '../grid.js';
import { Looks } from '../looks.js';
import { createWorld, type PlanState, type World, type WorldRules } from '../world.js';
import { MAXIMUM_DRAWS, bucketOf, drawMiniBehaviour } from './generator.js';
import { language } from './language.js';
import { questions } from './questions.js';
import { readRecap, recap } from './recap.js';
import { DONE, agentCell, checkBoard, distanceToTable, isCarrying, step, type MiniBehaviourInstance } from './rules.js';
import { sampleFormat } from './samples.js';
import { LOOKS, placements, type MiniBehaviourSprite } from './sprites.js';
import { describe, parseDescription } from './text.js';

const layoutKey = ({ size, printer, table }: MiniBehaviourInstance): string =>
  `minibehaviour:${size}:${printer}:${table}`;
const instanceKey = (instance: MiniBehaviourInstance): string => `${layoutKey(instance)}:${instance.agent}`;

/** The longest of all shortest plans by board side, from solving every puzzle of that side. */
const LONGEST_PLANS: Readonly<Record<number, number>> = { 3: 3, 4: 10, 5: 11, 6: 15, 7: 19, 8: 23 };

function maximumPlanLength(level: number): number {
  checkBoard(level);
  return LONGEST_PLANS[level] ?? 0;
}

const looks = new Looks<MiniBehaviourInstance, MiniBehaviourSprite>('MiniBehaviour', instanceKey, LOOKS);

/**
 * Straight ahead: towards the printer, PICK as soon as it is next to the agent, then towards the nearest part of the table,
 * DROP as soon as that is. Only the table can be in the way, and only before PICK.
 */
function straightAhead({ size, printer, table }: MiniBehaviourInstance, state: PlanState): Action[] {
  const cell = agentCell(state);
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
  const options = parseBucketOptions('MiniBehaviour', rawOptions);
  const rules: WorldRules<MiniBehaviourInstance> = {
    name: 'minibehaviour',
    title: 'MiniBehaviour',
    taskToken: TASK_MINIBEHAVIOUR,
    levels: [5, 6],
    actions: [...MOVES, PICK, DROP],
    difficulties: BUCKETS,
    styles: looks.styles,
    answerSeparator: ',',

    generate(random, level, request = {}) {
      checkBoard(level);
      return generateBucketed(
        { title: 'MiniBehaviour', options, maximumDraws: MAXIMUM_DRAWS, draw: drawMiniBehaviour, bucketOf: bucket },
        random,
        level,
        request.difficulty,
      );
    },
    difficulty: bucket,
    instanceKey,
    layoutKey,

    render: (instance, pixels, style = 'training') => looks.paint(instance, pixels, style, placements(instance)),
    recap,
    readRecap,
    cellLook({ agent, printer, table }, cell) {
      if (cell === agent) return ['A', 'start'];
      if (cell === printer) return ['P', 'goal'];
      return distanceToTable(table, cell) === 0 ? ['T', 'obstacle'] : ['.', 'floor'];
    },
    maximumRecapLength: () => 4,
    recapFields: ['size', 'agent', 'printer', 'table'],
    questions,
    describe: (instance, variant, plan) =>
      describe(instance, variant, plan === undefined ? null : plan.map(actionName).join(',')),
    parseDescription,
    sampleFormat: sampleFormat(bucket),
    language,

    start: instance => instance.agent,
    isGoal: (_, state) => state >= DONE,
    step,
    cellAfter: (_, state) => cellIndexToken(agentCell(state)),
    maximumPlanLength,
    straightAhead,
  };
  const world = createWorld(rules);

  function bucket(instance: MiniBehaviourInstance) {
    return bucketOf(instance.size, world.shortestLength(instance));
  }
  return world;
}
