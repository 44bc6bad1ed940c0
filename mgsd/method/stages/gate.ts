/**
 * The gate between stages 1 and 2. Rollouts with wrong recaps teach next to nothing: most of their tokens are masked.
 * One world whose recaps are not there yet is easily hidden by a good mean, so the gate asks for every world and board
 * size by itself, and stage 1 goes on, in extensions, while one of them fails.
 */
import type { VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { gateGroups, groupName, groupShares } from '../puzzles.js';
import type { PuzzleGroup } from '../puzzles.js';
import { respond } from '../respond.js';
import { parseResponse } from '../response.js';
import { ratesAt } from './stage.js';
import type { Metrics, Rates } from './stage.js';

/** What a checkpoint calls the gate's measurements, (groups), and the updates that they have led to, (1). */
const gateTensor = 'gate';
const endTensor = 'gate.steps';

/** Puzzles that are decoded together. */
const chunkSize = 128;

/** Peak rate of an extension, as a share of the stage's: enough to learn more, gentle on what has been learnt. */
const extensionPeak = 0.5;

/** Share of each group's puzzles whose recap the model writes exactly, greedily and from the image. */
export async function exactRecaps(model: VisionLanguageModel, groups: readonly PuzzleGroup[]): Promise<number[]> {
  const shares: number[] = [];
  for (const { world, level, puzzles } of groups) {
    const maxTokens = world.maximumRecapLength(level) + 1; // the recap and ANS
    let exact = 0;
    for (let from = 0; from < puzzles.length; from += chunkSize) {
      const chunk = puzzles.slice(from, from + chunkSize);
      const written = await respond(model, chunk, 'image', { maxTokens });
      exact += chunk.filter(({ instance }, i) => parseResponse(world, instance, written[i]!).recapExact).length;
    }
    shares.push(exact / puzzles.length);
  }
  return shares;
}

/** The gate that a configuration asks for; undefined without one. */
export function gateOf(config: RunConfig): Gate | undefined {
  const { steps, gate } = config.stage1;
  return gate.recapExact > 0 && steps > 0 ? new Gate(config, gateGroups(config)) : undefined;
}

/** How long stage 1 goes on, what it is shown in its extensions, and which groups have passed. */
export class Gate {
  readonly #config: RunConfig['stage1'];
  readonly #groups: readonly PuzzleGroup[];
  #exact: readonly number[] | undefined;
  #end: number;

  /** @param groups puzzles to ask about, see `gateGroups` */
  constructor({ stage1 }: Pick<RunConfig, 'stage1'>, groups: readonly PuzzleGroup[]) {
    this.#config = stage1;
    this.#groups = groups;
    this.#end = stage1.steps;
  }

  /** Updates of stage 1 as far as is known: its own, and those of the extensions so far. */
  get end(): number {
    return this.#end;
  }

  /** Places of the groups that have not passed; none before anything was measured. */
  get failed(): number[] {
    const least = Math.fround(this.#config.gate.recapExact); // as a checkpoint keeps the shares
    return (this.#exact ?? []).flatMap((share, g) => (share < least ? [g] : []));
  }

  /** Learning rates at an update: the stage's own, or in an extension those of a gentler schedule of its own. */
  ratesAt(step: number): Rates {
    const { gate, ...schedule } = this.#config;
    if (step < schedule.steps) return ratesAt(schedule, step);
    const extension = {
      steps: gate.steps,
      warmup: Math.min(schedule.warmup, gate.steps / 4),
      floor: schedule.floor,
      visionRate: extensionPeak * schedule.visionRate,
      decoderRate: extensionPeak * schedule.decoderRate,
    };
    return ratesAt(extension, (step - schedule.steps) % gate.steps);
  }

  /** Shares of the groups in a batch: in an extension half of it as ever, and half from the groups that have failed. */
  sharesAt(step: number, groups: readonly PuzzleGroup[]): number[] {
    const usual = groupShares(groups);
    const { failed } = this;
    if (step < this.#config.steps || failed.length === 0) return usual;
    const mass = failed.reduce((sum, g) => sum + usual[g]!, 0);
    return usual.map((share, g) => share / 2 + (failed.includes(g) ? share / mass / 2 : 0));
  }

  /** Measures at the end of the stage and of each extension; undefined at all other updates. */
  async after(step: number, model: VisionLanguageModel): Promise<{ metrics: Metrics; notes: string[] } | undefined> {
    if (step + 1 < this.#end) return undefined;
    await this.measure(model);
    return { metrics: this.metrics(), notes: [this.#decide()] };
  }

  async measure(model: VisionLanguageModel): Promise<void> {
    this.#exact = (await exactRecaps(model, this.#groups)).map(Math.fround);
  }

  /** Extends the stage if a group has failed and extensions are left; returns what to tell people. */
  #decide(): string {
    const { steps, gate } = this.#config;
    const { failed } = this;
    const wanted = `${Math.round(100 * gate.recapExact)} % exact recaps`;
    if (failed.length === 0) return `gate: every board size has ${wanted} (${this.describe()})`;
    if (this.#end < steps + gate.extensions * gate.steps) {
      this.#end += gate.steps;
      return `gate: ${this.describe(failed)} of ${wanted}; stage 1 goes on to update ${this.#end}, half of it on these`;
    }
    return (
      `gate: failed by ${this.describe(failed)} of ${wanted}. Stage 2 begins with them all the same; wrong recaps mask most of ` +
      `what their rollouts could teach. Better: a new run with stage1.steps=${2 * this.#end} or more stage1.images, and if ` +
      'that does not help, more stage1.decoderRate'
    );
  }

  /** `frozenlake 3 98 %, maze 4 61 %`: the failed groups, or all. */
  describe(places: readonly number[] = this.#groups.map((_, g) => g)): string {
    return places
      .map(g => `${groupName(this.#groups[g]!)} ${Math.round(100 * (this.#exact?.[g] ?? NaN))} %`)
      .join(', ');
  }

  /** `recapExact frozenlake 3`, ... */
  metrics(): Metrics {
    return Object.fromEntries(
      (this.#exact ?? []).map((share, g) => [`recapExact ${groupName(this.#groups[g]!)}`, share]),
    );
  }

  /** What a checkpoint keeps; empty before a measurement. */
  save(): ReadonlyMap<string, Float32Array> {
    if (!this.#exact) return new Map();
    return new Map([
      [gateTensor, Float32Array.from(this.#exact)],
      [endTensor, Float32Array.of(this.#end)],
    ]);
  }

  /** Takes it back. */
  load(tensors: ReadonlyMap<string, Float32Array>): void {
    const exact = tensors.get(gateTensor);
    if (exact) this.#exact = Array.from(exact);
    this.#end = tensors.get(endTensor)?.[0] ?? this.#end;
  }
}
