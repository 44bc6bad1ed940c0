/** What stage 2 minimises on given rollouts: a divergence from the teacher, a policy gradient of the task reward, or both. */
import {
  add,
  divergenceFields,
  divergenceStats,
  forwardKl,
  jsd,
  maximum,
  mul,
  neg,
  reshape,
  reverseKl,
  slice,
  sub,
  sum,
  tailBucket,
  tokenCrossEntropy,
  topK,
} from '../../../core/index.js';
import type { Tensor } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import { averagingWeights, packTraces, patchArray } from '../packing.js';
import type { LossAverage } from '../packing.js';
import { parseResponse, responseMask, SPAN_ACTION, SPAN_CELL, SPAN_RECAP } from '../response.js';
import type { DistillationConfig } from './distillation-config.js';
import { batchInputs, batchTensors, computeTerm, padArray } from './loss-term.js';
import type { LossTerm } from './loss-term.js';
import type { Rollouts } from './rollout.js';
import type { Teacher } from './teacher.js';

export interface Objective {
  /** What is minimised: a scalar. */
  readonly loss: Tensor;
  /** The divergence's part of it, by token: (N); undefined with a distillationCoef of 0. */
  readonly distillation: Tensor | undefined;
  /** The reward's part: a scalar; undefined without one. */
  readonly policy: Tensor | undefined;
  /** See `divergenceStats`: (N, fields). */
  readonly stats: Tensor;
  /** Reward of every sequence. */
  readonly rewards: readonly number[];
}

/** What the device computes of it. */
type OnDevice = Omit<Objective, 'rewards'>;

/**
 * The objective in two halves, see loss-term.ts. Letters: N response tokens of all sequences (and padding, if `inBuckets`), V
 * vocabulary.
 */
export function distillationTerm(
  config: DistillationConfig,
  student: VisionLanguageModel,
  teacher: Teacher,
  rollouts: Rollouts,
  average: LossAverage = 'world',
  inBuckets = false,
): { readonly term: LossTerm<OnDevice>; readonly rewards: readonly number[] } {
  const { puzzles, images, responses, traces } = rollouts;
  const { dtype } = student;
  const scores = teacher.prepare(puzzles, traces, inBuckets);
  const batch = batchInputs(packTraces(puzzles, traces, 'image', student.config), 'student.', inBuckets);
  const rewards = rewardsOf(config, rollouts);
  const byToken = (values: Float64Array) => padArray({ values, dtype }, batch.rows);
  const tokens = new Int32Array(batch.rows);
  tokens.set(responses.flat());
  const term: LossTerm<OnDevice> = {
    key: `student, at most ${batch.maxLength}; ${scores.key}`,
    inputs: {
      ...scores.inputs,
      ...batch.inputs,
      patches: patchArray(student, images),
      tokens: { values: tokens, dtype: 'i32' },
      ...(config.distillationCoef > 0 && {
        weights: byToken(distillationWeights(config, puzzles, traces, average)),
      }),
      ...(config.rewardCoef > 0 && { rewardWeights: byToken(rewardWeights(config, rollouts, rewards, average)) }),
    },
    compute(inputs) {
      const teacherLogits = scores.score(inputs); // (N, V)
      const studentBatch = batchTensors(inputs, 'student.');
      const studentLogits = student.forwardTensors(studentBatch, batch.maxLength, inputs['patches']); // (N, V)
      return objectiveOnDevice(config, studentLogits, teacherLogits, inputs);
    },
  };
  return { term, rewards };
}

/** The objective at the student's present weights. */
export function distillationObjective(...given: Parameters<typeof distillationTerm>): Objective {
  const { term, rewards } = distillationTerm(...given);
  return { ...computeTerm(given[1].device, term), rewards };
}

/** @param inputs tokens (N), weights (N) of the divergence and rewardWeights (N) of the reward, where they count */
function objectiveOnDevice(
  config: DistillationConfig,
  student: Tensor,
  teacher: Tensor,
  inputs: Readonly<Record<string, Tensor>>,
): OnDevice {
  const tokens = inputs['tokens']!; // (N)
  const { weights, rewardWeights } = inputs;
  const floor = student.device.tensor([config.teacherFloor], [1], { dtype: student.dtype });
  const stats = divergenceStats(student, teacher, tokens, floor); // (N, fields)
  const distil = (weight: Tensor) => {
    switch (config.estimator) {
      case 'full':
        return divergenceOf(config, student, teacher, weight, floor);
      case 'top_k': {
        const indices = topK(config.topKOf === 'student' ? student : teacher, config.topK); // (N, k)
        const [p, q] = [tailBucket(student, indices), tailBucket(teacher, indices)]; // (N, k + 1)
        return divergenceOf(config, p, q, weight, floor);
      }
      case 'sampled':
      case 'sampled_baseline':
        return tokenCrossEntropy(student, tokens, mul(weight, tokenAdvantages(config, stats)));
    }
  };
  const distillation = weights && distil(weights); // (N)
  const policy = rewardWeights && sum(tokenCrossEntropy(student, tokens, rewardWeights));
  const parts = [...(distillation ? [sum(distillation)] : []), ...(policy ? [policy] : [])];
  return { loss: parts.reduce((a, b) => add(a, b)), distillation, policy, stats };
}

function divergenceOf(
  { divergence, beta }: DistillationConfig,
  student: Tensor,
  teacher: Tensor,
  weight: Tensor,
  floor: Tensor,
): Tensor {
  switch (divergence) {
    case 'reverse_kl':
      return reverseKl(student, teacher, weight, floor);
    case 'forward_kl':
      return forwardKl(student, teacher, weight, floor);
    case 'jsd':
      return jsd(student, teacher, weight, floor, beta);
  }
}

/**
 * The estimator of the paper's code: a policy gradient with advantage log q - log p of the sampled token, held fixed. Its
 * expectation over the token is the gradient of the exact reverse KL at that prefix; with + KL(p || q) as a baseline the
 * advantage is zero on average, and varies less. (N)
 */
function tokenAdvantages({ estimator, advantageClamp }: DistillationConfig, stats: Tensor): Tensor {
  const N = stats.shape[0]!;
  const field = (name: (typeof divergenceFields)[number]) => {
    const at = divergenceFields.indexOf(name);
    return reshape(slice(stats, 1, at, at + 1), [N]); // (N), no history: stats are not recorded
  };
  const surprise = sub(field('teacherLogProb'), field('studentLogProb'));
  const advantage = estimator === 'sampled_baseline' ? add(surprise, field('reverseKl')) : surprise;
  if (advantageClamp === undefined) return advantage;
  const lowest = stats.device.tensor([-advantageClamp], [1], { dtype: stats.dtype });
  return neg(maximum(neg(maximum(advantage, lowest)), lowest));
}

/** How much each token counts in the divergence, its coefficient included: (N). */
export function distillationWeights(
  { spanWeights, lossAggMode, distillationCoef }: DistillationConfig,
  puzzles: Rollouts['puzzles'],
  traces: Rollouts['traces'],
  average: LossAverage = 'world',
): Float64Array {
  const bySpan: Readonly<Record<number, number>> = {
    [SPAN_RECAP]: spanWeights.recap,
    [SPAN_ACTION]: spanWeights.action,
    [SPAN_CELL]: spanWeights.cell,
  };
  const sequences = traces.map(({ weights, spans }) =>
    Float64Array.from(weights, (w, t) => w * (bySpan[spans[t]!] ?? 0)),
  );
  return aggregate(puzzles, sequences, lossAggMode, average, distillationCoef);
}

/**
 * Weights divided so that a weighted sum over all tokens is a mean, times `factor`: over the tokens of all sequences, or over
 * sequences of the means over their tokens; within every world by itself if worlds count alike. What counts nothing
 * throughout stays zero. (N)
 */
function aggregate(
  puzzles: Rollouts['puzzles'],
  sequences: readonly Float64Array[],
  mode: DistillationConfig['lossAggMode'],
  average: LossAverage,
  factor: number,
): Float64Array {
  const totals = sequences.map(weights => weights.reduce((a, b) => a + b, 0));
  const means = sequences.map((weights, s) => weights.map(w => (totals[s]! > 0 ? w / totals[s]! : 0)));
  const averaged = averagingWeights(puzzles, mode === 'token-mean' ? sequences : means, average);
  return Float64Array.from(averaged.flatMap(weights => Array.from(weights, w => factor * w)));
}

function rewardsOf({ reward }: DistillationConfig, { puzzles, responses }: Rollouts): number[] {
  return puzzles.map(({ world, instance }, i) => Number(parseResponse(world, instance, responses[i]!).verdict[reward]));
}

/** Keeps the quotient finite where all sequences of a puzzle fare alike (verl's value). */
const standardDeviationFloor = 1e-6;

/**
 * GRPO (arXiv 2402.03300): the reward of a sequence against the mean of its group of n, in standard deviations of the group
 * or as it is (Dr. GRPO, arXiv 2503.20783).
 */
export function groupAdvantages(rewards: readonly number[], n: number, scaleRewards: boolean): number[] {
  return rewards.map((reward, i) => {
    const first = i - (i % n);
    const group = rewards.slice(first, first + n);
    const mean = group.reduce((a, b) => a + b, 0) / n;
    if (!scaleRewards) return reward - mean;
    const variance = group.reduce((a, b) => a + (b - mean) ** 2, 0) / (n - 1);
    return (reward - mean) / (Math.sqrt(variance) + standardDeviationFloor);
  });
}

/** Advantages of the sequences, on all their tokens up to the end of sequence: what follows a fatal step was drawn as well. (N) */
function rewardWeights(
  { n, scaleRewards, lossAggMode, rewardCoef }: DistillationConfig,
  { puzzles, responses }: Rollouts,
  rewards: readonly number[],
  average: LossAverage,
): Float64Array {
  const masks = puzzles.map(({ world, instance }, i) =>
    Float64Array.from(responseMask(parseResponse(world, instance, responses[i]!).walk, false)),
  );
  const advantages = groupAdvantages(rewards, n, scaleRewards);
  const byToken = advantages.flatMap((advantage, i) => new Array<number>(responses[i]!.length).fill(advantage));
  return aggregate(puzzles, masks, lossAggMode, average, rewardCoef).map((w, t) => w * byToken[t]!);
}
