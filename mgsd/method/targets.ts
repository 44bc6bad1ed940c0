/**
 * What is trained on: the oracle's responses, with noise in the recap and detours in the plan, or sampled ones, with
 * all right tokens at every position as targets. packing.ts makes batches of them.
 *
 * A student in stage 2 shows its teacher prefixes that no oracle would write. Noise and detours prepare the teacher for
 * them in stage 0: it learns to trust its prompt and not the prefix, and to plan on from wherever the plan has got to.
 */
import {
  ANS,
  BOS,
  EOS,
  MAXIMUM_SIZE,
  MINIMUM_SIZE,
  actionToken,
  cellIndexToken,
  cellOf,
  maskOf,
  maskToken,
  sizeOf,
  sizeToken,
} from '../../models/vocabulary.js';
import { SPAN_ACTION, SPAN_RECAP, oracleResponse, responseMask, walkResponse } from './response.js';
import type { ResponseWalk } from './response.js';
import type { TrainingExample } from './packing.js';
import type { Puzzle } from './puzzles.js';
import { questionResponse } from './questions.js';
import { boardCells } from '../worlds/grid.js';
import type { Action } from '../worlds/grid.js';
import { choose } from '../worlds/world.js';
import type { RandomSource } from '../worlds/world.js';

/** How often stage 0 leaves the oracle's path; all are probabilities. */
export interface ResponseNoise {
  /** Share of samples with noise in their recap, and share of the recap tokens then replaced (in the inputs only). */
  readonly recapSamples: number;
  readonly recapTokens: number;
  /** Share of samples with detours in their plan, and share of the steps then taken at random. */
  readonly detourSamples: number;
  readonly detourSteps: number;
}

export const NO_NOISE: ResponseNoise = { recapSamples: 0, recapTokens: 0, detourSamples: 0, detourSteps: 0 };

/**
 * A whole response for stage 0 (with noise) or for direct supervision (without). The plan takes an optimal action at
 * random where several are equally good, so that the prefixes of all optimal plans are seen.
 * @param promptDropout share of samples that hide the state from the prompt, of all worlds or by world: they plan from
 * their own recap, free of noise
 */
export function planExample(
  puzzle: Puzzle,
  random: RandomSource,
  noise: ResponseNoise,
  promptDropout: number | Readonly<Partial<Record<string, number>>> = 0,
): TrainingExample {
  const dropout = typeof promptDropout === 'number' ? promptDropout : (promptDropout[puzzle.world.name] ?? 0);
  const hidesState = dropout > 0 && random.uniform() < dropout;
  const noisyRecap = random.uniform() < noise.recapSamples;
  const plan = planWithDetours(puzzle, random, random.uniform() < noise.detourSamples ? noise.detourSteps : 0);
  const tokens = oracleResponse(puzzle.world, puzzle.instance, plan);
  const walk = walkResponse(puzzle.world, puzzle.instance, tokens);
  const example = exampleOf(puzzle, tokens, walk, new Float32Array(tokens.length).fill(1));
  if (hidesState) return planFromRecap(example);
  if (noisyRecap) corruptRecap(example.inputs, walk.recap.length, puzzle.instance.size, random, noise.recapTokens);
  return example;
}

/** Without the state in the prompt a recap cannot be guessed: only the plan counts. */
function planFromRecap(example: TrainingExample): TrainingExample {
  const weights = example.weights.map((w, t) => (example.spans[t] === SPAN_RECAP ? 0 : w));
  return { ...example, weights, shows: 'nothing' };
}

/**
 * A plan behind the picture of another puzzle. The true recap stands in the response and does not count: from the
 * picture it cannot be known, and the plan, which counts, follows from the recap alone.
 */
export function mismatchedExample(
  puzzle: Puzzle,
  pictured: Puzzle,
  random: RandomSource,
  noise: ResponseNoise,
): TrainingExample {
  return { ...planExample(puzzle, random, noise, 1), pictured };
}

/**
 * The same example after a prompt that tells the reference plan. As long as it keeps to that plan, the plan's next
 * action (EOS at its end) is the only right token; once off it, every optimal action is right, as before.
 */
export function toldPlan(example: TrainingExample): TrainingExample {
  const { world, instance } = example.puzzle;
  const tokens = [...world.referencePlan(instance).map(actionToken), EOS];
  let kept = 0; // actions of the plan so far; -1 once off it
  const targets = example.targets.map((right, t) => {
    if (example.spans[t] !== SPAN_ACTION || kept < 0 || kept >= tokens.length) return right;
    const due = tokens[kept]!;
    kept = example.inputs[t + 1] === due ? kept + 1 : -1;
    return [due];
  });
  return { ...example, targets, shows: 'state+plan' };
}

/** The recap alone, for stage 1: `BOS recap ANS`, asked for under mode:plan (response.ts says why). */
export function recapExample(puzzle: Puzzle): TrainingExample {
  const { world, instance } = puzzle;
  const tokens = [...world.recap(instance), ANS];
  return exampleOf(puzzle, tokens, walkResponse(world, instance, tokens), new Float32Array(tokens.length).fill(1));
}

/** The answers to all perception questions, for mode:perceive; see questions.ts. */
export function questionExample(puzzle: Puzzle): TrainingExample {
  const tokens = questionResponse(puzzle.world, puzzle.instance);
  return {
    puzzle,
    inputs: Int32Array.of(BOS, ...tokens.slice(0, -1)),
    targets: tokens.map(token => [token]),
    spans: new Uint8Array(tokens.length).fill(SPAN_RECAP),
    weights: new Float32Array(tokens.length).fill(1),
    asked: 'perceive',
  };
}

/**
 * A sampled response, the tokens after BOS, with what an oracle would have written at its every position as targets and
 * the mask of stage 2 (`responseMask`) as weights.
 * @param walk of the response, if it has been read already
 */
export function relabelledExample(
  puzzle: Puzzle,
  tokens: ArrayLike<number>,
  maskAfterFatal = true,
  walk: ResponseWalk = walkResponse(puzzle.world, puzzle.instance, tokens),
): TrainingExample {
  return exampleOf(puzzle, tokens, walk, Float32Array.from(responseMask(walk, maskAfterFatal)));
}

function exampleOf(
  puzzle: Puzzle,
  tokens: ArrayLike<number>,
  walk: ResponseWalk,
  weights: Float32Array,
): TrainingExample {
  const inputs = new Int32Array(tokens.length);
  for (let t = 1; t < tokens.length; t++) inputs[t] = tokens[t - 1]!;
  if (tokens.length > 0) inputs[0] = BOS;
  return { puzzle, inputs, targets: walk.targets, spans: walk.spans, weights };
}

/**
 * A plan to the goal in which each step is, with probability `detourSteps`, a random one of all the world's actions:
 * legal or not. An illegal one leaves the state unchanged and the plan goes on from there. A random action is only
 * taken if the goal can still be reached within the world's longest plan, so every example fits the limits.
 */
function planWithDetours({ world, instance }: Puzzle, random: RandomSource, detourSteps: number): Action[] {
  const longest = Math.max(world.maximumPlanLength(instance.size), world.shortestLength(instance));
  const plan: Action[] = [];
  let state = world.start(instance);
  while (!world.isGoal(instance, state)) {
    let action = choose(random, world.optimalActions(instance, state));
    if (detourSteps > 0 && random.uniform() < detourSteps) {
      const detour = choose(random, world.actions);
      const left = world.distance(instance, world.step(instance, state, detour).next);
      if (left >= 0 && plan.length + 1 + left <= longest) action = detour;
    }
    plan.push(action);
    state = world.step(instance, state, action).next;
  }
  return plan;
}

/**
 * Replaces recap tokens, which follow BOS in `inputs`, by random ones of the same kind: cells by cells of the board.
 */
function corruptRecap(
  inputs: Int32Array,
  count: number,
  size: number,
  random: RandomSource,
  probability: number,
): void {
  const board = boardCells(size);
  for (let t = 1; t <= count; t++) {
    if (random.uniform() >= probability) continue;
    const token = inputs[t]!;
    if (cellOf(token) >= 0) inputs[t] = cellIndexToken(choose(random, board));
    else if (sizeOf(token) >= 0) inputs[t] = sizeToken(MINIMUM_SIZE + random.integer(MAXIMUM_SIZE - MINIMUM_SIZE + 1));
    else if (maskOf(token) >= 0) inputs[t] = maskToken(random.integer(16));
  }
}
