/**
 * Stage 2, on-policy self-distillation (L_sym): the student rolls out from the image alone; the frozen teacher, which sees
 * the symbolic state, scores every token of that rollout; the student minimises the reverse KL to it on the prefixes that
 * it visits itself. No plan label and no reward is used.
 */
import {
  cosineLearningRate,
  crossEntropy,
  divergenceFields,
  divergenceStats,
  forwardKl,
  gatherRows,
  mul,
  noGrad,
  Random,
  reshape,
  reverseKl,
  slice,
  sub,
  sum,
} from '../../core/index.js';
import type { AdamW, NumberArray, Tensor } from '../../core/index.js';
import { generate } from '../../models/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { Puzzle, PuzzleGroup } from '../puzzles.js';
import { generationSlots, packTraces, patchTensor, promptOf, renderPuzzles, weightTensor } from '../samples.js';
import { maximumResponseLength, parseResponse, SPAN_RECAP } from '../trace.js';
import { relabelledTrace } from '../trace-samples.js';
import type { TrainingTrace } from '../trace-samples.js';
import { readStepMetrics } from './stage.js';
import type { Metrics, Stage } from './stage.js';

/** What a student wrote for each puzzle of a step, and how it is weighed. */
export interface Rollouts {
  readonly puzzles: readonly Puzzle[];
  readonly images: readonly Uint8Array[];
  /** Tokens after BOS. */
  readonly responses: readonly (readonly number[])[];
  /** The same as inputs, with the mask as weights. */
  readonly traces: readonly TrainingTrace[];
}

/** The student's responses at temperature, from images. */
export async function rollOut(
  config: RunConfig,
  student: VisionLanguageModel,
  groups: readonly PuzzleGroup[],
  step: number,
): Promise<Rollouts> {
  const { batch, temperature, maskAfterFatal } = config.stage2;
  const puzzles = drawPuzzles(groups, new Random(config.seed, streams.stage2, step), batch, config.stage2.balance);
  const images = renderPuzzles(puzzles, student.config);
  const prompts = puzzles.map(puzzle => promptOf(puzzle, 'image', student.config));
  const maxTokens = Math.max(...puzzles.map(({ world, instance }) => maximumResponseLength(world, instance.size)));
  const slots = generationSlots(
    puzzles.map(({ world }) => ({ world })),
    student.config,
  );
  const noise = { seed: config.seed, stream: streams.rollouts, step: step * student.config.responsePositions };
  const responses = await student.device.scope(() =>
    generate(student, prompts, { maxTokens, temperature, ...noise, ...slots }, patchTensor(student, images)),
  );
  const traces = puzzles.map(({ world, instance }, i) =>
    relabelledTrace(world, instance, responses[i]!, { maskAfterFatal }),
  );
  return { puzzles, images, responses, traces };
}

/**
 * The student's divergence from the teacher on given rollouts, the mean over their unmasked tokens: a scalar, and the
 * statistics of every token. Tensors on the way: N response tokens, V vocabulary.
 */
export function distillationLoss(
  { stage2 }: Pick<RunConfig, 'stage2'>,
  student: VisionLanguageModel,
  teacher: VisionLanguageModel,
  { puzzles, images, responses, traces }: Rollouts,
): { readonly loss: Tensor; readonly stats: Tensor } {
  const seenByTeacher = packTraces(puzzles, traces, 'symbolic', teacher.config);
  const seenByStudent = packTraces(puzzles, traces, 'image', student.config);
  const teacherLogits = noGrad(() => teacher.forward(seenByTeacher)); // (N, V)
  const studentLogits = student.forward(seenByStudent, patchTensor(student, images)); // (N, V)
  const tokens = student.indices(Int32Array.from(responses.flat())); // (N)
  const weight = weightTensor(student, traces); // (N), sums to 1
  const floor = student.device.tensor([stage2.teacherFloor], [1], { dtype: student.dtype });
  const stats = divergenceStats(studentLogits, teacherLogits, tokens, floor); // (N, fields)
  const divergence = stage2.divergence === 'reverse_kl' ? reverseKl : forwardKl;
  const losses =
    stage2.estimator === 'sampled'
      ? sampledReverseKl(studentLogits, tokens, weight, stats)
      : divergence(studentLogits, teacherLogits, weight, floor); // (N)
  return { loss: sum(losses), stats };
}

/** One update of the student on given rollouts. */
export function distil(
  config: Pick<RunConfig, 'stage2'>,
  student: VisionLanguageModel,
  teacher: VisionLanguageModel,
  optimizer: AdamW,
  rollouts: Rollouts,
  rates: { readonly vision: number; readonly decoder: number },
): { metrics: Promise<Metrics> } {
  return student.device.scope(() => {
    const { loss, stats } = distillationLoss(config, student, teacher, rollouts);
    loss.backward();
    optimizer.step({
      'vision.matrix': rates.vision,
      'vision.vector': rates.vision,
      'decoder.matrix': rates.decoder,
      'decoder.vector': rates.decoder,
    });
    return { metrics: stepMetrics(readStepMetrics(loss, optimizer), stats.read(), rollouts) };
  });
}

/**
 * The estimator of the paper's code: a policy gradient with advantage A = log q - log p of the sampled token, held fixed. Its
 * expectation over the token is the gradient of the exact reverse KL at that prefix.
 */
function sampledReverseKl(logits: Tensor, tokens: Tensor, weight: Tensor, stats: Tensor): Tensor {
  const [N, V] = logits.shape as [number, number];
  const field = (name: (typeof divergenceFields)[number]) => {
    const at = divergenceFields.indexOf(name);
    return reshape(slice(stats, 1, at, at + 1), [N]); // (N)
  };
  const advantage = sub(field('teacherLogProb'), field('studentLogProb')); // (N), no history: stats are not recorded
  const identity = new Float32Array(V * V);
  for (let k = 0; k < V; k++) identity[k * V + k] = 1;
  const oneHot = gatherRows(logits.device.tensor(identity, [V, V], { dtype: logits.dtype }), tokens); // (N, V)
  return crossEntropy(logits, oneHot, mul(weight, advantage)); // -A log p(token), (N)
}

/** Means over the unmasked tokens: KLs by span, entropies, agreement; success and lengths of the rollouts. */
async function stepMetrics(
  optimizerMetrics: Promise<Metrics>,
  statsRead: Promise<NumberArray>,
  { puzzles, responses, traces }: Pick<Rollouts, 'puzzles' | 'responses' | 'traces'>,
): Promise<Metrics> {
  const [common, stats] = await Promise.all([optimizerMetrics, statsRead]);
  const weights = traces.flatMap(trace => Array.from(trace.weights));
  const spans = traces.flatMap(trace => Array.from(trace.spans));
  const meanOf = (name: (typeof divergenceFields)[number], counts: (row: number) => boolean = () => true) => {
    let total = 0;
    let mass = 0;
    weights.forEach((w, row) => {
      if (!counts(row)) return;
      total += w * stats[row * divergenceFields.length + divergenceFields.indexOf(name)]!;
      mass += w;
    });
    return mass > 0 ? total / mass : 0;
  };
  const parsed = responses.map((tokens, i) => parseResponse(puzzles[i]!.world, puzzles[i]!.instance, tokens));
  const share = (flags: readonly boolean[]) => flags.filter(Boolean).length / flags.length;
  return {
    ...common,
    reverseKl: meanOf('reverseKl'),
    reverseKlRecap: meanOf('reverseKl', row => spans[row] === SPAN_RECAP),
    reverseKlPlan: meanOf('reverseKl', row => spans[row] !== SPAN_RECAP),
    forwardKl: meanOf('forwardKl'),
    studentEntropy: meanOf('studentEntropy'),
    teacherEntropy: meanOf('teacherEntropy'),
    agreement: meanOf('agreement'),
    clampedMass: meanOf('clampedMass'),
    maskedShare: 1 - weights.reduce((sum, w) => sum + w, 0) / weights.length,
    rolloutSuccess: share(parsed.map(({ verdict }) => verdict.success)),
    rolloutRecapExact: share(parsed.map(({ recapExact }) => recapExact)),
    responseLength: responses.reduce((sum, tokens) => sum + tokens.length, 0) / responses.length,
    truncated: share(parsed.map(({ endOfSequence }) => !endOfSequence)),
  };
}

export function distillationStage(
  config: RunConfig,
  student: VisionLanguageModel,
  teacher: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
): Stage {
  const { visionRate, decoderRate, steps, warmup, floor } = config.stage2;
  return {
    name: 'stage2',
    title: 'on-policy self-distillation',
    steps,
    async step(step) {
      const rollouts = await rollOut(config, student, groups, step);
      const rates = {
        vision: cosineLearningRate(step, { steps, warmup, floor, peak: visionRate }),
        decoder: cosineLearningRate(step, { steps, warmup, floor, peak: decoderRate }),
      };
      return distil(config, student, teacher, optimizer, rollouts, rates);
    },
  };
}
