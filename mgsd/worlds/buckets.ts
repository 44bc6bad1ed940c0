/** Difficulty buckets by the length of the shortest plan, as the published generators of Maze and MiniBehaviour have them. */

import { z } from 'zod';
import type { RandomSource, WorldInstance } from './world.js';
import { choose } from './world.js';

export const BUCKETS = ['easy', 'medium', 'hard'] as const;

export type Bucket = (typeof BUCKETS)[number];

const schema = z.strictObject({
  /**
   * Buckets of puzzles for which no difficulty is asked. `natural`: as they come. `balanced`: each bucket as often as the
   * others, as in the published generators, which take them in turn.
   */
  buckets: z.enum(['natural', 'balanced']).default('natural'),
});

export type BucketOptions = z.infer<typeof schema>;

/** The checked options with defaults filled in; an Error lists every wrong field. */
export function parseBucketOptions(title: string, raw: unknown): BucketOptions {
  const result = schema.safeParse(raw ?? {});
  if (!result.success) throw new Error(`${title} options: ${z.prettifyError(result.error)}`);
  return result.data;
}

/** How a world draws its puzzles. */
export interface BucketedGenerator<I extends WorldInstance> {
  readonly title: string;
  readonly options: BucketOptions;
  /** Puzzles drawn for one asked bucket before giving up. */
  readonly maximumDraws: number;
  readonly draw: (random: RandomSource, size: number) => I;
  readonly bucketOf: (instance: I) => Bucket;
}

/**
 * A puzzle of side `size` from the wanted bucket, or from any if none is wanted. Never one from another bucket: after
 * `maximumDraws` draws it is an Error. RangeError for a difficulty that does not exist.
 */
export function generateBucketed<I extends WorldInstance>(
  { title, options, maximumDraws, draw, bucketOf }: BucketedGenerator<I>,
  random: RandomSource,
  size: number,
  difficulty?: string,
): I {
  const wanted = difficulty ?? (options.buckets === 'balanced' ? choose(random, BUCKETS) : undefined);
  if (wanted === undefined) return draw(random, size);
  if (!BUCKETS.some(bucket => bucket === wanted))
    throw new RangeError(`${title} has no difficulty '${wanted}': choose one of ${BUCKETS.join(', ')}`);
  for (let i = 0; i < maximumDraws; i++) {
    const instance = draw(random, size);
    if (bucketOf(instance) === wanted) return instance;
  }
  throw new Error(
    `no ${title} puzzle of size ${size} and difficulty '${wanted}' in ${maximumDraws} draws: ` +
      `ask for another difficulty or size, or leave the difficulty out`,
  );
}
