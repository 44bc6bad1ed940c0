/**
 * Decoding in four launches per block and two per token, where the layer-by-layer step takes some forty in all. For
 * devices that are slow to start work, and models that the rollout kernel cannot carry.
 *
 * From token to token only the column changes. It goes in as data, so one step is recorded and the others replay it:
 * the host then does one write and one submission per token, whatever the number of launches.
 */
import { cast, concat, contiguous, decodeAttend, decodeDraw, decodeLinear, noGrad, transpose } from '../core/index.js';
import type { DecodeDraw, Recorder, Tensor } from '../core/index.js';
import { fusedFits } from '../kernels/index.js';
import type { Cache } from './cache.js';
import type { VisionLanguageModel } from './vlm.js';
import { EOS, PAD } from './vocabulary.js';

/** What the fused steps continue from: state after the first token of every response has been drawn. */
export interface FusedStart {
  readonly cache: Cache;
  /** Where sampling noise comes from, see `GenerateOptions`. */
  readonly noise: { readonly seed: number; readonly stream: number; readonly step: number };
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
  readonly #draw: Omit<DecodeDraw, 'control'>;
  readonly #noise: FusedStart['noise'];
  readonly #recorder: Recorder;

  /** @param recorder keeps the recorded step, of these steps alone; whoever made it disposes of it */
  constructor(model: VisionLanguageModel, { cache, noise, ...start }: FusedStart, recorder: Recorder) {
    const p = (name: string) => model.parameters.get(`decoder.${name}`);
    this.#model = model;
    this.#cache = cache;
    this.#noise = noise;
    this.#recorder = recorder;
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
    decodeDraw({ ...this.#draw, control: this.#model.device.fromHost(this.control(column)) });
  }

  /** What kernels read of a step, see `controlFields` in kernels/random: nothing else says which column it is. */
  control(column: number) {
    const { seed, stream, step } = this.#noise;
    return { values: Int32Array.of(seed, stream, step, EOS, PAD, column), dtype: 'i32' } as const;
  }

  /** Logits after the tokens before control's column, which go into the cache: (B, V). Columns come in order. */
  logits(control: Tensor): Tensor {
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
      const attend = { control, cache, prefixes: this.#prefixes, capacity, heads: config.heads, residual: x };
      const y = decodeAttend(qkv, { ...attend, ...part('attention.out') }); // (B, C)
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
    this.#recorder.run('token', { control: this.control(column) }, ({ control }) => {
      noGrad(() => {
        decodeDraw({ ...this.#draw, control }, this.logits(control));
      });
    });
  }
}
