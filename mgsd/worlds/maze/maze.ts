/** Maze as a world: what `createWorld` needs, put together from the files beside this one. */

import { TASK_MAZE } from '../../../models/vocabulary.js';
import { BUCKETS, bucketedGenerator } from '../buckets.js';
import { DOWN, MOVES, RIGHT, cellAt, movesToward, smallestForm, type Action } from '../grid.js';
import { createRenderer } from '../styles.js';
import { createWorld, type World } from '../world.js';
import { MAXIMUM_DRAWS, bucketOf, drawMaze } from './generator.js';
import { LOOKS } from './looks.js';
import { questions, readRecap, recap } from './recap.js';
import { cellMark, isOpen, step, type MazeInstance } from './rules.js';
import { STYLES, placements } from './sprites.js';

const title = 'Maze';
const instanceKey = ({ size, walls, start, target }: MazeInstance): string =>
  `maze:${size}:${walls.join(',')}:${start}:${target}`;

/** Two digits a cell: whether one can go right, and down. */
const layoutKey = (instance: MazeInstance): string => {
  const open = (cell: number, move: Action | undefined) => (isOpen(instance, cell, move!) ? '1' : '0');
  const form = smallestForm(instance.size, (cell, moves) => open(cell, moves[RIGHT]) + open(cell, moves[DOWN]));
  return `maze:${instance.size}:${form}`;
};
const render = createRenderer({ title, styles: STYLES, looks: LOOKS, placements, instanceKey });

/** Maze with these generator options (see buckets.ts); an Error lists wrong ones. */
export function createMaze(rawOptions?: unknown): World<MazeInstance> {
  const difficulty = (instance: MazeInstance): string => bucketOf(instance.size, world.shortestLength(instance));
  const generator = { title, maximumDraws: MAXIMUM_DRAWS, draw: drawMaze, bucketOf: difficulty };

  const world = createWorld<MazeInstance>({
    name: 'maze',
    title,
    taskToken: TASK_MAZE,
    levels: [3, 4, 5, 6],
    actions: MOVES,
    difficulties: BUCKETS,

    generate: bucketedGenerator(generator, rawOptions),
    difficulty,
    instanceKey,
    layoutKey,

    render,
    recap,
    readRecap,
    maximumRecapLength: level => 3 + level * level,
    recapFields: ['size', 'start', 'target', 'open directions'],
    /** Behind size, start and target come the cells' open directions, row by row. */
    recapCell(size, position) {
      const cell = position - 3;
      return cell >= 0 && cell < size * size ? cellAt(Math.floor(cell / size), cell % size) : -1;
    },
    questions,
    cellMark,
    isWalled: (instance, cell, move) => move < MOVES.length && !isOpen(instance, cell, move),

    start: instance => instance.start,
    isGoal: (instance, state) => state === instance.target,
    step,
    // A path that visits every cell; mazes that consist of one exist at every size.
    maximumPlanLength: level => level * level - 1,
    straightAhead: (instance, state) => movesToward(state, instance.target),
  });
  return world;
}
