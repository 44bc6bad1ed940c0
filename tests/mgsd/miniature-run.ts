/** The three stages on a miniature model, few 3x3 boards and few updates: for gradients, trajectories and memory. */
import type { Device, Random } from '../../core/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import { resolveConfig } from '../../mgsd/method/config.js';
import type { RunConfig } from '../../mgsd/method/config.js';
import { trainingGroups } from '../../mgsd/method/puzzles.js';
import type { Puzzle, PuzzleGroup } from '../../mgsd/method/puzzles.js';
import { planningStage } from '../../mgsd/method/stages/stage0.js';
import { groundingStage } from '../../mgsd/method/stages/stage1.js';
import { rollOut, studentWriter } from '../../mgsd/method/stages/rollout.js';
import type { Rollout } from '../../mgsd/method/stages/rollout.js';
import { distillationLoss, distillationStage, packRollouts } from '../../mgsd/method/stages/stage2.js';
import { makeOptimizer } from '../../mgsd/method/stages/stage.js';
import type { StageSetting } from '../../mgsd/method/stages/stage.js';
import { NO_NOISE, planExample } from '../../mgsd/method/targets.js';
import type { TrainingExample } from '../../mgsd/method/packing.js';
import { chooseVariant } from '../../mgsd/method/variants/choose.js';
import type { Metrics } from '../../mgsd/method/stages/stage.js';
import { cpu } from '../core/cpu.js';
import { randomModel } from '../models/miniature.js';

export const steps = 20;

/** The learning rate is another one at every step: warm-up, then cosine. Rollouts count in full, so many tokens do. */
export function miniatureConfig(...changes: readonly unknown[]): RunConfig {
  return resolveConfig(
    'tiny',
    {
      tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 24 } }],
      stage0: { steps, batch: 6, warmup: 5 },
      stage1: { steps, batch: 6, warmup: 5 },
      stage2: { steps, batch: 4, warmup: 5, maskAfterFatal: false },
    },
    ...changes,
  );
}

export const groups: readonly PuzzleGroup[] = trainingGroups(miniatureConfig());

const studentSeed = 41;
const teacherSeed = 42;

/** What the untrained student writes on cpu in each step: the same for every device that trains on it. */
export async function recordRollouts(count: number, config = miniatureConfig()): Promise<Rollout[][]> {
  const student = randomModel(cpu, studentSeed, { trainable: false });
  const recorded: Rollout[][] = [];
  for (let step = 0; step < count; step++) recorded.push(await studentRollouts(config, student, step));
  student.dispose();
  return recorded;
}

export type TrainedStage = 'stage0' | 'stage1' | 'stage2';

/**
 * The metrics of every step of a stage, from weights that are the same on every device. Stage 2 learns from the
 * `recorded` rollouts, so that a rounding error in a logit cannot turn into another token.
 */
export async function trajectory(
  device: Device,
  name: TrainedStage,
  recorded: readonly (readonly Rollout[])[] = [],
  config: RunConfig = miniatureConfig(),
  afterStep: (step: number) => void = () => {},
): Promise<Metrics[]> {
  const model = randomModel(device, studentSeed);
  const teacher = randomModel(device, teacherSeed, { trainable: false });
  const optimizer = makeOptimizer(model, config);
  const setting = { config, student: model, planner: teacher, optimizer, groups };
  const supervised = name === 'stage0' ? planningStage(setting) : groundingStage(setting);
  const distillation = distillationStage(setting);
  const metrics: Metrics[] = [];
  for (let step = 0; step < steps; step++) {
    const rate = config.stage2.decoderRate * ((step + 1) / steps);
    metrics.push(
      name === 'stage2'
        ? await distillation.update(recorded[step]!, step, { vision: rate, decoder: rate })
        : await (
            await supervised.step(step)
          ).metrics,
    );
    afterStep(step);
  }
  for (const owner of [supervised, distillation, optimizer, model, teacher]) owner.dispose();
  return metrics;
}

export const losses = (metrics: readonly Metrics[]): number[] => metrics.map(({ loss }) => loss!);

/** What a student samples from the images in a step. */
export function studentRollouts(
  config: RunConfig,
  student: VisionLanguageModel,
  step: number,
  of: readonly PuzzleGroup[] = groups,
): Promise<Rollout[]> {
  const setting: StageSetting = { config, student, optimizer: undefined as never, groups: of };
  return rollOut(setting, studentWriter(setting), step);
}

/** Loss, losses by token and statistics of stage 2 on given rollouts, eagerly. */
export function eagerDistillation(
  config: RunConfig,
  student: VisionLanguageModel,
  planner: VisionLanguageModel,
  rollouts: readonly Rollout[],
) {
  const setting: StageSetting = { config, student, planner, optimizer: undefined as never, groups };
  const variant = chooseVariant(setting);
  return distillationLoss(student, variant, student.device.fromHost(packRollouts(setting, variant.teacher, rollouts)));
}

/** A plan without noise whose targets name the action that it takes, and no other. */
export function hardExample(puzzle: Puzzle, random: Random): TrainingExample {
  const example = planExample(puzzle, random, NO_NOISE);
  return {
    ...example,
    targets: example.targets.map((right, t) => (right.length > 1 ? [example.inputs[t + 1]!] : right)),
  };
}
