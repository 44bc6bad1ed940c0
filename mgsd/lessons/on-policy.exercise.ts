/** Exercise of on-policy.md: how mistakes add up. `npm run exercise -- on-policy` checks it. */
import { yourTurn } from '../../kernels/your-turn.exercise.js';

/**
 * Expected number of mistakes in a plan of `length` steps. On the teacher's path the student errs with chance `error`
 * at each step, and a mistake takes it off the path. Off the path it errs with chance `lost` at each step and never
 * finds back.
 */
export function expectedMistakes(length: number, error: number, lost: number): number {
  return yourTurn('carry along the chance of still being on the path, step by step', length, error, lost);
}
