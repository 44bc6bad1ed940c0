/** The three stages on a miniature model, a handful of 3x3 boards and few updates: for gradients, trajectories and memory. */
import { AdamW } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import { noDecayGroups } from '../../models/index.js';
import { resolveConfig } from '../../mgsd/method/config.js';
import type { RunConfig } from '../../mgsd/method/config.js';
import { trainingGroups } from '../../mgsd/method/puzzles.js';
import type { PuzzleGroup } from '../../mgsd/method/puzzles.js';
import { planningStage } from '../../mgsd/method/stages/stage0.js';
import { groundingStage } from '../../mgsd/method/stages/stage1.js';
import { distil, rollOut } from '../../mgsd/method/stages/stage2.js';
import type { Rollouts } from '../../mgsd/method/stages/stage2.js';
import type { Metrics } from '../../mgsd/method/stages/stage.js';
import { cpu } from '../core/devices.js';
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

/** What the untrained student writes on the reference backend in each step: the same for every device that trains on it. */
export async function recordRollouts(count: number, config = miniatureConfig()): Promise<Rollouts[]> {
  const student = randomModel(cpu, studentSeed, { trainable: false });
  const recorded: Rollouts[] = [];
  for (let step = 0; step < count; step++) recorded.push(await rollOut(config, student, groups, step));
  student.dispose();
  return recorded;
}

export type TrainedStage = 'stage0' | 'stage1' | 'stage2';

/**
 * The metrics of every step of a stage, from weights that are the same on every device. Stage 2 learns from the `recorded`
 * rollouts, so that a rounding error in a logit cannot turn into another token.
 */
export async function trajectory(
  device: Device,
  name: TrainedStage,
  recorded: readonly Rollouts[] = [],
  config: RunConfig = miniatureConfig(),
  afterStep: (step: number) => void = () => {},
): Promise<Metrics[]> {
  const model = randomModel(device, studentSeed);
  const teacher = randomModel(device, teacherSeed, { trainable: false });
  const optimizer = new AdamW(model.parameters, { ...config.optimizer, noDecay: noDecayGroups });
  const stage = name === 'stage0' ? planningStage : groundingStage;
  const supervised = stage(config, model, optimizer, groups);
  const metrics: Metrics[] = [];
  for (let step = 0; step < steps; step++) {
    const rate = config.stage2.decoderRate * ((step + 1) / steps);
    const done =
      name === 'stage2'
        ? distil(config, model, teacher, optimizer, recorded[step]!, { vision: rate, decoder: rate })
        : await supervised.step(step);
    metrics.push(await done.metrics);
    afterStep(step);
  }
  for (const owner of [optimizer, model, teacher]) owner.dispose();
  return metrics;
}

export const losses = (metrics: readonly Metrics[]): number[] => metrics.map(({ loss }) => loss!);
