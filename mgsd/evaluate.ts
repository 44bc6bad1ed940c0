/** Evaluation: greedy plans for held-out puzzles, judged by the worlds' rules, summed up with intervals. */
import { Random } from '../core/index.js';
import { generate, patchCount } from '../models/index.js';
import type { VisionLanguageModel } from '../models/index.js';
import { streams } from './puzzles.js';
import type { Puzzle, PuzzleGroup } from './puzzles.js';
import { patchTensor, promptOf, renderPuzzles } from './samples.js';
import { clusterBootstrap, gapClosed, meanInterval } from './statistics.js';
import type { Estimate } from './statistics.js';
import { maximumResponseLength, parseResponse } from './trace.js';
import type { RenderStyle } from './worlds/world.js';

/**
 * What the model is shown: the puzzle's image, its symbolic state, or, to prove that it looks, a uniform grey image
 * (`blank`) or the image of another held-out puzzle of the same size (`shuffled`).
 */
export type EvaluationInput = 'image' | 'symbolic' | 'blank' | 'shuffled';

/** One puzzle's outcome. */
export interface ItemResult {
  readonly world: string;
  readonly level: number;
  /** The puzzle, and its layout, by which intervals are clustered. */
  readonly key: string;
  readonly layout: string;
  /** Straight ahead, obstacles ignored, does not solve it. */
  readonly detour: boolean;
  readonly success: boolean;
  readonly optimal: boolean;
  readonly recapExact: boolean;
  /** `goal`, or why not. */
  readonly reason: string;
  /** Tokens after BOS. */
  readonly response: readonly number[];
}

/** Puzzles that are decoded together. */
const chunkSize = 100;
const maxTokensNeverSampled = { seed: 0, stream: 0, step: 0 };

export interface EvaluateOptions {
  readonly input: EvaluationInput;
  readonly style?: RenderStyle;
  /** At most this many puzzles per group. */
  readonly limit?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Greedy plans for all puzzles of the groups, in their order. */
export async function evaluate(
  model: VisionLanguageModel,
  groups: readonly PuzzleGroup[],
  options: EvaluateOptions,
): Promise<ItemResult[]> {
  const { input, style = 'training', limit = Infinity, onProgress } = options;
  const total = groups.reduce((sum, { puzzles }) => sum + Math.min(limit, puzzles.length), 0);
  const results: ItemResult[] = [];
  for (const { world, level, puzzles } of groups) {
    const chosen = puzzles.slice(0, limit);
    const shown = input === 'symbolic' ? undefined : imagesFor(chosen, model, input, style);
    for (let from = 0; from < chosen.length; from += chunkSize) {
      const chunk = chosen.slice(from, from + chunkSize);
      const prompts = chunk.map(puzzle => promptOf(puzzle, shown ? 'image' : 'symbolic', model.config));
      const maxTokens = maximumResponseLength(world, level);
      const responses = await model.device.scope(() => {
        const patches = shown && patchTensor(model, shown.slice(from, from + chunkSize));
        return generate(model, prompts, { maxTokens, temperature: 0, ...maxTokensNeverSampled }, patches);
      });
      chunk.forEach((puzzle, i) => results.push(judge(puzzle, responses[i]!)));
      onProgress?.(results.length, total);
    }
  }
  return results;
}

/** The verdict on one response. */
export function judge({ world, instance }: Puzzle, response: readonly number[]): ItemResult {
  const { verdict, recapExact } = parseResponse(world, instance, response);
  return {
    world: world.name,
    level: instance.size,
    key: world.instanceKey(instance),
    layout: world.layoutKey(instance),
    detour: world.needsDetour(instance),
    success: verdict.success,
    optimal: verdict.optimal,
    recapExact,
    reason: verdict.reason,
    response,
  };
}

function imagesFor(
  puzzles: readonly Puzzle[],
  model: VisionLanguageModel,
  input: EvaluationInput,
  style: RenderStyle,
): Uint8Array[] {
  const images = renderPuzzles(puzzles, model.config, style);
  const bytes = patchCount(model.config) * 3 * model.config.patchSize ** 2;
  if (input === 'blank') return images.map(() => new Uint8Array(bytes).fill(128));
  // every puzzle gets the image of its neighbour, so none keeps its own
  return input === 'shuffled' ? images.map((_, i) => images[(i + 1) % images.length]!) : images;
}

/** A row of the table: rates in [0, 1] with 95 % intervals, bootstrapped over layouts. */
export interface RowSummary {
  readonly items: number;
  /** Mean over worlds of their success rates. */
  readonly success: Estimate;
  readonly optimal: Estimate;
  /** Success on puzzles that need a detour; null without such puzzles. */
  readonly detourSuccess: Estimate | null;
  readonly recapExact: Estimate;
  /** Success where the recap was right; null if it never was. */
  readonly successGivenRecap: Estimate | null;
  /** Success rate by `world level`. */
  readonly byLevel: Readonly<Record<string, number>>;
  /** How failures ended, by reason. */
  readonly failures: Readonly<Record<string, number>>;
}

const bootstrap = () => ({ random: new Random(0, streams.bootstrap) });

/** Sums up one evaluation. */
export function summarize(items: readonly ItemResult[]): RowSummary {
  const clusters = items.map(({ world, level, layout }) => `${world} ${level} ${layout}`);
  const among = (subset: readonly ItemResult[], value: (item: ItemResult) => boolean) =>
    subset.length === 0
      ? null
      : meanInterval(
          subset.map(value),
          subset.map(({ world, level, layout }) => `${world} ${level} ${layout}`),
          bootstrap(),
        );
  const byLevel: Record<string, number> = {};
  for (const name of new Set(items.map(({ world, level }) => `${world} ${level}`))) {
    const group = items.filter(({ world, level }) => `${world} ${level}` === name);
    byLevel[name] = group.filter(({ success }) => success).length / group.length;
  }
  const failures: Record<string, number> = {};
  for (const { success, reason } of items) if (!success) failures[reason] = (failures[reason] ?? 0) + 1;
  const macro = (value: (item: ItemResult) => boolean) =>
    clusterBootstrap(clusters, macroAverage(items, value), bootstrap());
  return {
    items: items.length,
    success: macro(({ success }) => success),
    optimal: macro(({ optimal }) => optimal),
    detourSuccess: among(
      items.filter(({ detour }) => detour),
      ({ success }) => success,
    ),
    recapExact: macro(({ recapExact }) => recapExact),
    successGivenRecap: among(
      items.filter(({ recapExact }) => recapExact),
      ({ success }) => success,
    ),
    byLevel,
    failures,
  };
}

/** The paper's headline: the unweighted mean over worlds of each world's rate, as a statistic of weighted items. */
function macroAverage(
  items: readonly ItemResult[],
  value: (item: ItemResult) => boolean,
): (weights: Float64Array) => number {
  const worlds = [...new Set(items.map(({ world }) => world))];
  return weights => {
    const rates = worlds.map(world => {
      let hits = 0;
      let mass = 0;
      items.forEach((item, i) => {
        if (item.world !== world) return;
        hits += weights[i]! * Number(value(item));
        mass += weights[i]!;
      });
      return hits / mass;
    });
    return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  };
}

/** (row - base image) / (symbolic - base image), of success on the same items in the same order; null without a gap. */
export function gapOf(
  row: readonly ItemResult[],
  base: readonly ItemResult[],
  symbolic: readonly ItemResult[],
): Estimate | null {
  const successes = (items: readonly ItemResult[]) => items.map(({ success }) => success);
  const clusters = row.map(({ world, level, layout }) => `${world} ${level} ${layout}`);
  return gapClosed(successes(row), successes(base), successes(symbolic), clusters, bootstrap());
}
