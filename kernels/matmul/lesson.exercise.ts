/** Exercise of lesson.md: a register tile. `npm run exercise -- matmul` checks it. */
import { yourTurn } from '../your-turn.exercise.js';

/** Rows of C that are computed together. */
export const tileRows = 4;

/**
 * C = A B, so that every element of B is loaded only once for each block of `tileRows` rows.
 * @param size C is m x n, A is m x k, B is k x n; m need not be a multiple of `tileRows`
 * @param loadA the element (i, l) of A @param loadB the element (l, j) of B; both count how often they are asked
 * @returns C, row by row: (m * n)
 */
export function tiledMatmul(
  size: { readonly m: number; readonly n: number; readonly k: number },
  loadA: (i: number, l: number) => number,
  loadB: (l: number, j: number) => number,
): Float64Array {
  return yourTurn(
    'for a block of rows and a column j keep one sum per row; walk along l, load B once, and use it for all of them',
    size,
    loadA,
    loadB,
  );
}
