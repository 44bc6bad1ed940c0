/**
 * The key-value cache: one pass over the prompts (prefill), then one token per sequence and step. Sequences of
 * different lengths go together; each has its own stretch of the cache.
 */
import {
  attention,
  attentionOverCache,
  contiguousStrides,
  gatherRows,
  noGrad,
  sizeOf,
  writeCacheRows,
} from '../core/index.js';
import type { Tensor } from '../core/index.js';
import { bytesPerElement } from '../kernels/index.js';
import { packBatch, requirePatches } from './batch.js';
import type { Sequence } from './batch.js';
import { colOfSlot, rowOfSlot } from './slots.js';
import type { VisionLanguageModel } from './vlm.js';

/** Keys and values of every layer: (sequences * capacity, 2C) each, k in the first C columns. */
export interface Cache {
  readonly layers: readonly Tensor[];
  /** All layers in one piece, `layerStride` elements apart; undefined where that is more than a buffer holds. */
  readonly all: Tensor | undefined;
  readonly layerStride: number;
  /** Rows per sequence. */
  readonly capacity: number;
  /** Rows in use per sequence, prompt included. */
  readonly lengths: Int32Array;
  /** Prompt rows per sequence. */
  readonly prefixes: Int32Array;
}

/** Elements to which a layer's part is rounded up: a multiple of 256 bytes, so that it can be bound on its own. */
const layerAlignment = 128;

/** An empty cache for `sequences` sequences of at most `capacity` rows. */
export function createCache(model: VisionLanguageModel, sequences: number, capacity: number): Cache {
  const { layers, width } = model.config;
  const { device, computeDType: dtype } = model;
  const shape = [sequences * capacity, 2 * width];
  const layerStride = Math.ceil(sizeOf(shape) / layerAlignment) * layerAlignment;
  const fits = layers * layerStride * bytesPerElement[dtype] <= device.capabilities.maxBufferBytes / 2;
  const all = fits ? device.empty([layers * layerStride], dtype, 'cache') : undefined;
  return {
    layers: Array.from({ length: layers }, (_, layer) =>
      all ? all.view(shape, contiguousStrides(shape), layer * layerStride) : device.empty(shape, dtype, 'cache'),
    ),
    all,
    layerStride,
    capacity,
    lengths: new Int32Array(sequences),
    prefixes: new Int32Array(sequences),
  };
}

/**
 * Runs prompts (and responses so far, from BOS on) through the decoder and fills an empty cache.
 * @param patches (images * P, patch pixels) for prompts with images
 * @returns logits after the last row of each sequence: (sequences, V)
 */
export function prefill(
  model: VisionLanguageModel,
  sequences: readonly Sequence[],
  cache: Cache,
  patches?: Tensor,
): Tensor {
  return noGrad(() => {
    const batch = packBatch(sequences, model.config);
    requirePatches(batch, patches?.shape[0], model.config);
    const { table } = batch;
    const destinations = new Int32Array(table.rows);
    const last = new Int32Array(sequences.length);
    table.spans.forEach(({ length, prefix }, s) => {
      if (length > cache.capacity)
        throw new Error(`sequence ${s} has ${length} rows; the cache holds ${cache.capacity}`);
      for (let i = 0; i < length; i++) destinations[table.starts[s]! + i] = s * cache.capacity + i;
      last[s] = table.starts[s]! + length - 1;
      cache.lengths[s] = length;
      cache.prefixes[s] = prefix;
    });
    const rows = model.indices(destinations);
    const attributes = { heads: model.config.heads, table: table.toTensor(model.device), maxLength: table.maxLength };
    const images = patches && model.encodeImages(patches); // (B * P, C)
    const x = model.embed({ ...batch, tokens: model.indices(batch.tokens) }, images); // (R, C)
    const y = model.decode(x, (qkv, layer) => {
      writeCacheRows(cache.layers[layer]!, qkv, rows);
      return attention(qkv, attributes);
    }); // (R, C)
    return model.logits(gatherRows(y, model.indices(last))); // (sequences, V)
  });
}

/**
 * Appends one token to every sequence of the cache.
 * @param tokens i32 (sequences), on the device
 * @param slots where the next tokens stand by their place, see slots.ts: (sequences)
 * @returns logits after it: (sequences, V)
 */
export function decodeStep(model: VisionLanguageModel, tokens: Tensor, cache: Cache, slots?: Int32Array): Tensor {
  return noGrad(() => {
    const { capacity, lengths, prefixes } = cache;
    const rows = Int32Array.from(lengths, (length, s) => s * capacity + length);
    const positions = Int32Array.from(lengths, (length, s) => model.config.promptPositions + length - prefixes[s]!);
    if (lengths.some(length => length >= capacity))
      throw new Error(`the cache is full: it holds ${capacity} rows per sequence`);
    const table: number[] = [];
    // per sequence: first query row, queries, first key row, keys, prefix, position of the query (kernels/attention)
    lengths.forEach((length, s) => table.push(s, 1, s * capacity, length + 1, prefixes[s]!, length));
    const sequences = {
      heads: model.config.heads,
      table: model.device.tensor(table, [lengths.length, 6], { dtype: 'i32' }),
      maxKeys: Math.max(...lengths) + 1,
    };
    const destination = model.indices(rows);
    const [slotRows, slotCols] = [slots?.map(rowOfSlot), slots?.map(colOfSlot)];
    const x = model.embed({ tokens, positions, slotRows, slotCols }); // (sequences, C)
    const y = model.decode(x, (qkv, layer) => {
      writeCacheRows(cache.layers[layer]!, qkv, destination);
      return attentionOverCache(qkv, cache.layers[layer]!, sequences);
    }); // (sequences, C)
    lengths.forEach((length, s) => (lengths[s] = length + 1));
    return model.logits(y); // (sequences, V)
  });
}
