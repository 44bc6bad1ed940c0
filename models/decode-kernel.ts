/**
 * Decoding with the rollout kernel: several tokens of all sequences in one launch, in place of some forty launches per
 * token. It reads the parameters where they lie, so only the tables of tokens and slots are made beforehand, once per
 * rollout.
 */
import { concat, noGrad, rollout } from '../core/index.js';
import type { RolloutShape, RolloutState, Tensor } from '../core/index.js';
import { rolloutFits, rolloutLayerFields, rolloutModelFields, rolloutPlan } from '../kernels/index.js';
import type { Cache } from './cache.js';
import type { ModelConfig } from './config.js';
import { sideFor, slotOf } from './slots.js';
import type { VisionLanguageModel } from './vlm.js';
import { MAXIMUM_SIZE } from './vocabulary.js';

/** What the rollout kernel continues from: state after the first token of every response has been drawn. */
export interface RolloutStart {
  readonly cache: Cache;
  readonly control: Tensor;
  readonly sampling: Tensor;
  readonly done: Tensor;
  readonly tokens: Tensor;
  readonly slots: SlotLists;
}

/** Lists of slots (see slots.ts) by response position, and which of them holds: see `RolloutPlan`. */
export interface SlotLists {
  readonly lists: readonly ArrayLike<number>[];
  readonly listOf: Int32Array;
}

/**
 * Collects what `responseSlots` says of every sequence and every first token in question.
 * @param firstTokens (sequences) where they are known; undefined: any of the vocabulary
 * @param length positions of a list
 */
export function collectSlots(
  responseSlots: ((sequence: number, firstToken: number) => ArrayLike<number> | undefined) | undefined,
  sequences: number,
  config: ModelConfig,
  length: number,
  firstTokens?: ArrayLike<number>,
): SlotLists {
  if (!responseSlots) return { lists: [], listOf: new Int32Array(0) };
  const { vocabulary } = config;
  const listOf = new Int32Array(sequences * vocabulary).fill(-1);
  const lists: ArrayLike<number>[] = [];
  // one list often serves many sequences, on boards of a side
  const known = Array.from({ length: MAXIMUM_SIZE + 1 }, () => new Map<ArrayLike<number>, number>());
  for (let s = 0; s < sequences; s++)
    for (let token = 0; token < vocabulary; token++) {
      if (firstTokens && firstTokens[s] !== token) continue;
      const list = responseSlots(s, token);
      if (!list) continue;
      const side = sideFor(config, token);
      let at = known[side]!.get(list);
      if (at === undefined) {
        at = lists.push(Int32Array.from({ length }, (_, t) => slotOf(list[t] ?? -1, side))) - 1;
        known[side]!.set(list, at);
      }
      listOf[s * vocabulary + token] = at;
    }
  return { lists, listOf };
}

/** True if the rollout kernel can carry this model with this cache. */
export function canRollOut({ config, device }: VisionLanguageModel, cache: Cache): boolean {
  const { width, heads } = config;
  const memory = device.capabilities.features['workgroup memory'];
  if (!cache.all || (width / heads) % 4 !== 0) return false;
  return memory === undefined || rolloutFits(width, heads, Number(memory));
}

/** Decode steps of a batch as launches of one fused kernel, where the backend runs it. */
export class RolloutSteps {
  readonly #state: RolloutState;
  readonly #shape: RolloutShape;

  constructor(model: VisionLanguageModel, { cache, slots, ...start }: RolloutStart) {
    const { layers, width, heads } = model.config;
    const { capacity, layerStride } = cache;
    const range = (field: string) => model.parameters.ranges.get(`decoder.${field}`)!.offset;
    const offsets = [
      ...Array.from({ length: layers }, (_, l) => rolloutLayerFields.map(field => range(`block.${l}.${field}`))).flat(),
      ...rolloutModelFields.map(range),
    ];
    const plan = rolloutPlan({ offsets, prefixes: cache.prefixes, ...slots });
    const tables = noGrad(() =>
      concat([
        model.tokenTable('embedding'),
        model.tokenTable('head'),
        ...(slots.lists.length > 0 ? [model.slotTable()] : []),
      ]),
    ); // (2V + slots, C)
    this.#shape = { layers, width, heads, capacity, lists: slots.lists.length, layerStride };
    this.#state = {
      ...start,
      weights: model.parameters.flat,
      tables,
      plan: model.indices(plan),
      cache: cache.all!,
    };
  }

  /** Draws the next `steps` tokens of all sequences that have not ended; tokens before `column` are known. */
  run(column: number, steps: number): void {
    rollout(this.#state, this.#shape, column, steps);
  }
}
