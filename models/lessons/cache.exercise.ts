/** Exercise of cache.md: sampling without a cumulated sum. `npm run exercise -- cache` checks it. */
import { yourTurn } from '../../kernels/your-turn.exercise.js';

/**
 * A token from softmax(logits / temperature) by the Gumbel-max trick; the largest logit, the first of equals, for
 * temperature 0.
 * @param uniform one number in (0, 1) per logit
 */
export function sampleToken(logits: readonly number[], temperature: number, uniform: readonly number[]): number {
  return yourTurn('the largest of logit / temperature - log(-log(u)) wins', logits, temperature, uniform);
}
