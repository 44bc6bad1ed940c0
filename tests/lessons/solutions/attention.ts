import type { AttentionGradients, Matrix } from '../../../kernels/attention/lesson.exercise.js';

const transposed = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map(row => row[j]!));
const product = (a: Matrix, b: Matrix): Matrix =>
  a.map(row => b[0]!.map((_, j) => row.reduce((total, value, l) => total + value * b[l]![j]!, 0)));

export function attentionGradients(q: Matrix, k: Matrix, v: Matrix, dout: Matrix): AttentionGradients {
  const scale = 1 / Math.sqrt(q[0]!.length);
  const p = product(q, transposed(k)).map(row => {
    const e = row.map(score => Math.exp(scale * score));
    const total = e.reduce((a, b) => a + b, 0);
    return e.map(value => value / total);
  });
  const dp = product(dout, transposed(v));
  const ds = p.map((row, i) => {
    const mean = row.reduce((total, value, j) => total + value * dp[i]![j]!, 0);
    return row.map((value, j) => scale * value * (dp[i]![j]! - mean));
  });
  return { dq: product(ds, k), dk: product(transposed(ds), q), dv: product(transposed(p), dout) };
}
