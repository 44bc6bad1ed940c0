// The fused decode step, see fused.ts. On wasm launches cost little and the rollout kernel decodes faster: this is the
// same mathematics, with weights read in place.
import { attendOne } from '../attention/attend-one.as';
import { Control, drawToken } from '../random/draw.as';
import { normRows } from './norm-rows.as';
import { at } from '../wasm/simd.as';
import { Finish, multiplyTile, tileColumns, tileRows } from '../wasm/tile.as';

@unmanaged
class LinearArgs {
  x: usize;
  gain: usize;
  shift: usize;
  weight: usize;
  bias: usize;
  residual: usize;
  y: usize;
  rows: i32;
  inputs: i32;
  outputs: i32;
  normalise: i32;
  relu: i32;
  add: i32;
  eps: f32;
  rowsPerUnit: i32;
}

/** One unit is `rowsPerUnit` rows. Scratch: those rows, normalised. */
export function decode_linear(args: LinearArgs, begin: i32, end: i32, scratch: usize): void {
  const inputs = args.inputs;
  const outputs = args.outputs;
  const stride = (<usize>outputs) << 2;
  const finish: i32 = Finish.bias | (args.relu ? Finish.relu : 0) | (args.add ? Finish.residual : 0);
  for (let unit = begin; unit < end; unit++) {
    const first = unit * args.rowsPerUnit;
    const rows = min(args.rowsPerUnit, args.rows - first);
    let x = at(args.x, first * inputs);
    if (args.normalise) {
      normRows(x, scratch, rows, inputs, args.gain, args.shift, args.eps);
      x = scratch;
    }
    for (let j: i32 = 0; j < outputs; j += tileColumns) {
      const weight = at(args.weight, j);
      const bias = at(args.bias, j);
      const columns = min(outputs - j, tileColumns);
      for (let i: i32 = 0; i < rows; i += tileRows) {
        const to = (first + i) * outputs + j;
        const count = min(rows - i, tileRows);
        const from = at(x, i * inputs);
        const add = at(args.residual, to);
        multiplyTile(count, from, (<usize>inputs) << 2, weight, stride, inputs, at(args.y, to), stride, columns, finish, bias, add);
      }
    }
  }
}

@unmanaged
class AttendArgs {
  qkv: usize;
  prefixes: usize;
  weight: usize;
  bias: usize;
  residual: usize;
  cache: usize;
  y: usize;
  rows: i32;
  capacity: i32;
  width: i32;
  heads: i32;
  column: i32;
}

/** One unit is one sequence. Scratch: what attention gives, then the scores of a head. */
export function decode_attend(args: AttendArgs, begin: i32, end: i32, scratch: usize): void {
  const width = args.width;
  const headDim = width / args.heads;
  const scale: f32 = <f32>(1 / sqrt<f64>(<f64>headDim));
  const strideCache = (<usize>(2 * width)) << 2;
  const stride = (<usize>width) << 2;
  const scores = at(scratch, width);
  const finish: i32 = Finish.bias | Finish.residual;
  for (let s = begin; s < end; s++) {
    const last = load<i32>(at(args.prefixes, s)) + args.column;
    const first = at(args.cache, s * args.capacity * 2 * width);
    const q = at(args.qkv, s * 3 * width);
    const row = first + <usize>last * strideCache;
    for (let j: i32 = 0; j < 2 * width; j += 4) v128.store(at(row, j), v128.load(at(q, width + j)));
    for (let d: i32 = 0; d < width; d += headDim) {
      const keys = at(first, d);
      attendOne(at(q, d), keys, at(keys, width), strideCache, last + 1, headDim, scale, scores, at(scratch, d));
    }
    for (let j: i32 = 0; j < width; j += tileColumns) {
      const to = s * width + j;
      const columns = min(width - j, tileColumns);
      const add = at(args.residual, to);
      multiplyTile(1, scratch, stride, at(args.weight, j), stride, width, at(args.y, to), stride, columns, finish, at(args.bias, j), add);
    }
  }
}

@unmanaged
class DrawArgs {
  logits: usize;
  sampling: usize;
  control: Control;
  vectors: usize;
  slots: usize;
  done: usize;
  tokens: usize;
  x: usize;
  rows: i32;
  vocabulary: i32;
  width: i32;
  column: i32;
  stride: i32;
  draw: i32;
  slotted: i32;
}

/** One unit is one sequence. */
export function decode_draw(args: DrawArgs, begin: i32, end: i32, scratch: usize): void {
  const vocabulary = args.vocabulary;
  const width = args.width;
  const control = args.control;
  for (let s = begin; s < end; s++) {
    const place = at(args.tokens, s * args.stride + args.column);
    if (args.draw) {
      const row = at(args.logits, s * vocabulary);
      const temperature = load<f32>(args.sampling);
      let token = control.padding;
      if (load<i32>(at(args.done, s)) == 0)
        token = drawToken(row, at(args.sampling, 1), temperature, control, control.step + args.column, s * vocabulary, vocabulary);
      store<i32>(place, token);
      if (token == control.endOfSequence) store<i32>(at(args.done, s), 1);
    }
    const t = args.column + 1;
    if (t >= args.stride) continue;
    const slot = args.slotted ? load<i32>(at(args.slots, s * args.stride + t)) : -1;
    const vector = at(args.vectors, load<i32>(place) * width);
    const position = at(args.vectors, (vocabulary + 16 + t) * width);
    const slotRow = at(args.vectors, (vocabulary + (slot >> 3)) * width);
    const slotCol = at(args.vectors, (vocabulary + 8 + (slot & 7)) * width);
    for (let j: i32 = 0; j < width; j += 4) {
      let sum = f32x4.add(v128.load(at(vector, j)), v128.load(at(position, j)));
      if (slot >= 0) sum = f32x4.add(sum, f32x4.add(v128.load(at(slotRow, j)), v128.load(at(slotCol, j))));
      v128.store(at(at(args.x, s * width), j), sum);
    }
  }
}
