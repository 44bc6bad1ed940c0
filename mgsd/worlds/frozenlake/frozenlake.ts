/** FrozenLake as a world: what `createWorld` needs, put together from the files beside this one. */

import { TASK_FROZENLAKE, cellIndexToken } from '../../../models/vocabulary.js';
import type { Placement } from '../canvas.js';
import { MOVES, actionName, checkSize, colOf, movesToward, rowOf } from '../grid.js';
import { Looks } from '../looks.js';
import { createWorld, type World, type WorldRules } from '../world.js';
import { generateFrozenLake } from './generator.js';
import { holeLimit, parseFrozenLakeOptions } from './options.js';
import { language } from './language.js';
import { questions } from './questions.js';
import { readRecap, recap } from './recap.js';
import { step, type FrozenLakeInstance } from './rules.js';
import { sampleFormat } from './samples.js';
import { LOOKS, type FrozenLakeSprite } from './sprites.js';
import { describe, mapRows, parseDescription } from './text.js';

const instanceKey = (instance: FrozenLakeInstance): string => `frozenlake:${mapRows(instance).join('/')}`;

const looks = new Looks<FrozenLakeInstance, FrozenLakeSprite>('FrozenLake', instanceKey, LOOKS);

function placements({ start, goal, holes }: FrozenLakeInstance): Placement<FrozenLakeSprite>[] {
  const place = (cell: number, sprite: FrozenLakeSprite) => ({ row: rowOf(cell), col: colOf(cell), sprite });
  return [...holes.map(cell => place(cell, 'hole')), place(start, 'start'), place(goal, 'goal')];
}

/** FrozenLake with these generator options (see options.ts); an Error lists wrong ones. */
export function createFrozenLake(rawOptions?: unknown): World<FrozenLakeInstance> {
  const options = parseFrozenLakeOptions(rawOptions);
  // Twice the longest straight walk. Up to size 5 with 8 holes no shortest plan is longer; beyond that, such maps are not used.
  const maximumPlanLength = (level: number): number => 4 * (level - 1);

  const rules: WorldRules<FrozenLakeInstance> = {
    name: 'frozenlake',
    title: 'FrozenLake',
    taskToken: TASK_FROZENLAKE,
    levels: [3, 4, 5, 6, 7, 8],
    actions: MOVES,
    difficulties: ['direct', 'detour'],
    styles: looks.styles,
    answerSeparator: '',

    generate(random, level, request = {}) {
      checkSize(level);
      const wanted = request.difficulty;
      if (wanted !== undefined && !rules.difficulties.includes(wanted))
        throw new RangeError(`FrozenLake has no difficulty '${wanted}': choose ${rules.difficulties.join(' or ')}`);
      return generateFrozenLake(
        random,
        level,
        options,
        maximumPlanLength(level),
        instance => wanted === undefined || rules.difficulty(instance) === wanted,
      );
    },
    difficulty: instance => (world.needsDetour(instance) ? 'detour' : 'direct'),
    instanceKey,
    layoutKey: instance => `frozenlake:${mapRows(instance).join('/').replace(/[SG]/g, 'F')}`,

    render: (instance, pixels, style = 'training') => looks.paint(instance, pixels, style, placements(instance)),
    recap,
    readRecap,
    cellLook({ start, goal, holes }, cell) {
      if (cell === start) return ['S', 'start'];
      if (cell === goal) return ['G', 'goal'];
      return holes.includes(cell) ? ['H', 'obstacle'] : ['.', 'floor'];
    },
    maximumRecapLength: level => 3 + holeLimit(options, level),
    recapFields: ['size', 'start', 'goal', 'holes'],
    questions,
    describe: (instance, variant, plan) =>
      describe(instance, variant, plan === undefined ? null : plan.map(actionName).join('')),
    parseDescription,
    sampleFormat: sampleFormat(options),
    language,

    start: instance => instance.start,
    isGoal: (instance, state) => state === instance.goal,
    step,
    rewardNoOps: ['off-board'],
    cellAfter: (_, state) => cellIndexToken(state),
    maximumPlanLength,
    straightAhead: (instance, state) => movesToward(state, instance.goal),
  };
  const world = createWorld(rules);
  return world;
}
