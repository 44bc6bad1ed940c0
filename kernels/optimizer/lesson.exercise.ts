/** Exercise of lesson.md: AdamW with a loss scale. `npm run exercise -- optimizer` checks it. */
import { yourTurn } from '../your-turn.exercise.js';

export interface Hyper {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** What an optimiser remembers; all arrays have one element per parameter. */
export interface State {
  readonly parameters: readonly number[];
  readonly m: readonly number[];
  readonly v: readonly number[];
  /** Updates that were taken. */
  readonly step: number;
  /** The factor that the loss was multiplied with before its gradient was taken. */
  readonly lossScale: number;
}

/**
 * The state after one update.
 * @param scaledGradient the gradient of lossScale * loss; if any element is not finite, nothing changes but the scale,
 * which
 *   is halved (not below 1)
 */
export function adamwStep(state: State, scaledGradient: readonly number[], hyper: Hyper): State {
  return yourTurn(
    'skip or unscale; then m, v, their bias corrections 1 - beta^step with the new step, and the decay that is no part of the gradient',
    state,
    scaledGradient,
    hyper,
  );
}
