import { coefficients, steps } from '../../../kernels/optimizer/muon.exercise.js';
import type { Matrix } from '../../../kernels/optimizer/muon.exercise.js';

const product = (a: Matrix, b: Matrix): Matrix =>
  a.map(row => b[0]!.map((_, j) => row.reduce((sum, value, l) => sum + value * b[l]![j]!, 0)));

export function orthogonalize(u: Matrix): Matrix {
  const { a, b, c } = coefficients;
  const norm = Math.hypot(...u.flat());
  if (norm === 0) return u;
  let x: Matrix = u.map(row => row.map(value => value / norm));
  for (let step = 0; step < steps; step++) {
    const gram = product(
      x,
      x[0]!.map((_, j) => x.map(row => row[j]!)),
    );
    const square = product(gram, gram);
    const p = gram.map((row, i) => row.map((g, j) => (i === j ? a : 0) + b * g + c * square[i]![j]!));
    x = product(p, x);
  }
  return x;
}
