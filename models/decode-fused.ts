/**
 * Decoding in four launches per block and two per token, where the layer-by-layer step takes some forty in all. For
 * devices that are slow to start work, and models that the rollout kernel cannot carry.
 */
import { cast, concat, contiguous, decodeAttend, decodeDraw, decodeLinear, noGrad, transpose } from '../core/index.js';
import type { DecodeDraw, Tensor } from '../core/index.js';
import { fusedFits } from '../kernels/index.js';
import type { Cache } from './cache.js';
import type { VisionLanguageModel } from './vlm.js';

/** What the fused steps continue from: state after the first token of every response has been drawn. */
export interface FusedStart {
  readonly cache: Cache;
  readonly control: Tensor;
  readonly sampling: Tensor;
  readonly done: Tensor;
  readonly tokens: Tensor;
  /** i32 (sequences, steps): the slot of an input, -1 for none; see slots.ts. */
  readonly slots: Tensor | undefined;
}

/** True if the fused step can run this model. */
export function canFuse({ config }: VisionLanguageModel): boolean {
  return fusedFits(config.width, config.heads, config.vocabulary);
}

/** Decode steps of a batch in fused launches. Lives as long as the scope that it is made in. */
export class FusedSteps {
  readonly #model: VisionLanguageModel;
  readonly #cache: Cache;
  readonly #prefixes: Tensor;
  readonly #head: Tensor;
  readonly #draw: DecodeDraw;

  constructor(model: VisionLanguageModel, { cache, ...start }: FusedStart) {
    const p = (name: string) => model.parameters.get(`decoder.${name}`);
    this.#model = model;
    this.#cache = cache;
    this.#prefixes = model.indices(cache.prefixes); // (B)
    this.#head = noGrad(() => contiguous(cast(transpose(model.tokenTable('head')), model.computeDType))); // (C, V)
    const x = model.device.empty([start.done.size, model.config.width], model.dtype, 'fused steps'); // (B, C)
    const vectors = noGrad(() =>
      concat([model.tokenTable('embedding'), p('position.response'), ...(start.slots ? [model.slotTable()] : [])]),
    );
    this.#draw = { ...start, vectors, positions: model.config.responsePositions, x };
    this.embed(0);
  }

  /** Goes on from tokens[:, column] as they are. */
  embed(column: number): void {
    decodeDraw(this.#draw, column);
  }

  /** Logits after the tokens before `column`, which go into the cache: (B, V). Columns come one after another. */
  logits(column: number): Tensor {
    const { config, parameters, dtype, computeDType } = this.#model;
    const { capacity, layers } = this.#cache;
    const p = (name: string) => parameters.get(`decoder.${name}`);
    const norm = (name: string) => ({ gain: p(`${name}.gain`), bias: p(`${name}.bias`) });
    let { x } = this.#draw; // (B, C)
    layers.forEach((cache, layer) => {
      const block = `block.${layer}`;
      const part = (name: string) => ({ weight: p(`${block}.${name}.weight`), bias: p(`${block}.${name}.bias`) });
      const qkv = decodeLinear(x, {
        norm: norm(`${block}.attention.norm`),
        ...part('attention.qkv'),
        dtype: computeDType,
      }); // (B, 3C)
      const attend = { cache, prefixes: this.#prefixes, capacity, heads: config.heads, residual: x };
      const y = decodeAttend(qkv, { ...attend, ...part('attention.out') }, column); // (B, C)
      const hidden = decodeLinear(y, {
        norm: norm(`${block}.mlp.norm`),
        ...part('mlp.in'),
        relu: true,
        dtype: computeDType,
      }); // (B, 4C)
      x = decodeLinear(hidden, { ...part('mlp.out'), residual: y, dtype }); // (B, C)
    });
    return decodeLinear(x, { norm: norm('norm'), weight: this.#head, bias: p('head.bias'), dtype }); // (B, V)
  }

  /** Draws tokens[:, column], from the ones before it. */
  step(column: number): void {
    this.#model.device.scope(() => {
      noGrad(() => {
        decodeDraw(this.#draw, column, this.logits(column));
      });
    });
  }
}
