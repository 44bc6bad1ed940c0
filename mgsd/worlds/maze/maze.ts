/** Maze as a world: what `createWorld` needs, put together from the files beside this one. */

import { TASK_MAZE, cellIndexToken } from '../../../models/vocabulary.js';
import { BUCKETS, generateBucketed, parseBucketOptions } from '../buckets.js';
import { MOVES, actionName, cellAt, checkSize, movesToward } from '../grid.js';
import { Looks } from '../looks.js';
import { createWorld, type World, type WorldRules } from '../world.js';
import { MAXIMUM_DRAWS, bucketOf, drawMaze } from './generator.js';
import { language } from './language.js';
import { questions } from './questions.js';
import { readRecap, recap } from './recap.js';
import { isOpen, step, type MazeInstance } from './rules.js';
import { sampleFormat } from './samples.js';
import { LOOKS, placements, type MazeSprite } from './sprites.js';
import { describe, parseDescription } from './text.js';

const layoutKey = ({ size, walls }: MazeInstance): string => `maze:${size}:${walls.join(',')}`;
const instanceKey = (instance: MazeInstance): string => `${layoutKey(instance)}:${instance.start}:${instance.target}`;

const looks = new Looks<MazeInstance, MazeSprite>('Maze', instanceKey, LOOKS);

/** Maze with these generator options (see buckets.ts); an Error lists wrong ones. */
export function createMaze(rawOptions?: unknown): World<MazeInstance> {
  const options = parseBucketOptions('Maze', rawOptions);
  const rules: WorldRules<MazeInstance> = {
    name: 'maze',
    title: 'Maze',
    taskToken: TASK_MAZE,
    levels: [3, 4, 5, 6],
    actions: MOVES,
    difficulties: BUCKETS,
    styles: looks.styles,
    answerSeparator: '',

    generate(random, level, request = {}) {
      checkSize(level);
      const generator = { title: 'Maze', options, maximumDraws: MAXIMUM_DRAWS, draw: drawMaze, bucketOf: bucket };
      return generateBucketed(generator, random, level, request.difficulty);
    },
    difficulty: bucket,
    instanceKey,
    layoutKey,

    render: (instance, pixels, style = 'training') => looks.paint(instance, pixels, style, placements(instance)),
    recap,
    readRecap,
    cellLook({ start, target }, cell) {
      if (cell === start) return ['S', 'start'];
      return cell === target ? ['T', 'goal'] : ['.', 'floor'];
    },
    isWalled: (instance, cell, move) => move < MOVES.length && !isOpen(instance, cell, move),
    maximumRecapLength: level => 3 + level * level,
    recapFields: ['size', 'start', 'target', 'open directions'],
    questions,
    /** Behind size, start and target come the cells' open directions, row by row. */
    recapCell(size, position) {
      const cell = position - 3;
      return cell >= 0 && cell < size * size ? cellAt(Math.floor(cell / size), cell % size) : -1;
    },
    describe: (instance, variant, plan) =>
      describe(instance, variant, plan === undefined ? null : plan.map(actionName).join('')),
    parseDescription,
    sampleFormat: sampleFormat(bucket),
    language,

    start: instance => instance.start,
    isGoal: (instance, state) => state === instance.target,
    step,
    cellAfter: (_, state) => cellIndexToken(state),
    // A path that visits every cell; mazes that consist of one exist at every size.
    maximumPlanLength: level => level * level - 1,
    /** Straight ahead: the moves that bring the target nearer if there were no walls inside the board. */
    straightAhead: (instance, state) => movesToward(state, instance.target),
  };
  const world = createWorld(rules);

  function bucket(instance: MazeInstance) {
    return bucketOf(instance.size, world.shortestLength(instance));
  }
  return world;
}
