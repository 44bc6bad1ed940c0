/**
 * Stage 2, on-policy self-distillation (L_sym): the student rolls out from the image alone; the teacher, by default the frozen
 * planner of stage 0, sees the symbolic state and scores every token of that rollout; the student minimises the reverse KL to
 * it on the prefixes that it visits itself. No plan label and no reward is used. `distillation-config.ts` lists the switches.
 */
import { cosineLearningRate, Random } from '../../../core/index.js';
import type { AdamW, Tensor } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, groupShares, streams } from '../puzzles.js';
import type { PuzzleGroup } from '../puzzles.js';
import { packTraces, renderPuzzles } from '../packing.js';
import { recapTrace } from '../targets.js';
import { distillationMetrics } from './distillation-metrics.js';
import { addTerm, supervisedTerm } from './loss-term.js';
import type { LossTerm } from './loss-term.js';
import { distillationObjective, distillationTerm } from './objective.js';
import type { Objective } from './objective.js';
import { gateTensor } from './gate.js';
import type { Gate } from './gate.js';
import { withReplay } from './rehearsal.js';
import { rollOut } from './rollout.js';
import type { Rollouts } from './rollout.js';
import { groupRates, readStepMetrics } from './stage.js';
import type { Metrics, Stage } from './stage.js';
import { createTeacher } from './teacher.js';
import { Updates } from './update.js';

export { rollOut } from './rollout.js';
export type { Rollouts } from './rollout.js';

/** Learning rates of a step. */
export interface Rates {
  readonly vision: number;
  readonly decoder: number;
}

/**
 * The loss of a step on given rollouts: a scalar, and the statistics of every token.
 * @param planner the model of stage 0, which teaches unless the configuration says otherwise
 */
export function distillationLoss(
  { stage2 }: Pick<RunConfig, 'stage2'>,
  student: VisionLanguageModel,
  planner: VisionLanguageModel,
  rollouts: Rollouts,
): Objective {
  return distillationObjective(stage2, student, createTeacher(stage2, student, planner), rollouts, stage2.lossAverage);
}

/** What `distil` may leave to its defaults. */
export interface DistilOptions {
  /** Default: eager updates. */
  readonly updates?: Updates;
  /** Makes the whole loss from the divergence's, for supervision beside it. */
  readonly beside?: <R extends { readonly loss: Tensor }>(term: LossTerm<R>) => LossTerm<R>;
}

/**
 * One update of the student on given rollouts, and of a teacher that follows it. Seconds are those of this thread: of the host's
 * half (which packs the batch), and of the rest.
 */
export function distil(
  { stage2 }: Pick<RunConfig, 'stage2'>,
  student: VisionLanguageModel,
  planner: VisionLanguageModel,
  optimizer: AdamW,
  rollouts: Rollouts,
  rates: Rates,
  { updates = new Updates(optimizer, false), beside = term => term }: DistilOptions = {},
): { readonly metrics: Promise<Metrics>; readonly packSeconds: number; readonly updateSeconds: number } {
  const teacher = createTeacher(stage2, student, planner);
  return student.device.scope(() => {
    const start = performance.now();
    const { term, rewards } = distillationTerm(
      stage2,
      student,
      teacher,
      rollouts,
      stage2.lossAverage,
      updates.inBuckets,
    );
    const whole = beside(term);
    const packed = performance.now();
    const objective = updates.step(whole, groupRates(rates.vision, rates.decoder), () => {
      teacher.follow();
    });
    const common = readStepMetrics(objective.loss, optimizer);
    const metrics = distillationMetrics(stage2, common, { ...objective, rewards }, rollouts, rates);
    return {
      metrics,
      packSeconds: (packed - start) / 1000,
      updateSeconds: (performance.now() - packed) / 1000,
    };
  });
}

/** Stage 2, and what it must remember beside the student's weights. */
export interface DistillationStage extends Stage {
  /** Tensors that a checkpoint needs to go on from: the weights of an `ema` teacher. Empty for the others. */
  saveState(): Promise<ReadonlyMap<string, Float32Array>>;
  /** Takes them back, before the first step. */
  loadState(tensors: ReadonlyMap<string, Float32Array>): void;
}

const emaWeights = 'teacher';

/**
 * Groups that failed stage 1's gate and stay out of the rollouts until they pass: in their place every batch grounds as many
 * of their puzzles, in the manner of stage 1.
 */
class WaitingGroups {
  readonly #gate: Gate;
  readonly #every: number;
  readonly #groups: readonly PuzzleGroup[];

  constructor({ stage1 }: RunConfig, gate: Gate, groups: readonly PuzzleGroup[]) {
    this.#gate = gate;
    this.#every = stage1.gate.failed === 'ground' ? stage1.gate.steps : Infinity;
    this.#groups = groups;
  }

  /** Places of the groups; none if they need not wait, or if no other is left to begin with. */
  get #waiting(): readonly number[] {
    const { failed } = this.#gate;
    return this.#every === Infinity || failed.length === this.#groups.length ? [] : failed;
  }

  /** The groups that roll out. */
  get joined(): readonly PuzzleGroup[] {
    const waiting = this.#waiting;
    return this.#groups.filter((_, g) => !waiting.includes(g));
  }

  /** Asks those that wait once more, every so many updates; says who joins. */
  async ask(step: number, student: VisionLanguageModel): Promise<string[]> {
    const waiting = this.#waiting;
    if (waiting.length === 0 || step === 0 || step % this.#every !== 0) return [];
    await this.#gate.measure(student, waiting);
    const still = this.#gate.failed;
    return [`gate: ${this.#gate.describe(waiting)}; ${still.length === 0 ? 'all join' : `still out: ${this.#gate.describe(still)}`}`]; // prettier-ignore
  }

  /** A loss with the grounding of those that wait, weighed by their share of a batch. */
  withGrounding<R extends { readonly loss: Tensor }>(
    term: LossTerm<R>,
    config: RunConfig,
    student: VisionLanguageModel,
    step: number,
    inBuckets: boolean,
  ): LossTerm<R> {
    const waiting = this.#waiting;
    if (waiting.length === 0) return term;
    const shares = groupShares(this.#groups);
    const share = waiting.reduce((sum, g) => sum + shares[g]!, 0);
    const groups = waiting.map(g => this.#groups[g]!);
    const random = new Random(config.seed, streams.grounding, step);
    const puzzles = drawPuzzles(groups, random, Math.ceil(share * config.stage2.batch));
    const traces = puzzles.map(({ world, instance }) => recapTrace(world, instance));
    const packed = packTraces(puzzles, traces, 'image', student.config);
    const images = renderPuzzles(puzzles, student.config);
    const options = { average: config.stage1.lossAverage, images, inBuckets };
    return addTerm(term, supervisedTerm(student, puzzles, traces, packed, options), share);
  }
}

export function distillationStage(
  config: RunConfig,
  student: VisionLanguageModel,
  planner: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
  gate?: Gate,
): DistillationStage {
  const { stage2 } = config;
  const { visionRate, decoderRate, steps, warmup, floor } = stage2;
  const teacher = createTeacher(stage2, student, planner);
  const updates = new Updates(optimizer);
  const isEma = stage2.teacher === 'ema';
  const waiting = gate && new WaitingGroups(config, gate, groups);
  /** The update that the ema teacher's weights are for; undefined when they were just restored. */
  let next: number | undefined = 0;
  return {
    name: 'stage2',
    title: 'on-policy self-distillation',
    steps,
    async step(step) {
      if (isEma && next !== undefined && step !== next)
        throw new Error(
          `the ema teacher has followed the student for ${next} updates, not ${step}: its weights were not restored, ` +
            'so this run cannot go on; begin stage 2 anew',
        );
      next = step + 1;
      const notes = await waiting?.ask(step, student);
      const start = performance.now();
      const rollouts = await rollOut(config, student, waiting?.joined ?? groups, step, teacher);
      const rolloutSeconds = (performance.now() - start) / 1000;
      const rates = {
        vision: cosineLearningRate(step, { steps, warmup, floor, peak: visionRate }),
        decoder: cosineLearningRate(step, { steps, warmup, floor, peak: decoderRate }),
      };
      const { inBuckets } = updates;
      const beside = <R extends { readonly loss: Tensor }>(term: LossTerm<R>) => {
        const grounded = waiting ? waiting.withGrounding(term, config, student, step, inBuckets) : term;
        return withReplay(grounded, config, stage2, student, groups, 2, step, inBuckets);
      };
      const { metrics, ...seconds } = distil(config, student, planner, optimizer, rollouts, rates, { updates, beside });
      return { metrics: metrics.then(values => ({ ...values, rolloutSeconds, ...seconds })), ...(notes && { notes }) };
    },
    async saveState() {
      const state = new Map<string, Float32Array>();
      if (isEma) state.set(emaWeights, Float32Array.from(await planner.parameters.flat.read()));
      const measured = gate?.save();
      if (measured) state.set(gateTensor, measured);
      return state;
    },
    loadState(tensors) {
      gate?.load(tensors.get(gateTensor));
      const weights = tensors.get(emaWeights);
      if (!isEma || !weights) return;
      planner.parameters.write(weights);
      next = undefined;
    },
    dispose() {
      updates.dispose();
    },
  };
}
