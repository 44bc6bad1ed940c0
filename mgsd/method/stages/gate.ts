/**
 * The gate between stages 1 and 2. Rollouts with wrong recaps teach next to nothing: most of their tokens are masked. One world
 * whose recaps are not there yet is easily hidden by a good mean, so the gate asks for every world and board size by itself.
 */
import type { VisionLanguageModel } from '../../../models/index.js';
import { generate } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { groupName, groupShares } from '../puzzles.js';
import type { PuzzleGroup } from '../puzzles.js';
import { generationSlots, patchTensor, promptOf, renderPuzzles } from '../packing.js';
import { parseResponse } from '../response.js';
import type { Metrics } from './stage.js';

/** What a checkpoint calls the gate's measurements: (groups). */
export const gateTensor = 'gate';

/** Puzzles that are decoded together. */
const chunkSize = 128;
const greedy = { temperature: 0, seed: 0, stream: 0, step: 0 };

/** Share of each group's puzzles whose recap the model writes exactly, greedily and from the image. */
export async function exactRecaps(model: VisionLanguageModel, groups: readonly PuzzleGroup[]): Promise<number[]> {
  const shares: number[] = [];
  for (const { world, level, puzzles } of groups) {
    let exact = 0;
    for (let from = 0; from < puzzles.length; from += chunkSize) {
      const chunk = puzzles.slice(from, from + chunkSize);
      const prompts = chunk.map(puzzle => promptOf(puzzle, 'image', model.config));
      const slots = generationSlots(
        chunk.map(() => ({ world })),
        model.config,
      );
      const options = { ...greedy, ...slots, maxTokens: world.maximumRecapLength(level) + 1 }; // the recap and ANS
      const written = await model.device.scope(() =>
        generate(model, prompts, options, patchTensor(model, renderPuzzles(chunk, model.config))),
      );
      exact += chunk.filter(({ instance }, i) => parseResponse(world, instance, written[i]!).recapExact).length;
    }
    shares.push(exact / puzzles.length);
  }
  return shares;
}

/** Which groups have passed, and what was measured last. */
export class Gate {
  readonly #config: RunConfig['stage1']['gate'];
  readonly #groups: readonly PuzzleGroup[];
  #exact: readonly number[] | undefined;

  /** @param groups puzzles to ask about, see `gateGroups` */
  constructor({ stage1 }: Pick<RunConfig, 'stage1'>, groups: readonly PuzzleGroup[]) {
    this.#config = stage1.gate;
    this.#groups = groups;
  }

  /** Places of the groups that have not passed; none before anything was measured. */
  get failed(): number[] {
    const least = Math.fround(this.#config.recapExact); // as a checkpoint keeps the shares
    return (this.#exact ?? []).flatMap((share, g) => (share < least ? [g] : []));
  }

  /** Measures all groups, or those at the given places. */
  async measure(model: VisionLanguageModel, places: readonly number[] = this.#groups.map((_, g) => g)): Promise<void> {
    const chosen = await exactRecaps(
      model,
      places.map(g => this.#groups[g]!),
    );
    const exact = [...(this.#exact ?? this.#groups.map(() => 0))];
    places.forEach((g, k) => (exact[g] = Math.fround(chosen[k]!)));
    this.#exact = exact;
  }

  /** `frozenlake 3 98 %, maze 4 61 %`: the failed groups, or all. */
  describe(places: readonly number[] = this.#groups.map((_, g) => g)): string {
    return places
      .map(g => `${groupName(this.#groups[g]!)} ${Math.round(100 * (this.#exact?.[g] ?? NaN))} %`)
      .join(', ');
  }

  /** For the log: `recapExact frozenlake 3`, ... */
  metrics(): Metrics {
    return Object.fromEntries(
      (this.#exact ?? []).map((share, g) => [`recapExact ${groupName(this.#groups[g]!)}`, share]),
    );
  }

  /** Shares of the groups in batches that make up for what failed: half of them as ever, half from the failed groups. */
  shares(groups: readonly PuzzleGroup[]): number[] {
    const usual = groupShares(groups);
    const { failed } = this;
    if (failed.length === 0) return usual;
    const mass = failed.reduce((sum, g) => sum + usual[g]!, 0);
    return usual.map((share, g) => share / 2 + (failed.includes(g) ? share / mass / 2 : 0));
  }

  /** What a checkpoint keeps: (groups); undefined before a measurement. */
  save(): Float32Array | undefined {
    return this.#exact && Float32Array.from(this.#exact);
  }

  /** Takes it back; undefined leaves everything as it is. */
  load(exact: Float32Array | undefined): void {
    if (exact) this.#exact = Array.from(exact);
  }
}
