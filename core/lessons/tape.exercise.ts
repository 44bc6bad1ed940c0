/** Exercise of tape.md: the backward pass of a tape of numbers. `npm run exercise -- tape` checks it. */
import { yourTurn } from '../../kernels/your-turn.exercise.js';

/** A number that was computed from others. */
export interface Entry {
  /** Which earlier entries it was computed from; empty for an input. An entry may occur twice. */
  readonly parents: readonly number[];
  /** d(this) / d(parent), one for each of `parents`. */
  readonly partials: readonly number[];
}

/**
 * d(last entry) / d(entry), for every entry of the tape.
 * @param tape in the order of computation: parents stand before their children
 */
export function backward(tape: readonly Entry[]): number[] {
  return yourTurn(
    'begin with 1 at the last entry, visit the entries latest first, and hand each gradient to the parents; what arrives several times adds up',
    tape,
  );
}
