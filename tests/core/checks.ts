/** Training steps on a device that poisons memory, against the same without. */
import { expect } from 'vitest';
import { Device } from '../../core/index.js';
import type { Backend } from '../../core/index.js';
import { distillationStage } from '../../mgsd/method/stages/stage2.js';
import { groundingStage } from '../../mgsd/method/stages/stage1.js';
import { planningStage } from '../../mgsd/method/stages/stage0.js';
import { groups, miniatureConfig } from '../mgsd/miniature-run.js';
import { randomModel } from '../models/miniature.js';
import { makeOptimizer } from '../../mgsd/method/stages/stage.js';

/** Weights after two updates of every stage, rollouts included, with and without checks: the same bits, all finite. */
export async function expectChecksChangeNothing(open: () => Promise<Backend>): Promise<void> {
  const config = miniatureConfig({ stage0: { warmup: 0 }, stage1: { warmup: 0 }, stage2: { warmup: 0, batch: 2 } });
  const weights: Float64Array[] = [];
  for (const checks of [false, true]) {
    const device = new Device(await open(), { checks });
    const model = randomModel(device, 1);
    const teacher = randomModel(device, 2, { trainable: false });
    const optimizer = makeOptimizer(model, config);
    const setting = { config, student: model, planner: teacher, optimizer, groups };
    const stages = [planningStage(setting), groundingStage(setting), distillationStage(setting)];
    for (const stage of stages)
      for (let step = 0; step < 2; step++) {
        const { metrics } = await stage.step(step);
        for (const [name, value] of Object.entries(await metrics)) expect(value, name).toSatisfy(Number.isFinite);
      }
    weights.push(Float64Array.from(await model.parameters.flat.read()));
    await device.close();
  }
  expect(weights[0]!.every(Number.isFinite)).toBe(true);
  expect(weights[1]).toEqual(weights[0]);
}
