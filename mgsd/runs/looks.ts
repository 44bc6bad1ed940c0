/**
 * Looks at a model while it learns: at a few moments of every stage it solves the same held-out puzzles greedily, which
 * is written down and scored. Nothing is drawn at random, so a run is the same with or without it; the report makes
 * curves and film strips of it.
 */
import { z } from 'zod';
import { hostMath, noGrad } from '../../core/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import { evaluate, summarize } from '../evaluation/evaluate.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import type { Puzzle, PuzzleGroup, RunPuzzles } from '../method/puzzles.js';
import { packExamples } from '../method/packing.js';
import type { InputMode } from '../method/packing.js';
import type { OpenStage } from './open-stage.js';
import { stageNames } from './order.js';
import { looksFile } from './store.js';
import type { RunStore } from './store.js';
import { SPAN_ACTION, SPAN_CELL, SPAN_RECAP } from '../method/response.js';
import { relabelledExample } from '../method/targets.js';

/** Puzzles of each group that are looked at: the first ones. */
const puzzlesPerGroup = 20;

/** Looks per stage, not counting its end, which is evaluated in full. */
const looks = 8;

/** An `ItemResult` as files hold it. */
export const itemSchema = z.object({
  world: z.string(),
  level: z.int(),
  key: z.string(),
  layout: z.string(),
  detour: z.boolean(),
  success: z.boolean(),
  optimal: z.boolean(),
  recapExact: z.boolean(),
  reason: z.string(),
  response: z.array(z.int().min(0)),
});

const lookSchema = z.object({
  stage: z.enum(['stage0', 'stage1', 'stage2', 'direct']),
  /** Updates of that stage before the look. */
  step: z.int().min(0),
  input: z.enum(['image', 'symbolic']),
  /** Numbers by name; `null` where nothing was to be measured. */
  metrics: z.record(z.string(), z.number().nullable()),
  /** See `score`; the first runs lack it. */
  score: z.number().optional(),
  items: z.array(itemSchema),
});

/** One look: where, and what the model wrote. Metrics are means over puzzles (rates) or over tokens (nats). */
export type Look = z.infer<typeof lookSchema>;

/** True at about eight evenly spaced steps of a stage; false at its end. */
export function isLookDue(step: number, steps: number): boolean {
  return step > 0 && step < steps && step % Math.max(1, Math.round(steps / looks)) === 0;
}

/**
 * What the model does with the first puzzles of each group, greedily.
 * @returns success, optimal and recapExact as shares; entropy of its predictions on its own prefixes in nats per token;
 *   and `oracleKlRecap`, `oracleKlAction`, `oracleKlCell`: KL(oracle || model) there, in nats per token of the span,
 *   where the oracle spreads evenly over all tokens that are right
 */
export async function look(
  model: VisionLanguageModel,
  groups: readonly PuzzleGroup[],
  input: InputMode,
): Promise<Pick<Look, 'metrics' | 'items'>> {
  const items = await evaluate(model, groups, { input, limit: puzzlesPerGroup });
  const puzzles = groups.flatMap(group => group.puzzles.slice(0, puzzlesPerGroup));
  const share = (is: (item: ItemResult) => boolean) => items.filter(is).length / items.length;
  const metrics = {
    success: share(({ success }) => success),
    optimal: share(({ optimal }) => optimal),
    recapExact: share(({ recapExact }) => recapExact),
    ...(await predictions(model, puzzles, items, input)),
  };
  return { metrics, items: items.map(item => ({ ...item, response: [...item.response] })) };
}

const spans = { oracleKlRecap: SPAN_RECAP, oracleKlAction: SPAN_ACTION, oracleKlCell: SPAN_CELL } as const;

/** One forward pass over the model's own responses, up to the first fatal token. */
async function predictions(
  model: VisionLanguageModel,
  puzzles: readonly Puzzle[],
  items: readonly ItemResult[],
  input: InputMode,
): Promise<Record<string, number | null>> {
  const examples = puzzles.map((puzzle, i) => relabelledExample(puzzle, items[i]!.response));
  const V = model.config.vocabulary;
  const logits = await model.device.scope(
    () => noGrad(() => model.forward(model.device.fromHost(packExamples(examples, input, model)))).read(), // (N, V)
  );
  const mean = () => ({ total: 0, count: 0 });
  const entropy = mean();
  const bySpan = new Map(Object.values(spans).map(span => [span as number, mean()]));
  let row = 0;
  for (const { targets, spans: spansOf, weights } of examples)
    for (let t = 0; t < targets.length; t++, row++) {
      if (weights[t] === 0) continue;
      const logP = logSoftmax(Float64Array.from(logits.subarray(row * V, (row + 1) * V)));
      entropy.total -= logP.reduce((sum, value) => sum + hostMath.exp(value) * value, 0);
      entropy.count++;
      const right = targets[t]!;
      const of = bySpan.get(spansOf[t]!);
      if (!of || right.length === 0) continue;
      // sum over right tokens of 1/n (log 1/n - log p)
      of.total += -hostMath.log(right.length) - right.reduce((sum, token) => sum + logP[token]!, 0) / right.length;
      of.count++;
    }
  const value = ({ total, count }: ReturnType<typeof mean>) => (count > 0 ? total / count : null);
  const kl = Object.entries(spans).map(([name, span]) => [name, value(bySpan.get(span)!)] as const);
  return { entropy: value(entropy), ...Object.fromEntries(kl) };
}

/** Logarithm of softmax over numbers on the host: (V). */
export function logSoftmax(z: Float64Array): Float64Array {
  const maximum = z.reduce((a, b) => Math.max(a, b), -Infinity);
  const lse = maximum + hostMath.log(z.reduce((sum, value) => sum + hostMath.exp(value - maximum), 0));
  return z.map(value => value - lse);
}

/** Looks at the model after `step` updates and writes it down. @returns its `score` */
export async function lookAndScore(
  opened: OpenStage,
  step: number,
  { heldOut, validation }: RunPuzzles,
  folder: RunStore,
): Promise<number> {
  const { stage, model } = opened;
  const input = inputOf(stage);
  const { metrics, items } = await look(model, heldOut, input);
  const rating = await score(opened, validation);
  folder.append(
    looksFile,
    JSON.stringify({ stage: stage.name, step, input, metrics, score: rating, items } satisfies Look),
  );
  return rating;
}

const inputOf = ({ name }: OpenStage['stage']): InputMode => (name === 'stage0' ? 'symbolic' : 'image');

/**
 * Score that picks a stage's best checkpoint: the share of validation puzzles solved greedily, averaged over worlds; in
 * stage 1, which learns no plans, the share of boards written down without a mistake.
 */
export async function score({ stage, model }: OpenStage, validation: readonly PuzzleGroup[]): Promise<number> {
  const { success, recapExact } = summarize(await evaluate(model, validation, { input: inputOf(stage) }));
  return (stage.name === 'stage1' ? recapExact : success).value;
}

/**
 * The looks of a run, in the order of its stages and steps. A run that was resumed has some twice: the later ones
 * count. What is no look is skipped, and damaged lines with a warning.
 */
export function readLooks(store: RunStore): Look[] {
  const found = new Map<string, Look>();
  for (const record of store.readLog(looksFile)) {
    const { data } = lookSchema.safeParse(record);
    if (data) found.set(`${data.stage} ${data.step}`, data);
  }
  const place = ({ stage }: Look) => stageNames.indexOf(stage);
  return [...found.values()].sort((a, b) => place(a) - place(b) || a.step - b.step);
}
