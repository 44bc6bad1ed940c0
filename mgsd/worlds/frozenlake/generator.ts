/** Random FrozenLake puzzles, and the options of their generator. */

import { z } from 'zod';
import { choose, type RandomSource } from '../world.js';
import { boardCells, cellAt, gridDistances } from '../grid.js';
import { createInstance, type FrozenLakeInstance } from './rules.js';

/** By size: the most holes of a puzzle by default. At p = 0.8 fewer than 4 maps in 10,000 have more. */
const DEFAULT_HOLES: readonly number[] = [0, 0, 2, 7, 9, 12, 16, 20, 24];

const probability = z.number().gt(0).max(1);

const schema = z.strictObject({
  /** Chance that a cell is frozen and not a hole; a pair draws the chance anew for each map, to mix difficulties. */
  frozenProbability: z.union([probability, z.tuple([probability, probability])]).default(0.8),
  /** `random`: any two frozen cells. `corners`: top left and bottom right, as in gymnasium. */
  startGoal: z.enum(['random', 'corners']).default('random'),
  /** As in gymnasium: the two corners are frozen and connected, even where start and goal are drawn elsewhere. */
  connectedCorners: z.boolean().default(false),
  /** Least number of moves from start to goal; the published generator takes 2. */
  minimumDistance: z.int().min(1).default(1),
  /** Most holes; null: no limit; left out: for sizes 3 to 8 7, 9, 12, 16, 20 and 24. */
  maximumHoles: z.int().min(0).nullable().optional(),
});

type FrozenLakeOptions = z.infer<typeof schema>;

/** The checked options with defaults filled in; an Error lists every wrong field. */
export function parseFrozenLakeOptions(raw: unknown): FrozenLakeOptions {
  const result = schema.safeParse(raw ?? {});
  if (!result.success) throw new Error(`FrozenLake options: ${z.prettifyError(result.error)}`);
  return result.data;
}

/** The most holes a puzzle of this size may have. Start and goal stay free. */
export function holeLimit(options: FrozenLakeOptions, size: number): number {
  const limit = options.maximumHoles === undefined ? (DEFAULT_HOLES[size] ?? 0) : (options.maximumHoles ?? Infinity);
  return Math.min(limit, size * size - 2);
}

/** Maps drawn for one puzzle before giving up. */
const MAXIMUM_MAPS = 20_000;
/** Pairs of start and goal drawn on one map before a new map is drawn, as in the published generator. */
const MAXIMUM_PAIRS = 512;

/**
 * A puzzle of side `size` that `accepts` takes and whose goal is `minimumDistance` to `maximumDistance` moves away.
 * Holes are drawn cell by cell; start and goal are drawn afterwards and never add or remove a hole. Error after 20,000
 * maps.
 */
export function generateFrozenLake(
  random: RandomSource,
  size: number,
  options: FrozenLakeOptions,
  maximumDistance: number,
  accepts: (instance: FrozenLakeInstance) => boolean,
): FrozenLakeInstance {
  const cells = boardCells(size);
  const corners = [0, cellAt(size - 1, size - 1)] as const;
  const cornersFree = options.connectedCorners || options.startGoal === 'corners';
  const limit = holeLimit(options, size);
  const inRange = (distance: number | undefined): boolean =>
    distance !== undefined && distance >= options.minimumDistance && distance <= maximumDistance;

  for (let map = 0; map < MAXIMUM_MAPS; map++) {
    const frozen = frozenChance(random, options);
    const holes = cells.filter(cell => random.uniform() >= frozen && !(cornersFree && corners.includes(cell)));
    if (holes.length > limit) continue;
    const blocked = new Set(holes);
    const isHole = (cell: number): boolean => blocked.has(cell);
    if (cornersFree && (gridDistances(size, corners[0], isHole)[corners[1]] ?? -1) < 0) continue;

    const free = cells.filter(cell => !blocked.has(cell));
    const pair = options.startGoal === 'corners' ? corners : drawPair(random, size, free, isHole, inRange);
    if (pair === null || !inRange(gridDistances(size, pair[0], isHole)[pair[1]])) continue;
    const instance = createInstance(size, pair[0], pair[1], holes);
    if (accepts(instance)) return instance;
  }
  throw new Error(
    `no FrozenLake puzzle of size ${size} in ${MAXIMUM_MAPS} maps with frozenProbability ` +
      `${JSON.stringify(options.frozenProbability)}, at most ${limit} holes and ${options.minimumDistance} to ` +
      `${maximumDistance} moves: loosen one of these, or the asked difficulty`,
  );
}

function frozenChance(random: RandomSource, options: FrozenLakeOptions): number {
  const p = options.frozenProbability;
  return typeof p === 'number' ? p : p[0] + random.uniform() * (p[1] - p[0]);
}

/** Start and goal, uniform over the pairs of free cells at a wanted distance; null if 512 draws find none. */
function drawPair(
  random: RandomSource,
  size: number,
  free: readonly number[],
  isHole: (cell: number) => boolean,
  inRange: (distance: number | undefined) => boolean,
): readonly [start: number, goal: number] | null {
  if (free.length < 2) return null;
  const known = new Map<number, Int8Array>();
  for (let pair = 0; pair < MAXIMUM_PAIRS; pair++) {
    const start = choose(random, free);
    const goal = choose(random, free);
    const distances = known.get(start) ?? gridDistances(size, start, isHole);
    known.set(start, distances);
    if (start !== goal && inRange(distances[goal])) return [start, goal];
  }
  return null;
}

/** What a puzzle has that `generateFrozenLake` never draws under these options, undefined if it might. */
export function neverDrawn(
  { size, start, goal, holes }: FrozenLakeInstance,
  options: FrozenLakeOptions,
  maximumDistance: number,
): string | undefined {
  const limit = holeLimit(options, size);
  const moves = gridDistances(size, start, cell => holes.includes(cell))[goal]!;
  if (moves < options.minimumDistance)
    return moves === 1 ? 'a start beside its goal' : `a start less than ${options.minimumDistance} moves from its goal`;
  if (moves > maximumDistance) return `a start more than ${maximumDistance} moves from its goal`;
  if (holes.length > limit) return `more than ${limit} holes`;
  const inCorners = start === 0 && goal === cellAt(size - 1, size - 1);
  return options.startGoal === 'corners' && !inCorners ? 'a start or a goal outside of the corners' : undefined;
}
