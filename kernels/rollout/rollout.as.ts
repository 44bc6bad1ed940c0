// The rollout: a thread takes a group of sequences through all layers and tokens. A group's activations (100 KiB at the
// width of the smallest preset) stay in the second-level cache, and no thread waits: a decode step of single kernels
// launches forty.
import { Control, drawToken } from '../random/draw.as';
import { attendLast, cacheRow, embedRow } from './decode-rows.as';
import { normRows } from '../layer-norm/layer-norm.as';
import { at } from '../wasm/simd.as';
import { Finish, multiplyTile, packPanel, packTransposed, tileColumns, tileRows } from '../wasm/tile.as';

/** Offsets of a layer in the plan, see rolloutLayerFields in rollout.ts. */
@unmanaged
class Layer {
  attentionGain: i32;
  attentionBias: i32;
  qkvWeight: i32;
  qkvBias: i32;
  outWeight: i32;
  outBias: i32;
  mlpGain: i32;
  mlpBias: i32;
  inWeight: i32;
  inBias: i32;
  mlpOutWeight: i32;
  mlpOutBias: i32;
}
const layerFields = 12;

/** Offsets beside the layers, see rolloutModelFields. */
@unmanaged
class Model {
  gain: i32;
  bias: i32;
  headBias: i32;
  positions: i32;
}
const modelFields = 4;

/** Steps along k between two stores of a tile, as in kernels/matmul: sums are then the same, bit by bit. */
const blockK = 512;

@unmanaged
class RolloutArgs {
  weights: usize;
  tables: usize;
  sampling: usize;
  control: Control;
  plan: usize;
  cache: usize;
  done: usize;
  tokens: usize;
  sequences: i32;
  capacity: i32;
  layers: i32;
  width: i32;
  heads: i32;
  vocabulary: i32;
  column: i32;
  steps: i32;
  stride: i32;
  lists: i32;
  layerStride: i32;
  slotRows: i32;
  weightCount: i32;
  eps: f32;
  sequencesPerUnit: i32;
  panels: usize;
}

/** Columns rounded up to whole panels. */
@inline
function panelled(columns: i32): i32 {
  return (columns + tileColumns - 1) & ~(tileColumns - 1);
}

@inline
function lies(args: RolloutArgs, offset: i32, length: i32): bool {
  return length <= args.weightCount && <u32>offset <= <u32>(args.weightCount - length) && (offset & 3) == 0;
}

/** Whether all parameters lie in the weights, and begin where vec4s do. */
function planFits(args: RolloutArgs): bool {
  const w = args.width;
  for (let l: i32 = 0; l < args.layers; l++) {
    const p = changetype<Layer>(at(args.plan, l * layerFields));
    if (!lies(args, p.attentionGain, w) || !lies(args, p.attentionBias, w) || !lies(args, p.qkvWeight, 3 * w * w)) return false;
    if (!lies(args, p.qkvBias, 3 * w) || !lies(args, p.outWeight, w * w) || !lies(args, p.outBias, w)) return false;
    if (!lies(args, p.mlpGain, w) || !lies(args, p.mlpBias, w) || !lies(args, p.inWeight, 4 * w * w)) return false;
    if (!lies(args, p.inBias, 4 * w) || !lies(args, p.mlpOutWeight, 4 * w * w) || !lies(args, p.mlpOutBias, w)) return false;
  }
  const p = changetype<Model>(at(args.plan, args.layers * layerFields));
  if (!lies(args, p.gain, w) || !lies(args, p.bias, w) || !lies(args, p.headBias, args.vocabulary)) return false;
  return lies(args, p.positions, (args.column + args.steps) * w);
}

/** Elements of a layer's matrices as panels. */
@inline
function layerPanels(width: i32): i32 {
  return width * (panelled(3 * width) + panelled(width) + panelled(4 * width)) + 4 * width * panelled(width);
}

/** Packs matrix[k, n] as panels [k, 8] one after another. */
function packMatrix(panel: usize, matrix: usize, k: i32, n: i32): void {
  const stride = (<usize>n) << 2;
  for (let j: i32 = 0; j < n; j += tileColumns, panel = at(panel, k * tileColumns))
    packPanel(panel, at(matrix, j), stride, n - j, k);
}

/** One unit is one matrix: qkv, out, in and out of every layer, then the head. */
export function rollout_pack(args: RolloutArgs, begin: i32, end: i32, scratch: usize): void {
  if (!planFits(args)) return;
  const width = args.width;
  const size = layerPanels(width);
  for (let unit = begin; unit < end; unit++) {
    const index = unit >> 2;
    let panel = at(args.panels, index * size);
    if (index == args.layers) {
      const head = at(args.tables, args.vocabulary * width);
      for (let j: i32 = 0; j < args.vocabulary; j += tileColumns, panel += (<usize>(width * tileColumns)) << 2)
        packTransposed(panel, at(head, j * width), (<usize>width) << 2, min(args.vocabulary - j, tileColumns), width);
      continue;
    }
    const layer = changetype<Layer>(at(args.plan, index * layerFields));
    const which = unit & 3;
    if (which == 0) packMatrix(panel, at(args.weights, layer.qkvWeight), width, 3 * width);
    panel = at(panel, width * panelled(3 * width));
    if (which == 1) packMatrix(panel, at(args.weights, layer.outWeight), width, width);
    panel = at(panel, width * panelled(width));
    if (which == 2) packMatrix(panel, at(args.weights, layer.inWeight), width, 4 * width);
    panel = at(panel, width * panelled(4 * width));
    if (which == 3) packMatrix(panel, at(args.weights, layer.mlpOutWeight), 4 * width, width);
  }
}

/** c[rows, n] = finish(a[rows, k] times packed panels); rows of c and of the residual lie `stride` elements apart. */
function linear(
  rows: i32,
  a: usize,
  panels: usize,
  k: i32,
  n: i32,
  c: usize,
  stride: i32,
  finish: i32,
  bias: usize,
  residual: usize,
): void {
  const strideA = (<usize>k) << 2;
  const strideC = (<usize>stride) << 2;
  for (let start: i32 = 0; start < k; start += blockK) {
    const steps = min(blockK, k - start);
    const flags = (start > 0 ? Finish.accumulate : 0) | (start + blockK >= k ? finish : 0);
    for (let j: i32 = 0; j < n; j += tileColumns) {
      const panel = at(panels, j * k + start * tileColumns);
      for (let i: i32 = 0; i < rows; i += tileRows) {
        const from = at(a, i * k + start);
        const to = i * stride + j;
        const columns = min(n - j, tileColumns);
        const add = at(residual, to);
        const into = at(c, to);
        const count = min(rows - i, tileRows);
        multiplyTile(count, from, strideA, panel, 4 * tileColumns, steps, into, strideC, columns, flags, at(bias, j), add);
      }
    }
  }
}

/** x = token + position (+ slot) of the token before column t. */
function embed(args: RolloutArgs, model: Model, s: i32, t: i32, x: usize): void {
  const width = args.width;
  const token = load<i32>(at(args.tokens, s * args.stride + t - 1));
  let slot: i32 = -1;
  const first = load<i32>(at(args.tokens, s * args.stride));
  if (args.lists > 0 && <u32>first < <u32>args.vocabulary) {
    const listOf = at(args.plan, args.layers * layerFields + modelFields + args.sequences);
    const list = load<i32>(at(listOf, s * args.vocabulary + first));
    if (<u32>list < <u32>args.lists) slot = load<i32>(at(listOf, args.sequences * args.vocabulary + list * args.stride + t));
    if (slot >= args.slotRows) slot = -1;
  }
  const position = at(args.weights, model.positions + t * width);
  const vector = <u32>token < <u32>args.vocabulary ? at(args.tables, token * width) : 0;
  embedRow(x, vector, position, slot, at(args.tables, 2 * args.vocabulary * width), width);
}

/**
 * One unit is `sequencesPerUnit` sequences, all steps. Scratch: which of them go on, then their rows of x, of x
 * normalised, of qkv and hidden values, of logits, then the scores of a head.
 */
export function rollout(args: RolloutArgs, begin: i32, end: i32, scratch: usize): void {
  if (!planFits(args)) return;
  const width = args.width;
  const weights = args.weights;
  const heads = args.heads;
  const vocabulary = args.vocabulary;
  const capacity = args.capacity;
  const group = args.sequencesPerUnit;
  const panelBytes = (<usize>layerPanels(width)) << 2;
  const model = changetype<Model>(at(args.plan, args.layers * layerFields));
  const prefixes = at(args.plan, args.layers * layerFields + modelFields);
  const active = scratch;
  let x = at(active, (group + 3) & ~3);
  let next = at(x, group * width); // what x becomes: sums must not be written over what they add
  const normed = at(next, group * width);
  const qkv = at(normed, group * width);
  const hidden = at(qkv, group * 3 * width);
  const logits = at(hidden, group * 4 * width);
  const scores = at(logits, group * panelled(vocabulary));
  const finish: i32 = Finish.bias | Finish.residual;

  for (let unit = begin; unit < end; unit++) {
    const last = min(args.sequences, (unit + 1) * group);
    for (let t = args.column; t < args.column + args.steps; t++) {
      let rows: i32 = 0;
      for (let s = unit * group; s < last; s++) {
        if (load<i32>(at(args.done, s)) != 0) continue;
        store<i32>(at(active, rows), s);
        embed(args, model, s, t, at(x, rows * width));
        rows++;
      }
      if (rows == 0) break;

      let panels = args.panels;
      let cache = args.cache;
      for (let l: i32 = 0; l < args.layers; l++) {
        const layer = changetype<Layer>(at(args.plan, l * layerFields));
        let panel = panels;
        normRows(x, normed, rows, width, at(weights, layer.attentionGain), at(weights, layer.attentionBias), args.eps, 0);
        linear(rows, normed, panel, width, 3 * width, qkv, 3 * width, Finish.bias, at(weights, layer.qkvBias), 0);
        panel = at(panel, width * panelled(3 * width));
        for (let i: i32 = 0; i < rows; i++) {
          const s = load<i32>(at(active, i));
          const last = cacheRow(load<i32>(at(prefixes, s)), t, capacity);
          const part = at(cache, s * capacity * 2 * width);
          attendLast(at(qkv, i * 3 * width), part, last, width, heads, scores, at(normed, i * width));
        }
        linear(rows, normed, panel, width, width, next, width, finish, at(weights, layer.outBias), x);
        let previous = x;
        x = next;
        next = previous;
        panel = at(panel, width * panelled(width));
        normRows(x, normed, rows, width, at(weights, layer.mlpGain), at(weights, layer.mlpBias), args.eps, 0);
        linear(rows, normed, panel, width, 4 * width, hidden, 4 * width, Finish.bias | Finish.relu, at(weights, layer.inBias), 0);
        panel = at(panel, width * panelled(4 * width));
        linear(rows, hidden, panel, 4 * width, width, next, width, finish, at(weights, layer.mlpOutBias), x);
        previous = x;
        x = next;
        next = previous;
        panels += panelBytes;
        cache = at(cache, args.layerStride);
      }
      normRows(x, normed, rows, width, at(weights, model.gain), at(weights, model.bias), args.eps, 0);
      const headBias = at(weights, model.headBias);
      linear(rows, normed, panels, width, vocabulary, logits, panelled(vocabulary), Finish.bias, headBias, 0);

      for (let i: i32 = 0; i < rows; i++) {
        const s = load<i32>(at(active, i));
        const row = at(logits, i * panelled(vocabulary));
        const temperature = load<f32>(args.sampling);
        const token = drawToken(row, at(args.sampling, 1), temperature, args.control, t, s * vocabulary, vocabulary);
        store<i32>(at(args.tokens, s * args.stride + t), token);
        if (token == args.control.endOfSequence) store<i32>(at(args.done, s), 1);
      }
    }
  }
}
