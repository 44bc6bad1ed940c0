// The fused decode step, see fused.ts. On wasm launches cost little and the rollout kernel decodes faster: this is the
// same mathematics, with weights read in place.
import { Control, drawToken } from '../random/draw.as';
import { attendLast, cacheRow, embedRow } from './decode-rows.as';
import { normRows } from '../layer-norm/layer-norm.as';
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
      normRows(x, scratch, rows, inputs, args.gain, args.shift, args.eps, 0);
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
  control: Control;
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
}

/** One unit is one sequence. Scratch: what attention gives, then the scores of a head. */
export function decode_attend(args: AttendArgs, begin: i32, end: i32, scratch: usize): void {
  const width = args.width;
  const stride = (<usize>width) << 2;
  const scores = at(scratch, width);
  const finish: i32 = Finish.bias | Finish.residual;
  for (let s = begin; s < end; s++) {
    const last = cacheRow(load<i32>(at(args.prefixes, s)), args.control.column, args.capacity);
    const part = at(args.cache, s * args.capacity * 2 * width);
    attendLast(at(args.qkv, s * 3 * width), part, last, width, args.heads, scores, scratch);
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
  positions: i32;
  width: i32;
  stride: i32;
  draw: i32;
  slotRows: i32;
}

/** One unit is one sequence. */
export function decode_draw(args: DrawArgs, begin: i32, end: i32, scratch: usize): void {
  const vocabulary = args.vocabulary;
  const width = args.width;
  const control = args.control;
  const column = control.column;
  if (<u32>column >= <u32>args.stride) return;
  for (let s = begin; s < end; s++) {
    const place = at(args.tokens, s * args.stride + column);
    if (args.draw) {
      const row = at(args.logits, s * vocabulary);
      const temperature = load<f32>(args.sampling);
      let token = control.padding;
      if (load<i32>(at(args.done, s)) == 0)
        token = drawToken(row, at(args.sampling, 1), temperature, control, column, s * vocabulary, vocabulary);
      store<i32>(place, token);
      if (token == control.endOfSequence) store<i32>(at(args.done, s), 1);
    }
    const t = column + 1;
    if (t >= args.stride) continue;
    let slot = args.slotRows > 0 ? load<i32>(at(args.slots, s * args.stride + t)) : -1;
    if (slot >= args.slotRows) slot = -1;
    const token = load<i32>(place);
    const positions = at(args.vectors, vocabulary * width);
    const slots = at(positions, args.positions * width);
    const vector = <u32>token < <u32>vocabulary ? at(args.vectors, token * width) : 0;
    embedRow(at(args.x, s * width), vector, at(positions, t * width), slot, slots, width);
  }
}
