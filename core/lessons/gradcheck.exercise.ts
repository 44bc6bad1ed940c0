/** Exercise of gradcheck.md: a numeric gradient that can be trusted. `npm run exercise -- gradcheck` checks it. */
import { yourTurn } from '../../kernels/your-turn.exercise.js';

/**
 * The gradient of f at x by central differences: its error must shrink with the square of `step`.
 * @param x is left as it was
 */
export function numericGradient(f: (x: Float64Array) => number, x: Float64Array, step: number): Float64Array {
  return yourTurn(
    'move one element at a time by +step and by -step, and divide by the distance of the two',
    f(x),
    step,
  );
}
