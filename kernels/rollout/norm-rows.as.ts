// Layer norm of rows, as decoding needs it: their columns are a multiple of four, and statistics are not kept.
import { rowSum } from '../wasm/row.as';
import { at, madd, sumLanes } from '../wasm/simd.as';

/** y = (x - mean) / deviation * gain + bias of rows. */
export function normRows(x: usize, y: usize, rows: i32, cols: i32, gain: usize, bias: usize, eps: f32): void {
  for (let row: i32 = 0; row < rows; row++) {
    const mean = f32x4.splat(rowSum(x, cols) / <f32>cols);
    let squares = f32x4.splat(0);
    for (let j: i32 = 0; j < cols; j += 4) {
      const centred = f32x4.sub(v128.load(at(x, j)), mean);
      squares = madd(centred, centred, squares);
    }
    const rstd = f32x4.splat(<f32>1 / sqrt<f32>(sumLanes(squares) / <f32>cols + eps));
    for (let j: i32 = 0; j < cols; j += 4) {
      const normalised = f32x4.mul(f32x4.sub(v128.load(at(x, j)), mean), rstd);
      v128.store(at(y, j), madd(normalised, v128.load(at(gain, j)), v128.load(at(bias, j))));
    }
    x = at(x, cols);
    y = at(y, cols);
  }
}
