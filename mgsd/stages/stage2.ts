/**
 * Stage 2, on-policy self-distillation (L_sym): the student rolls out from the image alone; the teacher, by default the frozen
 * planner of stage 0, sees the symbolic state and scores every token of that rollout; the student minimises the reverse KL to
 * it on the prefixes that it visits itself. No plan label and no reward is used. `distillation-config.ts` lists the switches.
 */
import { cosineLearningRate } from '../../core/index.js';
import type { AdamW } from '../../core/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import type { RunConfig } from '../config.js';
import type { PuzzleGroup } from '../puzzles.js';
import { distillationMetrics } from './distillation-metrics.js';
import { distillationObjective } from './objective.js';
import type { Objective } from './objective.js';
import { rollOut } from './rollout.js';
import type { Rollouts } from './rollout.js';
import { groupRates, readStepMetrics } from './stage.js';
import type { Metrics, Stage } from './stage.js';
import { createTeacher } from './teacher.js';

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
  return distillationObjective(stage2, student, createTeacher(stage2, student, planner), rollouts);
}

/** One update of the student on given rollouts, and of a teacher that follows it; seconds are those of this thread. */
export function distil(
  { stage2 }: Pick<RunConfig, 'stage2'>,
  student: VisionLanguageModel,
  planner: VisionLanguageModel,
  optimizer: AdamW,
  rollouts: Rollouts,
  rates: Rates,
): { readonly metrics: Promise<Metrics>; readonly scoringSeconds: number; readonly updateSeconds: number } {
  const teacher = createTeacher(stage2, student, planner);
  return student.device.scope(() => {
    const start = performance.now();
    const objective = distillationObjective(stage2, student, teacher, rollouts);
    const scored = performance.now();
    objective.loss.backward();
    optimizer.step(groupRates(rates.vision, rates.decoder));
    teacher.follow();
    const metrics = distillationMetrics(stage2, readStepMetrics(objective.loss, optimizer), objective, rollouts, rates);
    return {
      metrics,
      scoringSeconds: (scored - start) / 1000,
      updateSeconds: (performance.now() - scored) / 1000,
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

export function distillationStage(
  config: RunConfig,
  student: VisionLanguageModel,
  planner: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
): DistillationStage {
  const { stage2 } = config;
  const { visionRate, decoderRate, steps, warmup, floor } = stage2;
  const teacher = createTeacher(stage2, student, planner);
  const isEma = stage2.teacher === 'ema';
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
      const start = performance.now();
      const rollouts = await rollOut(config, student, groups, step, teacher);
      const rolloutSeconds = (performance.now() - start) / 1000;
      const rates = {
        vision: cosineLearningRate(step, { steps, warmup, floor, peak: visionRate }),
        decoder: cosineLearningRate(step, { steps, warmup, floor, peak: decoderRate }),
      };
      const { metrics, ...seconds } = distil(config, student, planner, optimizer, rollouts, rates);
      return { metrics: metrics.then(values => ({ ...values, rolloutSeconds, ...seconds })) };
    },
    async saveState() {
      const state = new Map<string, Float32Array>();
      if (isEma) state.set(emaWeights, Float32Array.from(await planner.parameters.flat.read()));
      return state;
    },
    loadState(tensors) {
      const weights = tensors.get(emaWeights);
      if (!isEma || !weights) return;
      planner.device.write(planner.parameters.flat, weights);
      next = undefined;
    },
  };
}
