/** Difficulty buckets by the length of the shortest plan, as in the published generators of Maze and MiniBehaviour. */

import { z } from 'zod';
import type { RandomSource, WorldInstance } from './world.js';
import { choose } from './world.js';

export const BUCKETS = ['easy', 'medium', 'hard'] as const;

export type Bucket = (typeof BUCKETS)[number];

const schema = z.strictObject({
  /**
   * Buckets of puzzles for which no difficulty is asked. `natural`: as they come. `balanced`: all equally often, as in
   * the published generators, which take them in turn.
   */
  buckets: z.enum(['natural', 'balanced']).default('natural'),
});

/** How a world draws its puzzles. */
interface BucketedGenerator<I extends WorldInstance> {
  readonly title: string;
  /** Puzzles drawn for one wanted bucket before giving up. */
  readonly maximumDraws: number;
  readonly draw: (random: RandomSource, size: number) => I;
  readonly bucketOf: (instance: I) => string;
}

/**
 * A function that draws a puzzle of side `size` from the wanted bucket, or from any if none is wanted. Never one from
 * another bucket: after `maximumDraws` draws it throws an Error.
 * @param rawOptions as a config file has them; an Error lists every wrong field
 */
export function bucketedGenerator<I extends WorldInstance>(
  { title, maximumDraws, draw, bucketOf }: BucketedGenerator<I>,
  rawOptions: unknown,
): (random: RandomSource, size: number, difficulty?: string) => I {
  const { success, data, error } = schema.safeParse(rawOptions ?? {});
  if (!success) throw new Error(`${title} options: ${z.prettifyError(error)}`);
  return (random, size, difficulty) => {
    const wanted = difficulty ?? (data.buckets === 'balanced' ? choose(random, BUCKETS) : undefined);
    for (let i = 0; i < maximumDraws; i++) {
      const instance = draw(random, size);
      if (wanted === undefined || bucketOf(instance) === wanted) return instance;
    }
    throw new Error(
      `no ${title} puzzle of size ${size} and difficulty '${wanted!}' in ${maximumDraws} draws: ` +
        `ask for another difficulty or size, or leave the difficulty out`,
    );
  };
}
