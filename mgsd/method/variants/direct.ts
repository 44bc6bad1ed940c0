/**
 * A baseline beside the method: direct supervision. The student of stage 0 is trained on images with the oracle's own
 * recap and plan as targets, which MGSD never sees on an image. It may win; then the table says so.
 */
import { Random } from '../../../core/index.js';
import { packSupervised, trainingImages } from '../packing.js';
import { drawPuzzles, streams } from '../puzzles.js';
import { NO_NOISE, planExample } from '../targets.js';
import { looksAt, ratesAt } from '../stages/stage.js';
import type { Stage, StageSetting } from '../stages/stage.js';
import { supervisedLoss } from '../stages/supervision.js';
import { Updates } from '../stages/updates.js';

/** As many updates and images as stages 1 and 2 together, with the learning rates and looks of stage 1. */
export function directStage(setting: StageSetting): Stage {
  const { config, student, groups } = setting;
  const { stage1, stage2 } = config;
  const { batch, lossAverage } = stage1;
  const steps = stage1.steps + Math.round((stage2.steps * stage2.batch) / batch);
  const updates = new Updates(setting);
  return {
    name: 'direct',
    title: 'direct image-to-plan supervision (baseline)',
    steps,
    step(step) {
      const random = new Random(config.seed, streams.direct, step);
      const puzzles = drawPuzzles(groups, random, batch, stage2.balance);
      const examples = puzzles.map(puzzle => planExample(puzzle, random, NO_NOISE));
      const looks = new Random(config.seed, streams.looks.direct, step);
      const images = trainingImages(puzzles, student.config, looksAt(config, 'stage1', step), looks);
      const inputs = packSupervised(examples, 'image', student, lossAverage, images);
      const rates = ratesAt({ ...stage1, steps }, step);
      return Promise.resolve(updates.step(rates, inputs, batch => ({ loss: supervisedLoss(student, batch) })));
    },
    dispose() {
      updates.dispose();
    },
  };
}
