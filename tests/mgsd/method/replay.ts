/** Stages whose updates are recorded: the same weights as eager ones, on batches padded alike. */
import { expect, it } from 'vitest';
import { Random } from '../../../core/index.js';
import type { Device, Tensor } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import { drawPuzzles } from '../../../mgsd/method/puzzles.js';
import { packSupervised } from '../../../mgsd/method/packing.js';
import type { SupervisedInputs } from '../../../mgsd/method/packing.js';
import { presets } from '../../../mgsd/method/presets.js';
import { distillationStage } from '../../../mgsd/method/stages/stage2.js';
import { supervisedLoss } from '../../../mgsd/method/stages/supervision.js';
import { Updates } from '../../../mgsd/method/stages/updates.js';
import { planExample } from '../../../mgsd/method/targets.js';
import { randomModel } from '../../models/miniature.js';
import { groups, miniatureConfig } from '../miniature-run.js';
import { makeOptimizer } from '../../../mgsd/method/stages/stage.js';

function examplesOf(step: number, count = 3) {
  const random = new Random(7, 1, step);
  return drawPuzzles(groups, random, count).map(puzzle => planExample(puzzle, random, presets.tiny.stage0.noise));
}

const ratesAt = (step: number) => ({ vision: 0.003 / (1 + step), decoder: 0.006 / (1 + step) });

export function testReplayedStages(device: () => Device, steps: number): void {
  const optimizerOf = (model: VisionLanguageModel, kind: 'adamw' | 'muon' = 'adamw') =>
    makeOptimizer(model, miniatureConfig({ optimizer: { kind } }));

  it.each(['adamw', 'muon'] as const)(
    'supervision by %s ends with the weights of eager updates, bit by bit',
    async kind => {
      const weights = async (replay: boolean) => {
        const model = randomModel(device(), 1);
        const optimizer = optimizerOf(model, kind);
        const updates = new Updates({ student: model, optimizer, replay });
        const losses: number[] = [];
        for (let step = 0; step < steps; step++) {
          // an image batch with a symbolic one beside it, of other sizes in every step
          const images = packSupervised(examplesOf(step % 4), 'image', model, 'world');
          const symbols = packSupervised(examplesOf(100 + (step % 4), 2), 'symbolic', model, 'world');
          const auxiliaries = [{ name: 'lossReplay' as const, batch: symbols, weight: 1 / (2 + step) }];
          const compute = (batch: SupervisedInputs<Tensor>) => ({ loss: supervisedLoss(model, batch) });
          losses.push((await updates.step(ratesAt(step), images, compute, auxiliaries).metrics)['loss']!);
        }
        const { replays } = updates.recorder.statistics;
        const result = { losses, values: Array.from(await model.parameters.flat.read()) };
        for (const owner of [updates, optimizer, model]) owner.dispose();
        return { ...result, replays };
      };
      const [eager, replayed] = [await weights(false), await weights(true)];
      expect(replayed.replays).toBeGreaterThan(0);
      expect(replayed.losses).toEqual(eager.losses);
      expect(replayed.values).toEqual(eager.values);
    },
  );

  it.each([
    { estimator: 'full', teacher: 'synced' },
    { estimator: 'sampled_baseline', replay: 0.5 },
    { divergence: 'forward_kl', teacher: 'oracle' },
  ] as const)('distillation with %j does so too', async stage2 => {
    const config = miniatureConfig({ stage2: { batch: 2, ...stage2 } });
    const weights = async (replay: boolean) => {
      const [model, planner] = [randomModel(device(), 1), randomModel(device(), 2, { trainable: false })];
      const optimizer = optimizerOf(model);
      const stage = distillationStage({ config, student: model, planner, optimizer, groups, replay });
      const rollouts = [await stage.rollOut(0), await stage.rollOut(1)];
      const metrics: object[] = [];
      for (let step = 0; step < steps; step++) {
        const rates = { vision: 0.001 / (1 + step), decoder: 0.002 / (1 + step) };
        metrics.push(await stage.update(rollouts[step % 2]!, step % 2, rates));
      }
      const result = { metrics, values: Array.from(await model.parameters.flat.read()) };
      for (const owner of [stage, optimizer, model, planner]) owner.dispose();
      return result;
    };
    expect(await weights(true)).toEqual(await weights(false));
  });
}
