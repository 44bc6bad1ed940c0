/**
 * Generation with a key-value cache: one pass over the prompts (prefill), then one token per sequence and step. Sequences of
 * different lengths go together; each has its own stretch of the cache. Sampled tokens stay on the device until the end.
 */
import { attentionOverCache, attention, gatherRows, noGrad, sampleTokens, writeCacheRows } from '../core/index.js';
import type { Tensor } from '../core/index.js';
import { packBatch, requirePatches } from './batch.js';
import type { Sequence } from './batch.js';
import { patchCount } from './config.js';
import type { ModelConfig } from './config.js';
import type { VisionLanguageModel } from './vlm.js';
import { BOS, EOS, IMG, PAD } from './vocabulary.js';

/** Keys and values of every layer: (sequences * capacity, 2C) each, k in the first C columns. */
export interface Cache {
  readonly layers: readonly Tensor[];
  /** Rows per sequence. */
  readonly capacity: number;
  /** Rows in use per sequence, prompt included. */
  readonly lengths: Int32Array;
  /** Prompt rows per sequence. */
  readonly prefixes: Int32Array;
}

/** An empty cache for `sequences` sequences of at most `capacity` rows. */
export function createCache(model: VisionLanguageModel, sequences: number, capacity: number): Cache {
  const { layers, width } = model.config;
  return {
    layers: Array.from({ length: layers }, () =>
      model.device.empty([sequences * capacity, 2 * width], model.dtype, 'cache'),
    ),
    capacity,
    lengths: new Int32Array(sequences),
    prefixes: new Int32Array(sequences),
  };
}

/** Where the model's position tables hold what; see `packBatch`. */
function limits(config: ModelConfig) {
  return {
    promptPositions: config.promptPositions,
    responsePositions: config.responsePositions,
    patches: patchCount(config),
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
    const batch = packBatch(sequences, limits(model.config));
    requirePatches(batch, patches, model.config);
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
 * @param slots cells that the next tokens stand for by their place, see `Sequence`: (sequences)
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
    lengths.forEach((length, s) => table.push(s, 1, s * capacity, length + 1, prefixes[s]!, length));
    const view = {
      heads: model.config.heads,
      table: model.device.tensor(table, [lengths.length, 6], { dtype: 'i32' }),
      maxKeys: Math.max(...lengths) + 1,
    };
    const destination = model.indices(rows);
    const x = model.embed({ tokens, positions, slots }); // (sequences, C)
    const y = model.decode(x, (qkv, layer) => {
      writeCacheRows(cache.layers[layer]!, qkv, destination);
      return attentionOverCache(qkv, cache.layers[layer]!, view);
    }); // (sequences, C)
    lengths.forEach((length, s) => (lengths[s] = length + 1));
    return model.logits(y); // (sequences, V)
  });
}

export interface GenerateOptions {
  /** Tokens after BOS at most. */
  readonly maxTokens: number;
  /** 0 is greedy; 1 samples from the model's distribution. */
  readonly temperature: number;
  /** Where sampling noise comes from: the same numbers give the same tokens. */
  readonly seed: number;
  readonly stream: number;
  readonly step: number;
  /** Slots of the prompts' tokens, see `Sequence`. */
  readonly promptSlots?: readonly ArrayLike<number>[];
  /**
   * Slots of a sequence's response inputs by position, once its first token is known (in a recap that is the board's size,
   * which decides what later places mean). Undefined: none.
   */
  readonly responseSlots?: (sequence: number, firstToken: number) => ArrayLike<number> | undefined;
}

/** Between two looks at whether all sequences have ended: a look costs a round trip where the device is asynchronous. */
const stepsPerLook = { cpu: 1, wasm: 1, webgpu: 8 } as const;

/**
 * Responses to prompts: the tokens after BOS, end-of-sequence included where it came within `maxTokens`.
 * @param patches (images * P, patch pixels) for prompts with images
 */
export async function generate(
  model: VisionLanguageModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
  patches?: Tensor,
): Promise<number[][]> {
  const { maxTokens, temperature, seed, stream, step, promptSlots, responseSlots } = options;
  const { device, config } = model;
  if (maxTokens > config.responsePositions)
    throw new Error(`${maxTokens} tokens were asked for; the model has ${config.responsePositions} response positions`);
  const count = prompts.length;
  return await device.scope(async () => {
    const capacity = Math.max(...prompts.map(prompt => prompt.length)) + maxTokens;
    const cache = createCache(model, count, capacity);
    const done = device.zeros([count], { dtype: 'i32' });
    const tokens = device.tensor(new Int32Array(count * maxTokens).fill(PAD), [count, maxTokens], { dtype: 'i32' });
    const next = device.empty([count], 'i32', 'generate');
    const control = device.tensor([seed, stream, step, EOS, PAD], [5], { dtype: 'i32' });
    const heat = device.tensor([temperature], [1]);
    const bias = device.tensor(forbidden(config), [config.vocabulary]);
    const sequences = prompts.map<Sequence>((prompt, s) => ({
      prompt,
      response: [BOS],
      ...(promptSlots && { promptSlots: promptSlots[s]! }),
    }));
    let slots: (ArrayLike<number> | undefined)[] | undefined; // by sequence, then position
    for (let column = 0; column < maxTokens; column++) {
      device.scope(() => {
        const present = slots && Int32Array.from(slots, row => row?.[column] ?? -1);
        const logits =
          column === 0 ? prefill(model, sequences, cache, patches) : decodeStep(model, next, cache, present);
        sampleTokens({ logits, bias, temperature: heat, control, done, tokens, next }, column);
      });
      if (column === 0 && responseSlots) {
        const found = Array.from(await next.read(), (first, s) => responseSlots(s, first));
        if (found.some(row => row !== undefined)) slots = found;
      }
      const look = (column + 1) % stepsPerLook[device.capabilities.backend] === 0;
      if (look && (await done.read()).every(flag => flag !== 0)) break;
    }
    const all = await tokens.read();
    return prompts.map((_, s) => {
      const row = Array.from(all.subarray(s * maxTokens, (s + 1) * maxTokens));
      const end = row.indexOf(EOS);
      return end < 0 ? row.slice(0, lastToken(row) + 1) : row.slice(0, end + 1);
    });
  });
}

/** Tokens that no response may hold, as a bias on the logits: (V). */
function forbidden(config: ModelConfig): Float32Array {
  const bias = new Float32Array(config.vocabulary);
  for (const id of [PAD, BOS, IMG]) bias[id] = -1e30;
  return bias;
}

/** Index of the last token that was generated; the rest is padding when all other sequences ended early. */
function lastToken(row: readonly number[]): number {
  let last = row.length - 1;
  while (last >= 0 && row[last] === PAD) last--;
  return last;
}
