/** Exercise of stage2.md: a gradient from a single token. `npm run exercise -- stage2` checks it. */
import { yourTurn } from '../../kernels/your-turn.exercise.js';

/**
 * The estimate of d KL(p || q) / d z from one token that was drawn from p = softmax(z), as a policy gradient: minus the
 * advantage log q_y - log p_y + baseline, times d log p_y / d z.
 * @param z logits of the student, (V)
 * @param logQ log-probabilities of the teacher, (V)
 * @param token the one that was drawn
 * @returns (V); its mean over tokens drawn from p is the exact gradient, whatever the baseline
 */
export function sampledGradient(
  z: readonly number[],
  logQ: readonly number[],
  token: number,
  baseline: number,
): number[] {
  return yourTurn('d log p_y / d z_k is 1 - p_k for k = y and -p_k elsewhere', z, logQ, token, baseline);
}
