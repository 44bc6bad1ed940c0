/** Trajectory parity: a device repeats the reference backend's losses over 20 updates of each stage. */
import { expect } from 'vitest';
import type { Device } from '../../../core/index.js';
import type { Rollout } from '../../../mgsd/method/stages/rollout.js';
import type { Metrics } from '../../../mgsd/method/stages/stage.js';
import { cpu } from '../../core/devices.js';
import { recordRollouts, steps, trajectory } from '../miniature-run.js';
import type { TrainedStage } from '../miniature-run.js';

export const trainedStages: readonly TrainedStage[] = ['stage0', 'stage1', 'stage2'];

let rollouts: Promise<Rollout[][]> | undefined;
const references = new Map<TrainedStage, Promise<Metrics[]>>();

/** The metrics of a stage's 20 updates on `device`, all of them on the same recorded rollouts. */
export async function trajectoryOn(device: Device, stage: TrainedStage): Promise<Metrics[]> {
  const recorded = stage === 'stage2' ? await (rollouts ??= recordRollouts(steps)) : [];
  return await trajectory(device, stage, recorded);
}

/** The reference's metrics, computed once per test file. */
export function referenceTrajectory(stage: TrainedStage): Promise<Metrics[]> {
  const known = references.get(stage) ?? trajectoryOn(cpu, stage);
  references.set(stage, known);
  return known;
}

/**
 * Losses and gradient norms agree to `relative` at every step, and training went somewhere. Parameters are not
 * compared: where a gradient is zero but for rounding, as of the key's bias, AdamW makes a whole step of its sign,
 * which no output ever sees.
 */
export async function expectTrajectory(
  metrics: readonly Metrics[],
  stage: TrainedStage,
  relative: number,
): Promise<void> {
  const reference = await referenceTrajectory(stage);
  expect(metrics).toHaveLength(steps);
  metrics.forEach((actual, step) => {
    for (const name of ['loss', 'gradNorm'] as const) {
      const [got, want] = [actual[name]!, reference[step]![name]!];
      expect(Math.abs(got - want), `${stage} step ${step}: ${name} ${got}, reference ${want}`).toBeLessThan(
        relative * Math.abs(want),
      );
    }
    expect(actual['skipped']).toBe(0);
  });
  expect(metrics.at(-1)!['loss']).toBeLessThan(0.97 * metrics[0]!['loss']!);
}
