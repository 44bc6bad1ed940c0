/**
 * What generation needs beside the ops with gradients: cache rows, attention over a cache, sampling. Nothing here is
 * recorded.
 */
import {
  decodeAttendKernel,
  decodeDrawKernel,
  decodeLinearKernel,
  rolloutKernel,
  sampleTokensKernel,
  scatterRowsKernel,
} from '../../kernels/index.js';
import type { DType } from '../../kernels/index.js';
import { contiguous } from '../primitives.js';
import { rowsAndCols, sizeAt } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { attend } from './network.js';

/**
 * cache[rows[i]] = keys and values of qkv[i]: qkv (R, 3C), cache (capacity, 2C), rows i32 (R), all different; none for
 * a row that the cache lacks.
 */
export function writeCacheRows(cache: Tensor, qkv: Tensor, rows: Tensor): void {
  const { rows: tableRows, cols } = rowsAndCols(cache.shape);
  const params = { rows: rows.size, cols, stride: (cols * 3) / 2, offset: cols / 2, tableRows };
  cache.device.launch(scatterRowsKernel, { x: contiguous(qkv), index: rows, y: cache }, params);
}

/** Where the queries and keys of each sequence lie in a key-value cache. */
export interface CacheView {
  readonly heads: number;
  /** i32 (sequences, 6); keys are rows of the cache. */
  readonly table: Tensor;
  /** Most keys of a sequence. */
  readonly maxKeys: number;
}

/**
 * Attention of new rows to cached ones: queries from qkv (R, 3C), keys and values from cache (capacity, 2C) -> (R,
 * C). A sequence has one query.
 */
export function attentionOverCache(qkv: Tensor, cache: Tensor, view: CacheView): Tensor {
  return attend(contiguous(qkv), cache, { ...view, maxQueries: 1 }).out;
}

/** What sampling reads and writes on the device: noise coordinates, temperature, and which sequences have ended. */
export interface SamplingState {
  /** (B, V). */
  readonly logits: Tensor;
  /** f32 (V), added to the logits: a large negative number forbids a token. */
  readonly bias: Tensor;
  /** f32 [1]; 0 is greedy. */
  readonly temperature: Tensor;
  /** i32 [5], see `controlFields` in kernels/random. */
  readonly control: Tensor;
  /** i32 (B): 1 where a sequence has ended; updated. */
  readonly done: Tensor;
  /** i32 (B, steps): one column is written. */
  readonly tokens: Tensor;
  /** i32 (B): written. */
  readonly next: Tensor;
}

/** Samples one token per row into `tokens[:, column]` and `next`. */
export function sampleTokens(state: SamplingState, column: number): void {
  const logits = contiguous(state.logits);
  const params = { ...rowsAndCols(logits.shape), column, stride: sizeAt(state.tokens.shape, 1) };
  logits.device.launch(sampleTokensKernel, { ...state, logits }, params);
}

/** A decoder, its cache and its tokens, as the rollout kernel takes them. */
export interface RolloutState {
  /** All parameters, flat. */
  readonly weights: Tensor;
  /** Vectors of tokens, of the head, and, where there are lists, of slots: (2 V + slots, C). */
  readonly tables: Tensor;
  /** f32 (1 + V): temperature, then the bias of every token. */
  readonly sampling: Tensor;
  /** i32 [5], see `controlFields` in kernels/random. */
  readonly control: Tensor;
  /** i32, see `rolloutPlan` in kernels/rollout. */
  readonly plan: Tensor;
  /** (layers * layerStride): keys and values of all layers; updated. */
  readonly cache: Tensor;
  /** i32 (B): 1 where a sequence has ended; updated. */
  readonly done: Tensor;
  /** i32 (B, steps): updated. */
  readonly tokens: Tensor;
}

/** Sizes of a model and its cache, as the fused rollout needs them. */
export interface RolloutShape {
  /** Cache rows per sequence. */
  readonly capacity: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  /** Lists of slots in the plan. */
  readonly lists: number;
  /** Elements from one layer's cache to the next. */
  readonly layerStride: number;
}

/**
 * Samples tokens[:, column .. column + steps - 1] of all sequences that have not ended, each from the one before it.
 */
export function rollout(state: RolloutState, shape: RolloutShape, column: number, steps: number): void {
  const { rows: sequences, cols: stride } = rowsAndCols(state.tokens.shape);
  const vocabulary = state.sampling.size - 1;
  const lengths = { slotRows: sizeAt(state.tables.shape, 0) - 2 * vocabulary, weightCount: state.weights.size };
  const params = { ...shape, ...lengths, sequences, stride, vocabulary, column, steps, eps: 1e-5 };
  state.weights.device.launch(rolloutKernel, { ...state }, params);
}

/** What `decodeLinear` does beside the product. */
export interface DecodeLinear {
  /** (K, N). */
  readonly weight: Tensor;
  /** (N). */
  readonly bias: Tensor;
  /** Layer norm of x before the product: (K) each. */
  readonly norm?: { readonly gain: Tensor; readonly bias: Tensor };
  readonly relu?: boolean;
  /** Added at the end: (R, N). */
  readonly residual?: Tensor;
  readonly dtype: DType;
}

/** norm(x) weight + bias, ReLU, + residual in one launch: (R, K) -> (R, N), both widths multiples of four. */
export function decodeLinear(x: Tensor, { weight, bias, norm, relu, residual, dtype }: DecodeLinear): Tensor {
  const { rows, cols: inputs } = rowsAndCols(x.shape);
  const outputs = sizeAt(weight.shape, 1);
  const y = x.device.empty([rows, outputs], dtype, 'decodeLinear');
  const buffers = { x, gain: norm?.gain ?? x, shift: norm?.bias ?? x, weight, bias, residual: residual ?? x, y };
  const flags = { normalise: norm ? 1 : 0, relu: relu ? 1 : 0, add: residual ? 1 : 0 };
  x.device.launch(decodeLinearKernel, buffers, { rows, inputs, outputs, ...flags, eps: 1e-5 });
  return y;
}

/** What `decodeAttend` reads and writes. */
export interface DecodeAttend {
  /** i32 [6], see `controlFields` in kernels/random; the last is the column. */
  readonly control: Tensor;
  /** One layer: (B * capacity, 2C); a row per sequence is written. */
  readonly cache: Tensor;
  /** i32 (B): the cache row of column 0 in each sequence's part. */
  readonly prefixes: Tensor;
  readonly capacity: number;
  readonly heads: number;
  /** (C, C) and (C). */
  readonly weight: Tensor;
  readonly bias: Tensor;
  /** (B, C). */
  readonly residual: Tensor;
}

/**
 * Keys and values of qkv (B, 3C) to the cache, attention over it, out projection, + residual in one launch -> (B, C).
 */
export function decodeAttend(qkv: Tensor, { capacity, heads, ...tensors }: DecodeAttend): Tensor {
  const { residual } = tensors;
  const { rows, cols: width } = rowsAndCols(residual.shape);
  const y = qkv.device.empty([rows, width], residual.dtype, 'decodeAttend');
  qkv.device.launch(decodeAttendKernel, { qkv, ...tensors, y }, { rows, capacity, width, heads });
  return y;
}

/** What `decodeDraw` reads and writes. */
export interface DecodeDraw {
  /** f32 (1 + V): temperature, then the bias of every token. */
  readonly sampling: Tensor;
  /** i32 [6], see `controlFields` in kernels/random; the last is the column. */
  readonly control: Tensor;
  /** Vectors of tokens, response positions, and with `slots` of these: (rows, C). */
  readonly vectors: Tensor;
  /** Response positions among them. */
  readonly positions: number;
  /** i32 (B, steps): the slot of every input, -1 for none. */
  readonly slots: Tensor | undefined;
  /** i32 (B); updated. */
  readonly done: Tensor;
  /** i32 (B, steps); updated. */
  readonly tokens: Tensor;
  /** The rows that the next step begins with: (B, C); updated. */
  readonly x: Tensor;
}

/** Draws tokens[:, column] from logits (B, V), or without logits leaves them as they are; then embeds them into x. */
export function decodeDraw(state: DecodeDraw, logits?: Tensor): void {
  const { positions, ...tensors } = state;
  const { control, slots, tokens, sampling, x } = tensors;
  const { rows, cols: stride } = rowsAndCols(tokens.shape);
  const vocabulary = sampling.size - 1;
  const slotRows = slots ? sizeAt(tensors.vectors.shape, 0) - vocabulary - positions : 0;
  const params = { rows, vocabulary, width: sizeAt(x.shape, 1), stride, positions };
  const flags = { draw: logits ? 1 : 0, slotRows };
  const buffers = { ...tensors, logits: logits ?? tensors.vectors, slots: slots ?? control };
  x.device.launch(decodeDrawKernel, buffers, { ...params, ...flags });
}
