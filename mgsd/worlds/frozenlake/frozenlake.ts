/** FrozenLake as a world: what `createWorld` needs, put together from the files beside this one. */

import { TASK_FROZENLAKE } from '../../../models/vocabulary.js';
import { MOVES, checkSize, movesToward, smallestForm } from '../grid.js';
import { createRenderer } from '../styles.js';
import { createWorld, type World } from '../world.js';
import { generateFrozenLake, holeLimit, neverDrawn, parseFrozenLakeOptions } from './generator.js';
import { LOOKS } from './looks.js';
import { questions, readRecap, recap } from './recap.js';
import { cellMark, mapRows, step, type FrozenLakeInstance } from './rules.js';
import { STYLES, placements } from './sprites.js';

const title = 'FrozenLake';
const instanceKey = (instance: FrozenLakeInstance): string => `frozenlake:${mapRows(instance).join('/')}`;
const render = createRenderer({ title, styles: STYLES, looks: LOOKS, placements, instanceKey });

/** FrozenLake with these generator options (see generator.ts); an Error lists wrong ones. */
export function createFrozenLake(rawOptions?: unknown): World<FrozenLakeInstance> {
  const options = parseFrozenLakeOptions(rawOptions);
  // Twice the longest straight walk. Up to size 5 no shortest plan is longer; beyond that, such maps are not used.
  const maximumPlanLength = (level: number): number => 4 * (level - 1);
  const difficulty = (instance: FrozenLakeInstance): string => (world.needsDetour(instance) ? 'detour' : 'direct');

  const world = createWorld<FrozenLakeInstance>({
    name: 'frozenlake',
    title,
    taskToken: TASK_FROZENLAKE,
    levels: [3, 4, 5, 6, 7, 8],
    actions: MOVES,
    difficulties: ['direct', 'detour'],

    generate(random, level, wanted) {
      checkSize(level);
      const accepts = (instance: FrozenLakeInstance) => wanted === undefined || difficulty(instance) === wanted;
      return generateFrozenLake(random, level, options, maximumPlanLength(level), accepts);
    },
    difficulty,
    instanceKey,
    layoutKey: ({ size, holes }) =>
      `frozenlake:${size}:${smallestForm(size, cell => (holes.includes(cell) ? 'H' : 'F'))}`,

    render,
    recap,
    readRecap,
    maximumRecapLength: level => 3 + holeLimit(options, level),
    recapFields: ['size', 'start', 'goal', 'holes'],
    questions,
    neverDrawn: instance => neverDrawn(instance, options, maximumPlanLength(instance.size)),
    cellMark,

    start: instance => instance.start,
    isGoal: (instance, state) => state === instance.goal,
    step,
    maximumPlanLength,
    straightAhead: (instance, state) => movesToward(state, instance.goal),
  });
  return world;
}
