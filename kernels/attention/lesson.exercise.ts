/** Exercise of lesson.md: attention, backward by hand. `npm run exercise -- attention` checks it. */
import { yourTurn } from '../your-turn.exercise.js';

/** A matrix as rows. */
export type Matrix = readonly (readonly number[])[];

export interface AttentionGradients {
  readonly dq: Matrix;
  readonly dk: Matrix;
  readonly dv: Matrix;
}

/**
 * Gradients of out = softmax(q k^T / sqrt(D)) v for one head, every query seeing every key.
 * @param q (T, D) @param k (T, D) @param v (T, D) @param dout d(loss)/d(out), (T, D)
 */
export function attentionGradients(q: Matrix, k: Matrix, v: Matrix, dout: Matrix): AttentionGradients {
  return yourTurn(
    'compute P again, then dV = P^T dOut, dP = dOut V^T, dS = P (dP - row sums of P dP), and dQ and dK from dS',
    q,
    k,
    v,
    dout,
  );
}
