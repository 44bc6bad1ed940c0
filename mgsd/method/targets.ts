/**
 * Training samples made from traces: the oracle's responses with noise in the recap and detours in the plan, soft targets
 * over all optimal actions. Packing them into a batch is samples.ts's business.
 *
 * A student in stage 2 shows its teacher prefixes that no oracle would write. Noise and detours are what stage 0 does about
 * that: the teacher learns to trust its prompt and not the prefix, and to plan on from wherever the plan has got to.
 */

import {
  ANS,
  BOS,
  MAXIMUM_SIZE,
  MINIMUM_SIZE,
  cellIndexToken,
  cellOf,
  maskOf,
  maskToken,
  sizeOf,
  sizeToken,
} from '../../models/vocabulary.js';
import {
  DEFAULT_FORMAT,
  SPAN_RECAP,
  oracleResponse,
  responseMask,
  walkResponse,
  type ResponseWalk,
  type TraceFormat,
  type WalkOptions,
} from './response.js';
import { questionResponse } from './questions.js';
import { boardCells, type Action } from '../worlds/grid.js';
import { choose, type RandomSource, type World, type WorldInstance } from '../worlds/world.js';

/** One response to train on. Position t sees inputs 0..t and predicts token t+1 of the response. */
export interface TrainingTrace {
  /** BOS and all response tokens but the last: (length). */
  readonly inputs: Int32Array;
  /** The ids that are right at each position, all equally: (length), 1 to 6 ids each. */
  readonly targets: readonly (readonly number[])[];
  /** What each target belongs to, a SPAN_ number: (length). */
  readonly spans: Uint8Array;
  /** How much each position counts: (length); 1 in traces of the oracle, the mask in sampled ones. */
  readonly weights: Float32Array;
  /** The symbolic state is left out of this sample's prompt. */
  readonly hidesState?: true;
}

/** How often stage 0 leaves the oracle's path; all are probabilities. */
export interface TraceNoise {
  /** Share of samples with noise in their recap, and share of the recap tokens then replaced (in the inputs only). */
  readonly recapSamples: number;
  readonly recapTokens: number;
  /** Share of samples with detours in their plan, and share of the steps then taken at random. */
  readonly detourSamples: number;
  readonly detourSteps: number;
}

export const DEFAULT_NOISE: TraceNoise = {
  recapSamples: 0.3,
  recapTokens: 0.15,
  detourSamples: 0.3,
  detourSteps: 0.25,
};

export const NO_NOISE: TraceNoise = { recapSamples: 0, recapTokens: 0, detourSamples: 0, detourSteps: 0 };

export interface PlanTraceOptions {
  readonly format?: TraceFormat;
  readonly noise?: TraceNoise;
  /** Targets are all optimal actions (default), or only the one that the trace takes. */
  readonly softTargets?: boolean;
  /** Share of samples that hide the state from the prompt: they plan from their own recap, which is then free of noise. */
  readonly promptDropout?: number;
}

/**
 * A whole response for stage 0 (with noise) or for direct supervision (without). The plan takes an optimal action at random
 * where several are equally good, so that the prefixes of all optimal plans are seen.
 */
export function planTrace<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  random: RandomSource,
  options: PlanTraceOptions = {},
): TrainingTrace {
  const { format = DEFAULT_FORMAT, noise = DEFAULT_NOISE, softTargets = true, promptDropout = 0 } = options;
  const hidesState = promptDropout > 0 && random.uniform() < promptDropout;
  const noisyRecap = random.uniform() < noise.recapSamples;
  const plan = planWithDetours(world, instance, random, random.uniform() < noise.detourSamples ? noise.detourSteps : 0);
  const tokens = oracleResponse(world, instance, format, plan);
  const walk = walkResponse(world, instance, tokens, { format });
  const plain = traceOf(tokens, walk, new Float32Array(tokens.length).fill(1));
  const trace = hidesState ? planFromRecap(plain) : plain;
  if (noisyRecap && !hidesState)
    corruptRecap(trace.inputs, walk.recap.length, instance.size, random, noise.recapTokens);
  if (softTargets) return trace;
  const targets = walk.targets.map((set, t) => [set.includes(tokens[t]!) ? tokens[t]! : choose(random, set)]);
  return { ...trace, targets };
}

/** A recap cannot be guessed behind a prompt without the state: only the plan counts. */
function planFromRecap(trace: TrainingTrace): TrainingTrace {
  return { ...trace, weights: trace.weights.map((w, t) => (trace.spans[t] === SPAN_RECAP ? 0 : w)), hidesState: true };
}

/**
 * The recap alone, for stage 1: `BOS recap ANS`, to be asked under mode:plan (see trace.ts for why), or with
 * `recapCloses: EOS` the answer to mode:perceive.
 */
export function recapTrace<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  options: Pick<WalkOptions, 'recapCloses'> = {},
): TrainingTrace {
  const closing = options.recapCloses ?? ANS;
  const tokens = [...world.recap(instance), closing];
  const walk = walkResponse(world, instance, tokens, options);
  return traceOf(tokens, walk, new Float32Array(tokens.length).fill(1));
}

/** The answers to all perception questions, for mode:perceive; see questions.ts. */
export function questionTrace<I extends WorldInstance>(world: World<I>, instance: I): TrainingTrace {
  const tokens = questionResponse(world, instance);
  const inputs = Int32Array.of(BOS, ...tokens.slice(0, -1));
  return {
    inputs,
    targets: tokens.map(token => [token]),
    spans: new Uint8Array(tokens.length).fill(SPAN_RECAP),
    weights: new Float32Array(tokens.length).fill(1),
  };
}

/**
 * A sampled response with the oracle's targets for its every position: what an oracle teacher would have written there.
 * Weights are the stage-2 mask (see `responseMask`).
 */
export function relabelledTrace<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  tokens: ArrayLike<number>,
  options: WalkOptions & { readonly maskAfterFatal?: boolean } = {},
): TrainingTrace {
  const walk = walkResponse(world, instance, tokens, options);
  return traceOf(tokens, walk, Float32Array.from(responseMask(walk, options.maskAfterFatal)));
}

function traceOf(tokens: ArrayLike<number>, walk: ResponseWalk, weights: Float32Array): TrainingTrace {
  const inputs = new Int32Array(tokens.length);
  for (let t = 1; t < tokens.length; t++) inputs[t] = tokens[t - 1]!;
  if (tokens.length > 0) inputs[0] = BOS;
  return { inputs, targets: walk.targets, spans: walk.spans, weights };
}

/**
 * A plan to the goal in which each step is, with probability `detourSteps`, a random one of all the world's actions: legal
 * or not. An illegal one leaves the state unchanged and the plan goes on from there. A random action is only taken if the
 * goal can still be reached within the world's longest plan, so every trace fits the limits.
 */
function planWithDetours<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  random: RandomSource,
  detourSteps: number,
): Action[] {
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

/** Replaces recap tokens, which follow BOS in `inputs`, by random ones of the same kind: cells by cells of the board. */
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
