/**
 * The split into training and test puzzles. It goes by layout, not by puzzle: all puzzles that share a layout
 * (FrozenLake: the holes; Maze: the walls; MiniBehaviour: table and printer), rotated and mirrored ones included, fall
 * on the same side, so nothing about a test board can be learnt from a training board. The side is a pure function of
 * the layout's text; no list has to be kept.
 */

import { crc32 } from '../worlds/crc32.js';
import type { RandomSource, World, WorldInstance } from '../worlds/world.js';

/** Name of this split in checkpoints. Before it, mirror images of a layout could fall on different sides. */
export const splitName = 'symmetric-layouts';

/**
 * Name, in checkpoints, of the way in which puzzles are drawn: another one whenever random numbers, a generator or its
 * default options change, since the same seed then draws other pools. Before it, FrozenLake's start and goal were never
 * neighbours.
 */
export const drawsName = 'near-goals';

/** Training or held-out puzzles. */
export type SplitName = 'train' | 'test';

/** One layout in this many is a test layout. */
const TEST_SHARE = 8;

/** The side of a layout: test if the CRC-32 (IEEE, as in zip and PNG) of its UTF-8 text is divisible by 8. */
export function splitOfLayout(layoutKey: string): SplitName {
  return crc32(layoutKey) % TEST_SHARE === 0 ? 'test' : 'train';
}

/** The side of a puzzle: that of its layout. */
export function splitOf<I extends WorldInstance>(world: World<I>, instance: I): SplitName {
  return splitOfLayout(world.layoutKey(instance));
}

/** Told how many of a board's puzzles are drawn. */
export type DrawObserver = (board: string, drawn: number, total: number) => void;

/** Which puzzles are wanted, and how many. */
export interface PoolRequest {
  readonly split: SplitName;
  readonly count: number;
  /** One of the world's difficulties. Left out: as they come. */
  readonly difficulty?: string | undefined;
  /**
   * Difficulties to be taken in turn, so that each has an equal share; instead of `difficulty`. One that runs out is
   * reported to `onExhausted` and the others make up the number; it is an Error only when all have.
   */
  readonly turns?: readonly string[] | undefined;
  /** Told of a difficulty that has run out. */
  readonly onExhausted?: (difficulty: string) => void;
  /** Told of every thousandth puzzle: large pools take long. */
  readonly onDrawn?: DrawObserver | undefined;
  /** Keys (`instanceKey`) of puzzles that must not come again, for instance those of an earlier pool. */
  readonly exclude?: ReadonlySet<string>;
}

/**
 * Draws in a row that bring nothing new before a pool is given up: at least this many, and 1000 for each wanted puzzle
 * where few are missing. Where many are, one of them would have come long before.
 */
const PATIENCE = 100_000;
const FEW = 100;
/** The same before one of several difficulties is. Drawing from a rare one takes long. */
const TURN_PATIENCE = 20_000;
/**
 * What comes ever more rarely is given up once what is missing would take more draws than this at the present pace: as
 * many draws as the last new puzzles took, in a mean over about fifty.
 */
const HOPELESS = 20_000_000;
const RECENT = 50;
/** A pace that is no sign of want: one draw in eight or so is on the test side of the split. */
const USUAL = 100;

/**
 * `count` different puzzles of one level on one side of the split, in the order in which they were drawn: the same for
 * the same random numbers, and the first k of a larger pool. An Error says how many there seem to be if they run out.
 */
export function instancePool<I extends WorldInstance>(
  world: World<I>,
  level: number,
  random: RandomSource,
  { split, count, exclude, difficulty, turns = [], onExhausted, onDrawn }: PoolRequest,
): I[] {
  const pool: I[] = [];
  const seen = new Set(exclude);
  const paces = new Map<string | undefined, number>();
  let open = turns;
  let idle = 0;
  const leaveOut = (name: string) => {
    open = open.filter(other => other !== name);
    idle = 0;
    onExhausted?.(name);
  };
  const outOf = (draws: number, only = 'only', nothing = 'nothing new in') =>
    new Error(
      `${world.title} level ${level} seems to have ${only} ${pool.length} different ${split} puzzles under these options, ` +
        `not ${count}: ${nothing} ${draws} draws. Ask for fewer, or widen the generator's options`,
    );
  while (pool.length < count) {
    const wanted = open[pool.length % open.length] ?? difficulty;
    const long = count - pool.length > FEW ? 0 : 1000 * Math.min(count, 1000);
    const patience = open.length > 1 ? TURN_PATIENCE : Math.max(PATIENCE, long);
    let instance: I;
    try {
      instance = world.generate(random, level, wanted);
    } catch (error) {
      if (wanted === undefined || turns.length < 2 || error instanceof RangeError) throw error;
      if (open.length < 2) throw outOf(patience); // the generator itself found none
      leaveOut(wanted);
      continue;
    }
    const key = world.instanceKey(instance);
    if (seen.has(key) || splitOf(world, instance) !== split) {
      idle++;
      if (idle > patience && wanted !== undefined && open.length > 1) leaveOut(wanted);
      else if (idle > patience) throw outOf(patience);
      continue;
    }
    const pace = paces.get(wanted) ?? 0;
    paces.set(wanted, pace + (idle + 1 - pace) / RECENT);
    idle = 0;
    seen.add(key);
    pool.push(instance);
    if (pool.length % 1000 === 0) onDrawn?.(`${world.name} ${level}`, pool.length, count);
    const fastest = Math.min(...(open.length > 0 ? open : [difficulty]).map(name => paces.get(name) ?? 0));
    if (fastest > USUAL && fastest * (count - pool.length) > HOPELESS)
      throw outOf(Math.round(fastest), 'hardly more than', 'a new one takes');
  }
  return pool;
}

/**
 * Throws an Error that names the first layout found on both sides. The split makes that impossible for generated pools;
 * puzzles read from files go through here before they are called held-out.
 */
export function assertNoLeak<I extends WorldInstance>(world: World<I>, train: Iterable<I>, test: Iterable<I>): void {
  const layouts = new Set(Array.from(test, instance => world.layoutKey(instance))); // by far the smaller set
  for (const instance of train) {
    const key = world.layoutKey(instance);
    if (layouts.has(key)) throw new Error(`the layout ${key} occurs in training and in test puzzles`);
  }
}
