/**
 * What a forward pass is given: sequences of prompt and response tokens, packed one after another without padding.
 *
 * A prompt sees itself in both directions; a response is causal and has positions of its own that start at 0, so they
 * do not depend on whether the prompt was symbols or an image.
 */
import { SequenceTable } from '../core/index.js';
import type { HostArray, Tensor } from '../core/index.js';
import { patchCount, patchesPerSide } from './config.js';
import type { ModelConfig } from './config.js';
import { colOfSlot, firstPatchPlace, ownSlot, rowOfSlot, sideFor, slotOf } from './slots.js';
import { cellOf, GRID_SIDE, IMG, sizeOf } from './vocabulary.js';

/** One prompt and response to pack, as token ids; see the fields for images and slots. */
export interface Sequence {
  /** Prompt tokens; every IMG stands for the next patch of this sequence's image. */
  readonly prompt: readonly number[];
  /** Response inputs, from BOS on; may be empty. */
  readonly response: ArrayLike<number>;
  /**
   * Cells (8 * row + col, -1 for none) that tokens stand for by their place: of a prompt token its own, of a response
   * input that of the token to be predicted from it. A list of open directions names no cells; this says which it
   * means.
   */
  readonly promptSlots?: ArrayLike<number>;
  readonly responseSlots?: ArrayLike<number>;
}

/** @throws Error that names the first of `ids` that is no whole number from `least` to `end` - 1 */
export function requireIds(what: string, ids: ArrayLike<number>, least: number, end: number): void {
  for (let i = 0; i < ids.length; i++)
    if (!(Number.isInteger(ids[i]) && ids[i]! >= least && ids[i]! < end))
      throw new Error(`${what}: ${ids[i]} at place ${i} is not a whole number from ${least} to ${end - 1}`);
}

/** Packed sequences. R rows in all, N of them with outputs. */
export interface Batch {
  readonly table: SequenceTable;
  /** Token of every row: (R). */
  readonly tokens: Int32Array;
  /** Row of the model's position table (prompt positions first, then response positions): (R). */
  readonly positions: Int32Array;
  /** Row of the image features that belongs here, -1 for other tokens: (R). */
  readonly imageRows: Int32Array;
  /** Places by row and by column, see slots.ts; -1 for none: (R) each; undefined if no row has one. */
  readonly slotRows: Int32Array | undefined;
  readonly slotCols: Int32Array | undefined;
  /** Rows whose logits are wanted, all response rows: (N). */
  readonly outputs: Int32Array;
  /** Images that the sequences with IMG tokens show, in their order. */
  readonly imageCount: number;
}

/**
 * Packs sequences for a model of these sizes. With coordinates, a board has the side that the prompt's first size token
 * says, or in responses the first token after BOS; and cells in prompts and image patches have a place too.
 * @throws Error if a prompt or response is longer than its position table, an image has another number of patches, or a
 *   token or slot is none
 */
export function packBatch(sequences: readonly Sequence[], config: ModelConfig): Batch {
  const { promptPositions, responsePositions, vocabulary } = config;
  const patches = patchCount(config);
  const perSide = patchesPerSide(config);
  const table = new SequenceTable(
    sequences.map(({ prompt, response }) => ({ length: prompt.length + response.length, prefix: prompt.length })),
  );
  const tokens = new Int32Array(table.rows);
  const positions = new Int32Array(table.rows);
  const imageRows = new Int32Array(table.rows).fill(-1);
  const slotRows = new Int32Array(table.rows).fill(-1);
  const slotCols = new Int32Array(table.rows).fill(-1);
  const stand = (row: number, slot: number) => {
    slotRows[row] = rowOfSlot(slot);
    slotCols[row] = colOfSlot(slot);
  };
  const outputs: number[] = [];
  let imageRow = 0;
  sequences.forEach(({ prompt, response, promptSlots, responseSlots }, s) => {
    if (prompt.length > promptPositions || response.length > responsePositions)
      throw new Error(
        `a sequence of ${prompt.length} prompt and ${response.length} response tokens does not fit the model's position tables ` +
          `(${promptPositions} and ${responsePositions})`,
      );
    if (prompt.length + response.length === 0)
      throw new Error(`sequence ${s} has no tokens: a sequence of 0 rows is not possible`);
    for (const [name, ids] of Object.entries({ prompt, response }))
      requireIds(`sequence ${s}, ${name}`, ids, 0, vocabulary);
    for (const [name, ids = []] of Object.entries({ promptSlots, responseSlots }))
      requireIds(`sequence ${s}, ${name}`, ids, -1, GRID_SIDE ** 2);
    let row = table.starts[s]!;
    const firstImageRow = imageRow;
    const promptSide = sideFor(config, prompt.find(token => sizeOf(token) > 0) ?? -1);
    prompt.forEach((token, i) => {
      tokens[row] = token;
      positions[row] = i;
      const described = promptSlots?.[i] ?? -1;
      stand(row, described < 0 ? ownSlot(cellOf(token), promptSide) : slotOf(described, promptSide));
      if (token === IMG) {
        if (config.coordinates > 0) {
          const patch = imageRow - firstImageRow;
          slotRows[row] = firstPatchPlace + Math.floor(patch / perSide);
          slotCols[row] = firstPatchPlace + (patch % perSide);
        }
        imageRows[row] = imageRow++;
      }
      row++;
    });
    if (imageRow !== firstImageRow && imageRow - firstImageRow !== patches)
      throw new Error(`sequence ${s} has ${imageRow - firstImageRow} image tokens; an image has ${patches} patches`);
    const responseSide = sideFor(config, response[1] ?? -1);
    for (let i = 0; i < response.length; i++) {
      tokens[row] = response[i]!;
      positions[row] = promptPositions + i;
      stand(row, slotOf(responseSlots?.[i] ?? -1, responseSide));
      outputs.push(row++);
    }
  });
  const slotted = slotRows.some(place => place >= 0);
  return {
    table,
    tokens,
    positions,
    imageRows,
    slotRows: slotted ? slotRows : undefined,
    slotCols: slotted ? slotCols : undefined,
    outputs: Int32Array.from(outputs),
    imageCount: imageRow / patches,
  };
}

/** Rows and outputs of a batch are padded to multiples of this; see `padBatch`. */
export const bucketWidth = 64;

/** `n` rounded up to a whole number of buckets. */
export const bucketed = (n: number, width = bucketWidth) => Math.ceil(n / width) * width;

/**
 * The same sequences and padding, so that batches of nearly the same size have the same shapes and share a recorded
 * step. Padding rows form a sequence of their own (perhaps an empty one) without token, position or image; padding
 * outputs name no row and need a weight of 0. Nothing flows from them into anything else.
 *
 * The width is a trade: in 200 batches of the default run's stage 0, 64 means 9 shapes and 1.9 % more rows; 16: 59 and
 * 0.4 %; 256: 3 and 8.3 % (bench/replay.ts prints this table).
 */
export function padBatch(batch: Batch, width = bucketWidth): Batch {
  const { table } = batch;
  const rows = bucketed(table.rows, width);
  const padded = (values: Int32Array, length: number) => {
    const out = new Int32Array(length).fill(-1);
    out.set(values);
    return out;
  };
  const spans = [...table.spans, { length: rows - table.rows, prefix: 0 }];
  return {
    ...batch,
    table: new SequenceTable(spans, bucketed(table.maxLength, width)),
    tokens: padded(batch.tokens, rows),
    positions: padded(batch.positions, rows),
    imageRows: padded(batch.imageRows, rows),
    slotRows: batch.slotRows && padded(batch.slotRows, rows),
    slotCols: batch.slotCols && padded(batch.slotCols, rows),
    outputs: padded(batch.outputs, bucketed(batch.outputs.length, width)),
  };
}

/**
 * What a forward pass reads of packed sequences: host arrays while a batch is prepared, tensors on the device. R rows,
 * N outputs; all are i32 but for the patches.
 */
export interface ModelInputs<T = Tensor> {
  /** Where each sequence lies, see `SequenceTable`: (sequences, 6). */
  readonly table: T;
  /** Rows of the longest sequence, or more. */
  readonly maxLength: number;
  /** (R) each. */
  readonly tokens: T;
  readonly positions: T;
  /** Rows whose logits are wanted: (N); and its inverse, the output that a row has, -1 for none: (R). */
  readonly outputs: T;
  readonly outputOfRow: T;
  /** Places by row and by column, see slots.ts; -1 for none: (R) each. */
  readonly slotRows?: T;
  readonly slotCols?: T;
  /** Image features that belong into a row, -1 for none: (R); and its inverse, the row of an image's patch: (B * P). */
  readonly imageRows?: T;
  readonly rowOfPatch?: T;
  /** The images that the sequences show, from `patchify`: (B * P, patch pixels). */
  readonly patches?: T;
}

/**
 * A batch as arrays for the device.
 * @throws Error unless `patches` (B * P, patch pixels) are those of as many images as the batch shows
 */
export function modelInputs(batch: Batch, config: ModelConfig, patches?: HostArray): ModelInputs<HostArray> {
  requirePatches(batch, patches?.shape?.[0], config);
  const { table, tokens, positions, outputs, slotRows, slotCols, imageRows } = batch;
  const indices = (values: Int32Array): HostArray => ({ values, dtype: 'i32' });
  return {
    table: table.toArray(),
    maxLength: table.maxLength,
    tokens: indices(tokens),
    positions: indices(positions),
    outputs: indices(outputs),
    outputOfRow: indices(inverseOf(outputs, tokens.length)),
    ...(slotRows && slotCols && { slotRows: indices(slotRows), slotCols: indices(slotCols) }),
    ...(patches && {
      imageRows: indices(imageRows),
      rowOfPatch: indices(inverseOf(imageRows, batch.imageCount * patchCount(config))),
      patches,
    }),
  };
}

/** Where each of 0..count - 1 stands in `indices`, -1 where it does not. @throws Error if one stands there twice */
function inverseOf(indices: Int32Array, count: number): Int32Array {
  const inverse = new Int32Array(count).fill(-1);
  indices.forEach((value, place) => {
    if (value < 0) return;
    if (inverse[value] !== -1)
      throw new Error(`row ${value} is asked for twice, at places ${inverse[value]} and ${place}`);
    inverse[value] = place;
  });
  return inverse;
}

/** @throws Error unless `given` patches are those of as many images as the batch shows */
export function requirePatches({ imageCount }: Batch, given: number | undefined, config: ModelConfig): void {
  const rows = imageCount * patchCount(config);
  if ((given ?? 0) !== rows)
    throw new Error(`this batch shows ${imageCount} images, that is ${rows} patches; ${given ?? 'none'} were given`);
}
