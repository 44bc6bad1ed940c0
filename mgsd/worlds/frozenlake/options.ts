/** The settings of FrozenLake's generator, checked. */

import { z } from 'zod';

/** Per size: the most holes that a puzzle has by default, about the 95th percentile at p = 0.8 and above. */
const DEFAULT_HOLES: readonly number[] = [0, 0, 8, 8, 8, 8, 10, 13, 17];

const probability = z.number().gt(0).max(1);

const schema = z.strictObject({
  /** Chance that a cell is frozen and not a hole; a pair draws the chance anew for each map, to mix difficulties. */
  frozenProbability: z.union([probability, z.tuple([probability, probability])]).default(0.8),
  /** `random`: any two frozen cells. `corners`: top left and bottom right, as in gymnasium. */
  startGoal: z.enum(['random', 'corners']).default('random'),
  /** gymnasium's map: the two corners are frozen and connected, also where start and goal are then drawn elsewhere. */
  connectedCorners: z.boolean().default(false),
  /** Least number of moves from start to goal. */
  minimumDistance: z.int().min(1).default(2),
  /** Most holes; null: no limit; left out: 8 up to size 5, then 10, 13 and 17. */
  maximumHoles: z.int().min(0).nullable().optional(),
});

export type FrozenLakeOptions = z.infer<typeof schema>;

/** gymnasium's random map and the published generator's defaults: corners, p = 0.9, any number of holes. */
export const GYMNASIUM_OPTIONS = {
  frozenProbability: 0.9,
  startGoal: 'corners',
  connectedCorners: true,
  minimumDistance: 2,
  maximumHoles: null,
} as const satisfies FrozenLakeOptions;

/** The checked options with defaults filled in; an Error lists every wrong field. */
export function parseFrozenLakeOptions(raw: unknown): FrozenLakeOptions {
  const result = schema.safeParse(raw ?? {});
  if (!result.success) throw new Error(`FrozenLake options: ${z.prettifyError(result.error)}`);
  return result.data;
}

/** The most holes a puzzle of this size may have. Start, goal and a cell between them stay free. */
export function holeLimit(options: FrozenLakeOptions, size: number): number {
  const limit = options.maximumHoles === undefined ? (DEFAULT_HOLES[size] ?? 0) : (options.maximumHoles ?? Infinity);
  return Math.min(limit, size * size - 2);
}
