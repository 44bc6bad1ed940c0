/** Exercise of lesson.md: the gradient of an entropy. `npm run exercise -- loss` checks it. */
import { yourTurn } from '../your-turn.exercise.js';

/**
 * d H / d z for H = -sum_k p_k log p_k and p = softmax(z). With it you can write down the gradient of the reverse KL
 * anew: KL(p || q) = -H - sum_k p_k log q_k.
 * @param z logits, (V)
 */
export function entropyGradient(z: readonly number[]): number[] {
  return yourTurn('it is -p_k (something + H); derive the something with d p_j / d z_k = p_j (delta_jk - p_k)', z);
}
