/** Evaluation: greedy plans for held-out puzzles, judged by the worlds' rules, summed up with intervals. */
import { Random } from '../../core/index.js';
import { generate, patchCount } from '../../models/index.js';
import type { ModelConfig, VisionLanguageModel } from '../../models/index.js';
import { streams } from '../method/puzzles.js';
import type { Puzzle, PuzzleGroup } from '../method/puzzles.js';
import type { Plan } from './planner.js';
import { generationSlots, patchTensor, promptOf, renderPuzzles } from '../method/packing.js';
import { clusterBootstrap, meanOf, rateInterval } from './intervals.js';
import type { Estimate } from './intervals.js';
import { maximumResponseLength, oracleResponse, parseResponse } from '../method/response.js';
import type { RenderStyle, World } from '../worlds/world.js';

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
  /**
   * Share of a shortest plan that was walked before the first action off it, 0..1. The first runs lack what follows.
   */
  readonly progress?: number;
  /** The response keeps to the grammar, ends, and holds at least one action. */
  readonly parsed?: boolean;
  /** The failure is an action that the world's rules forbid. */
  readonly illegal?: boolean;
  /** Which parts of the recap are right, by the world's `recapFields`. */
  readonly fields?: Readonly<Record<string, boolean>>;
  /** Tokens after BOS. */
  readonly response: readonly number[];
}

/** Puzzles that are decoded together. */
const chunkSize = 100;
const greedyNoise = { seed: 0, stream: 0, step: 0 };

/** What is shown, and how much of it. */
export interface EvaluateOptions {
  readonly input: EvaluationInput;
  readonly style?: RenderStyle;
  /** The image of a puzzle, (imageSize, imageSize, 3), where it is not to be rendered: of a stored sample. */
  readonly imageOf?: ((puzzle: Puzzle) => Uint8Array) | undefined;
  /** At most this many puzzles per group. */
  readonly limit?: number;
  /** Told how many puzzles are done, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Greedy plans for all puzzles of the groups, in their order. */
export async function evaluate(
  model: VisionLanguageModel,
  groups: readonly PuzzleGroup[],
  options: EvaluateOptions,
): Promise<ItemResult[]> {
  const { limit = Infinity, onProgress } = options;
  const total = groups.reduce((sum, { puzzles }) => sum + Math.min(limit, puzzles.length), 0);
  const results: ItemResult[] = [];
  for (const { world, level, puzzles } of groups) {
    const chosen = puzzles.slice(0, limit);
    const shown = imagesFor(puzzles, chosen.length, model.config, options);
    // Stored puzzles may have more obstacles or longer plans than generated ones.
    const needed = Math.max(...chosen.map(({ world, instance }) => oracleResponse(world, instance).length));
    const maxTokens = Math.max(maximumResponseLength(world, level), needed);
    for (let from = 0; from < chosen.length; from += chunkSize) {
      const chunk = chosen.slice(from, from + chunkSize);
      const prompts = chunk.map(puzzle => promptOf(puzzle, shown ? 'image' : 'symbolic', model.config));
      const responses = await model.device.scope(() => {
        const patches = shown && patchTensor(model, shown.slice(from, from + chunkSize));
        const slots = generationSlots(shown ? chunk.map(({ world }) => ({ world })) : chunk, model.config);
        return generate(model, prompts, { maxTokens, temperature: 0, ...greedyNoise, ...slots }, patches);
      });
      chunk.forEach((puzzle, i) => results.push(judge(puzzle, responses[i]!)));
      onProgress?.(results.length, total);
    }
  }
  return results;
}

/** The verdict on one response. */
export function judge({ world, instance }: Puzzle, response: readonly number[]): ItemResult {
  const { verdict, recap, recapExact, fatalIndex } = parseResponse(world, instance, response);
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
    progress: verdict.progress,
    parsed: verdict.parsed,
    illegal: fatalIndex >= 0 && verdict.parsed && !verdict.success,
    fields: rightFields(world, world.recap(instance), recap),
    response,
  };
}

/**
 * One plain sentence about a plan.
 * @param by what it is judged by, behind a blank: ` on the board that it wrote down`
 */
export function verdictText(puzzle: Puzzle, { tokens, actions }: Pick<Plan, 'tokens' | 'actions'>, by = ''): string {
  const { success, optimal, reason } = judge(puzzle, tokens);
  const shortest = puzzle.world.shortestLength(puzzle.instance);
  if (!success) return `fails${by} (${reason}); the shortest plan has ${shortest} moves`;
  return `reaches the goal${by} in ${actions.length} moves${optimal ? ', as few as possible' : `; ${shortest} would do`}`;
}

/** Which fields of a written recap are the true ones, by name; empty for a world that does not name them. */
function rightFields(
  { recapFields = [] }: World,
  truth: readonly number[],
  written: readonly number[],
): Record<string, boolean> {
  const last = recapFields.length - 1;
  const part = (tokens: readonly number[], at: number) => tokens.slice(at, at === last ? undefined : at + 1).join();
  return Object.fromEntries(recapFields.map((name, at) => [name, part(truth, at) === part(written, at)]));
}

/** The images that the first `count` puzzles of a group are shown; undefined for symbols. */
export function imagesFor(
  puzzles: readonly Puzzle[],
  count: number,
  config: ModelConfig,
  { input, style = 'training', imageOf }: Pick<EvaluateOptions, 'input' | 'style' | 'imageOf'>,
): Uint8Array[] | undefined {
  if (input === 'symbolic') return undefined;
  const bytes = patchCount(config) * 3 * config.patchSize ** 2;
  if (input === 'blank') return Array.from({ length: count }, () => new Uint8Array(bytes).fill(128));
  const shift = input === 'shuffled' ? 1 : 0; // every puzzle gets the image of its neighbour, so none keeps its own
  if (shift > 0 && puzzles.length < 2) throw new Error('shuffled images need at least two puzzles of a size');
  const shown = Array.from({ length: count }, (_, i) => puzzles[(i + shift) % puzzles.length]!);
  return imageOf ? shown.map(imageOf) : renderPuzzles(shown, config, style);
}

/** A row of the table: rates in [0, 1] with 95 % intervals over layouts. */
export interface RowSummary {
  readonly items: number;
  /** Different layouts among them, mirrored and rotated ones counted once. Few layouts are weak evidence. */
  readonly layouts: number;
  /** Mean over worlds of their success rates. */
  readonly success: Estimate;
  readonly optimal: Estimate;
  /** Success on puzzles that need a detour; null without such puzzles. */
  readonly detourSuccess: Estimate | null;
  readonly recapExact: Estimate;
  /** Success where the recap was right; null if it never was. */
  readonly successGivenRecap: Estimate | null;
  /**
   * Mean progress along a shortest plan; share of responses that could be read as a plan; share that failed by an
   * action that the rules forbid. All means over worlds, null for the first runs, which did not keep them.
   */
  readonly progress: Estimate | null;
  readonly parsed: Estimate | null;
  readonly illegal: Estimate | null;
  /** Success rate by `world level`. */
  readonly byLevel: Readonly<Record<string, number>>;
  /** How failures ended, by reason. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Of items weighted by how often a resample drew them. */
type Statistic = (weights: Float64Array) => number;

/** What intervals are clustered by. */
export const clusterOf = ({ world, level, layout }: Pick<ItemResult, 'world' | 'level' | 'layout'>) =>
  `${world} ${level} ${layout}`;

const drawLayouts = () => new Random(0, streams.bootstrap);

/** Sums up one evaluation. */
export function summarize(items: readonly ItemResult[]): RowSummary {
  const worlds = [...new Set(items.map(({ world }) => world))];
  type Value = (item: ItemResult) => number | boolean;
  const rate = (of: readonly ItemResult[], value: Value) => rateInterval(of.map(value), of.map(clusterOf));
  const among = (subset: readonly ItemResult[], value: Value) => (subset.length === 0 ? null : rate(subset, value));
  const byLevel: Record<string, number> = {};
  for (const name of new Set(items.map(({ world, level }) => `${world} ${level}`))) {
    const group = items.filter(({ world, level }) => `${world} ${level}` === name);
    byLevel[name] = group.filter(({ success }) => success).length / group.length;
  }
  const failures: Record<string, number> = {};
  for (const { success, reason } of items) if (!success) failures[reason] = (failures[reason] ?? 0) + 1;
  const macro = (value: Value) =>
    meanOf(
      worlds.map(name =>
        rate(
          items.filter(({ world }) => world === name),
          value,
        ),
      ),
    );
  const known = items.every(({ progress, parsed, illegal }) => [progress, parsed, illegal].every(v => v !== undefined));
  return {
    items: items.length,
    layouts: new Set(items.map(clusterOf)).size,
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
    progress: known ? macro(({ progress = 0 }) => progress) : null,
    parsed: known ? macro(({ parsed = false }) => parsed) : null,
    illegal: known ? macro(({ illegal = false }) => illegal) : null,
    byLevel,
    failures,
  };
}

/** The paper's headline, the unweighted mean over worlds of their success rates, as a statistic of weighted items. */
function macroSuccess(items: readonly ItemResult[]): Statistic {
  const worlds = [...new Set(items.map(({ world }) => world))];
  const worldOf = Int32Array.from(items, ({ world }) => worlds.indexOf(world));
  const values = Float64Array.from(items, ({ success }) => Number(success));
  const [hits, mass] = [new Float64Array(worlds.length), new Float64Array(worlds.length)];
  return weights => {
    hits.fill(0);
    mass.fill(0);
    for (let i = 0; i < values.length; i++) {
      hits[worldOf[i]!]! += weights[i]! * values[i]!;
      mass[worldOf[i]!]! += weights[i]!;
    }
    return hits.reduce((sum, hit, world) => sum + hit / mass[world]!, 0) / worlds.length;
  };
}

/**
 * Macro success of a row minus that of another on the same items in the same order, with an interval. Items are paired,
 * so what makes a puzzle hard for both drops out; the rows differ beyond the interval if it does not hold 0.
 */
export function differenceOf(row: readonly ItemResult[], other: readonly ItemResult[]): Estimate {
  checkSamePuzzles(row, other);
  const [rate, otherRate] = [macroSuccess(row), macroSuccess(other)];
  return clusterBootstrap(row.map(clusterOf), weights => rate(weights) - otherRate(weights), drawLayouts());
}

function checkSamePuzzles(row: readonly ItemResult[], ...others: readonly (readonly ItemResult[])[]): void {
  for (const other of others)
    if (other.length !== row.length || other.some(({ key }, i) => key !== row[i]!.key))
      throw new Error('rows are compared item by item: these were not evaluated on the same puzzles in the same order');
}

/**
 * Gap closed = (row - base image) / (symbolic - base image), of macro success on the same items in the same order, with
 * an interval; null where symbolic input is not better than the base: then there is no gap.
 */
export function gapOf(
  row: readonly ItemResult[],
  base: readonly ItemResult[],
  symbolic: readonly ItemResult[],
): Estimate | null {
  checkSamePuzzles(row, base, symbolic);
  const [rowRate, baseRate, symbolicRate] = [macroSuccess(row), macroSuccess(base), macroSuccess(symbolic)];
  const closed: Statistic = weights => {
    const gap = symbolicRate(weights) - baseRate(weights);
    return gap > 0 ? (rowRate(weights) - baseRate(weights)) / gap : NaN;
  };
  if (Number.isNaN(closed(new Float64Array(row.length).fill(1)))) return null;
  return clusterBootstrap(row.map(clusterOf), closed, drawLayouts());
}
