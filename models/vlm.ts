/**
 * The compact vision-language model: image patches -> vision encoder -> projector -> the places of IMG tokens in the
 * prompt -> decoder -> logits. The specification that another program would need stands in models/README.md.
 *
 * Letters: B images, P patches per image, E vision width, C decoder width, R packed rows, N rows with outputs, V
 * vocabulary.
 */
import {
  add,
  attention,
  cast,
  concat,
  gatherRows,
  layerNorm,
  linear,
  matmul,
  Parameters,
  Random,
  reshape,
  SequenceTable,
  transpose,
} from '../core/index.js';
import type { Device, DType, Tensor } from '../core/index.js';
import type { ModelInputs } from './batch.js';
import { patchCount, validateModelConfig } from './config.js';
import type { ModelConfig } from './config.js';
import { colOfSlot, coordinateFeatures, gridRows, rowOfSlot, slotCount } from './slots.js';
import { matrixGroups, parameterSpecs } from './specs.js';
import { transformerBlock } from './transformer.js';
import type { Attend } from './transformer.js';
import { cellCol, cellRow } from './vocabulary.js';

/** How a model keeps its weights. */
export interface ModelOptions {
  /** Of the weights: f32, or f64 on cpu for gradient checks. */
  readonly dtype?: DType;
  /** Default f32; f64 weights compute in f64. */
  readonly precision?: Precision;
  /** False for a frozen copy. Default true. */
  readonly trainable?: boolean;
}

/**
 * The arithmetic of a model. `f16` is mixed precision: matrix products, attention and what lies between them
 * read and write f16, and sum in f32; weights, gradients of weights, the residual stream, statistics, logits and losses
 * stay f32. A device without f16 computes in f32.
 */
export type Precision = 'f32' | 'f16';

/** Rows to embed, see `Batch`; tokens are on the device, where sampling has put them. */
export interface EmbeddedRows {
  readonly tokens: Tensor;
  readonly positions: Int32Array | Tensor;
  readonly slotRows?: Int32Array | Tensor | undefined;
  readonly slotCols?: Int32Array | Tensor | undefined;
  readonly imageRows?: Int32Array | Tensor;
  /** For a gradient to the images; see `ModelInputs`. */
  readonly rowOfPatch?: Tensor;
}

/** Stream of the run's random numbers that initial weights are drawn from. */
const initStream = 1;

/** The model: images and tokens in, logits out. */
export class VisionLanguageModel {
  readonly config: ModelConfig;
  readonly parameters: Parameters;
  /** Row and column of every token id, -1 for ids that are not cells: (V) each. */
  readonly #cellRow: Tensor;
  readonly #cellCol: Tensor;
  /** With coordinates, of every place (see slots.ts): features (places, 2F), and its row of the grid (places). */
  readonly #places: { readonly features: Tensor; readonly gridRows: Tensor } | undefined;

  /** All parameters are zero until `initialize` or a checkpoint fills them. */
  constructor(device: Device, config: ModelConfig, options: ModelOptions = {}) {
    const { dtype = 'f32', precision = 'f32', trainable = true } = options;
    if (precision === 'f16' && dtype !== 'f32')
      throw new Error(`mixed precision (f16) needs f32 weights, not ${dtype}: leave one of the two options out`);
    this.config = validateModelConfig(config);
    this.parameters = new Parameters(device, parameterSpecs(config), {
      dtype,
      trainable,
      halfGroups: precision === 'f16' && device.capabilities.dtypes.includes('f16') ? matrixGroups : [],
    });
    this.#cellRow = device.keep(
      device.tensor(cellRow.subarray(0, config.vocabulary), [config.vocabulary], { dtype: 'i32' }),
    );
    this.#cellCol = device.keep(
      device.tensor(cellCol.subarray(0, config.vocabulary), [config.vocabulary], { dtype: 'i32' }),
    );
    const grid = gridRows(config);
    this.#places =
      config.coordinates > 0
        ? {
            features: device.keep(
              device.tensor(coordinateFeatures(config), [grid.length, 2 * config.coordinates], { dtype }),
            ),
            gridRows: device.keep(this.indices(grid)),
          }
        : undefined;
  }

  get device(): Device {
    return this.parameters.device;
  }

  /** Of weights, residual stream, logits and losses. */
  get dtype(): DType {
    return this.parameters.flat.dtype;
  }

  get precision(): Precision {
    return this.parameters.halves.size > 0 ? 'f16' : 'f32';
  }

  /** Of the operands of matrix products and of cached keys and values: f16 in mixed precision. */
  get computeDType(): DType {
    return this.precision === 'f16' ? 'f16' : this.dtype;
  }

  /** Fresh weights from a seed: the same on every backend. */
  initialize(seed: number): this {
    this.parameters.initialize(new Random(seed, initStream));
    return this;
  }

  /** A frozen copy of the current weights: the teacher. */
  async frozenCopy(): Promise<VisionLanguageModel> {
    const { dtype, precision } = this;
    const copy = new VisionLanguageModel(this.device, this.config, { dtype, precision, trainable: false });
    await copy.parameters.load(await this.parameters.save());
    return copy;
  }

  /** Image features in the decoder's width. @param patches (B * P, patch pixels) from `patchify` */
  encodeImages(patches: Tensor): Tensor {
    const p = (name: string) => this.parameters.get(`vision.${name}`);
    const P = patchCount(this.config);
    const B = patches.shape[0]! / P;
    const E = this.config.visionWidth;
    const table = new SequenceTable(Array.from({ length: B }, () => ({ length: P, prefix: P })));
    const images = { heads: this.config.visionHeads, table: table.toTensor(this.device), maxLength: P };
    const { dtype, computeDType } = this;
    const embedded = linear(cast(patches, computeDType), p('patch.weight'), p('patch.bias'), { dtype }); // (B * P, E)
    let x = reshape(add(reshape(embedded, [B, P, E]), p('position')), [B * P, E]); // (B * P, E)
    for (let layer = 0; layer < this.config.visionLayers; layer++)
      x = transformerBlock(this.parameters, 'vision.block', layer, x, qkv => attention(qkv, images)); // (B * P, E)
    x = layerNorm(x, p('norm.gain'), p('norm.bias'), { dtype: computeDType }); // (B * P, E)
    return linear(x, p('projector.weight'), p('projector.bias'), { dtype }); // (B * P, C)
  }

  /** Logits at the rows of packed sequences that want some, as a rule those of the responses: (N, V). */
  forward(inputs: ModelInputs): Tensor {
    const { table, maxLength, outputs, outputOfRow, patches } = inputs;
    const sequences = { heads: this.config.heads, table, maxLength };
    const images = patches && this.encodeImages(patches); // (B * P, C)
    const x = this.embed(inputs, images); // (R, C)
    const y = this.decode(x, qkv => attention(qkv, sequences)); // (R, C)
    return this.logits(gatherRows(y, outputs, { inverse: outputOfRow })); // (N, V)
  }

  /**
   * Sum of token, position, slot and image embeddings of rows: (R, C).
   * @param images (B * P, C), where rows have images
   */
  embed({ tokens, positions, slotRows, slotCols, imageRows, rowOfPatch }: EmbeddedRows, images?: Tensor): Tensor {
    const p = (name: string) => this.parameters.get(`decoder.${name}`);
    const positionTable = concat([p('position.prompt'), p('position.response')]); // (positions, C)
    const placed = gatherRows(positionTable, this.#onDevice(positions)); // (R, C)
    let x = add(gatherRows(this.tokenTable('embedding'), tokens), placed); // (R, C)
    const on = (indices: Int32Array | Tensor) => this.#onDevice(indices);
    if (slotRows && slotCols) x = add(x, this.#slotVectors(on(slotRows), on(slotCols))); // (R, C)
    if (images && imageRows) x = add(x, gatherRows(images, on(imageRows), { inverse: rowOfPatch })); // (R, C)
    return x;
  }

  /** All decoder blocks: (R, C) -> (R, C). */
  decode(x: Tensor, attend: Attend): Tensor {
    for (let layer = 0; layer < this.config.layers; layer++)
      x = transformerBlock(this.parameters, 'decoder.block', layer, x, attend); // (R, C)
    return x;
  }

  /** Final norm and head: (N, C) -> (N, V). */
  logits(x: Tensor): Tensor {
    const p = (name: string) => this.parameters.get(`decoder.${name}`);
    const { dtype, computeDType } = this;
    const normed = layerNorm(x, p('norm.gain'), p('norm.bias'), { dtype: computeDType }); // (N, C)
    const head = cast(transpose(this.tokenTable('head')), computeDType); // (C, V)
    return add(matmul(normed, head, { dtype }), p('head.bias')); // (N, V)
  }

  /** A table over the vocabulary in which cells share the vectors of their row and column: (V, C). */
  tokenTable(name: 'embedding' | 'head'): Tensor {
    const p = (suffix: string) => this.parameters.get(`decoder.${name}${suffix}`);
    const vectors = p(''); // (V, C)
    const rows = gatherRows(p('.row'), this.#cellRow); // (V, C), zeros for ids that are not cells
    const cols = gatherRows(p('.col'), this.#cellCol); // (V, C)
    return add(vectors, add(rows, cols)); // (V, C)
  }

  /** What each place adds by its row, or by its column: (places, C); without coordinates those of the grid alone. */
  axisTable(axis: 'row' | 'col'): Tensor {
    const p = (name: string) => this.parameters.get(`decoder.${name}.${axis}`);
    if (!this.#places) return p('embedding'); // (8, C)
    const { features, gridRows } = this.#places;
    return add(gatherRows(p('embedding'), gridRows), matmul(features, p('coordinate'))); // (places, C)
  }

  #slotVectors(rows: Tensor, cols: Tensor): Tensor {
    return add(gatherRows(this.axisTable('row'), rows), gatherRows(this.axisTable('col'), cols)); // (n, C)
  }

  /** The vectors of all slots that cells described by place may have: (slotCount, C). */
  slotTable(): Tensor {
    const slots = Int32Array.from({ length: slotCount(this.config) }, (_, slot) => slot);
    return this.#slotVectors(this.indices(slots.map(rowOfSlot)), this.indices(slots.map(colOfSlot)));
  }

  #onDevice(indices: Int32Array | Tensor): Tensor {
    return indices instanceof Int32Array ? this.indices(indices) : indices;
  }

  /** Indices on the device: (n). */
  indices(values: Int32Array): Tensor {
    return this.device.tensor(values, [values.length], { dtype: 'i32' });
  }

  /** Frees the weights. */
  dispose(): void {
    this.parameters.dispose();
    for (const tensor of [this.#cellRow, this.#cellCol, ...Object.values(this.#places ?? {})]) this.device.free(tensor);
  }
}
