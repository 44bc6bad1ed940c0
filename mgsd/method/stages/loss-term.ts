/**
 * Losses in two halves: what the host makes of a batch (rows, targets, weights, as arrays), and what the device computes from
 * them. Only the second half is the same in every step, so only it is recorded and replayed; see core/replay/recorder.ts.
 */
import { add, crossEntropy, mul, sum } from '../../../core/index.js';
import type { Device, HostArray, Tensor } from '../../../core/index.js';
import { batchArrays, padBatch } from '../../../models/index.js';
import type { Batch, BatchTensors, VisionLanguageModel } from '../../../models/index.js';
import type { Puzzle } from '../puzzles.js';
import { patchArray, targetArray, weightArray } from '../packing.js';
import type { LossAverage } from '../packing.js';
import type { TrainingTrace } from '../targets.js';

type Arrays = Readonly<Record<string, HostArray>>;
type Tensors = Readonly<Record<string, Tensor>>;

/** A scalar loss of one batch, and perhaps other tensors to look at. */
export interface LossTerm<R extends { readonly loss: Tensor } = { readonly loss: Tensor }> {
  /** What decides the launches of `compute`, apart from the shapes of the inputs. */
  readonly key: string;
  readonly inputs: Arrays;
  /** Launches only: every number that changes from step to step is an input. */
  compute(inputs: Tensors): R;
}

/** What a forward pass reads of a batch, under a prefix; padded to buckets (see `padBatch`) if the step is to be replayed. */
export function batchInputs(batch: Batch, prefix: string, inBuckets: boolean) {
  const padded = inBuckets ? padBatch(batch) : batch;
  return {
    inputs: prefixed(prefix, batchArrays(padded)),
    rows: padded.outputs.length,
    maxLength: padded.table.maxLength,
  };
}

/** What `batchInputs` has become on the device. */
export function batchTensors(inputs: Tensors, prefix: string): BatchTensors {
  return withoutPrefix(prefix, inputs) as unknown as BatchTensors;
}

function prefixed(prefix: string, arrays: object): Record<string, HostArray> {
  const entries = Object.entries(arrays as Arrays);
  return Object.fromEntries(entries.map(([name, array]) => [prefix + name, array]));
}

function withoutPrefix(prefix: string, tensors: Tensors): Record<string, Tensor> {
  const own = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/** A one-dimensional or row-major array with zeros up to `length` values. */
export function padArray(array: HostArray, rows: number): HostArray {
  const { values, shape: [own = 0, ...rest] = [values.length] } = array;
  if (own === rows) return array;
  const out = new Float64Array(rows * rest.reduce((a, b) => a * b, 1));
  out.set(Array.from(values));
  return { ...array, values: array.dtype === 'f64' ? out : Float32Array.from(out), shape: [rows, ...rest] };
}

/** What supervision may leave to its defaults. */
export interface SupervisionOptions {
  /** See `LossAverage`. Default `world`. */
  readonly average?: LossAverage;
  /** What the prompts show, (imageSize, imageSize, 3) bytes each. Default: no images. */
  readonly images?: readonly Uint8Array[];
  /** See `batchInputs`. Default false. */
  readonly inBuckets?: boolean;
}

/** Next-token loss of given traces, the mean over their N tokens (by worlds, see `LossAverage`). */
export function supervisedTerm(
  model: VisionLanguageModel,
  puzzles: readonly Puzzle[],
  traces: readonly TrainingTrace[],
  packed: Batch,
  { average = 'world', images, inBuckets = false }: SupervisionOptions = {},
): LossTerm {
  const { inputs, rows, maxLength } = batchInputs(packed, 'batch.', inBuckets);
  return {
    key: `supervised, at most ${maxLength}`,
    inputs: {
      ...inputs,
      ...(images && { patches: patchArray(model, images) }),
      targets: padArray(targetArray(model, traces), rows),
      weights: padArray(weightArray(model, puzzles, traces, average), rows),
    },
    compute(tensors) {
      const logits = model.forwardTensors(batchTensors(tensors, 'batch.'), maxLength, tensors['patches']); // (N, V)
      return { loss: sum(crossEntropy(logits, tensors['targets']!, tensors['weights']!)) };
    },
  };
}

/** `term` + `weight` * `other`, and what else `term` gives. */
export function addTerm<R extends { readonly loss: Tensor }>(
  term: LossTerm<R>,
  other: LossTerm,
  weight: number,
): LossTerm<R> {
  const { dtype = 'f32' } = Object.values(other.inputs).find(input => input.dtype !== 'i32') ?? {};
  return {
    key: `${term.key} + ${other.key}`,
    inputs: {
      ...prefixed('a.', term.inputs),
      ...prefixed('b.', other.inputs),
      weight: { values: [weight], dtype },
    },
    compute(inputs) {
      const first = term.compute(withoutPrefix('a.', inputs));
      const { loss } = other.compute(withoutPrefix('b.', inputs));
      return { ...first, loss: add(first.loss, sum(mul(loss, inputs['weight']!))) };
    },
  };
}

/** A term by itself, eagerly. */
export function computeTerm<R extends { readonly loss: Tensor }>(device: Device, term: LossTerm<R>): R {
  return term.compute(onDevice(device, term.inputs));
}

/** Arrays as tensors. */
export function onDevice(device: Device, arrays: Arrays): Tensors {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, device.fromHost(array)]));
}
