/** Exercise of muon.md: the orthogonal matrix of an update. `npm run exercise -- muon` checks it. */
import { yourTurn } from '../your-turn.exercise.js';

/** Rows of equal length. */
export type Matrix = readonly (readonly number[])[];

export const coefficients = { a: 3.4445, b: -4.775, c: 2.0315 };
export const steps = 5;

/**
 * The matrix with the singular vectors of u, whose singular values are phi(phi(phi(phi(phi(s / |u|))))). Here |u| is
 * the root of the sum of all squares, and phi(s) = a s + b s^3 + c s^5. Zeros for zeros.
 */
export function orthogonalize(u: Matrix): Matrix {
  return yourTurn('divide u by |u|; then replace x by a x + (b g + c g g) x with g = x x^T, five times', u);
}
