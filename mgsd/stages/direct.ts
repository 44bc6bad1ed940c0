/**
 * A baseline beside the method: direct supervision. The student of stage 0 is trained on images with the oracle's own recap
 * and plan as targets, which MGSD never sees on an image. It may win; then the table says so.
 */
import { cosineLearningRate, Random } from '../../core/index.js';
import type { AdamW } from '../../core/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { PuzzleGroup } from '../puzzles.js';
import { NO_NOISE, planTrace } from '../trace-samples.js';
import { groupRates, readStepMetrics, supervisedLoss } from './stage.js';
import type { Stage } from './stage.js';

/** As many updates and images as stages 1 and 2 together, with the learning rates of stage 1. */
export function directStage(
  config: RunConfig,
  model: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
): Stage {
  const { batch, visionRate, decoderRate, warmup, floor } = config.stage1;
  const steps = config.stage1.steps + Math.round((config.stage2.steps * config.stage2.batch) / batch);
  return {
    name: 'direct',
    title: 'direct image-to-plan supervision (baseline)',
    steps,
    step(step) {
      const random = new Random(config.seed, streams.direct, step);
      const puzzles = drawPuzzles(groups, random, batch, config.stage2.balance);
      const traces = puzzles.map(({ world, instance }) => planTrace(world, instance, random, { noise: NO_NOISE }));
      const result = model.device.scope(() => {
        const loss = supervisedLoss(model, puzzles, traces, 'image', { average: config.lossAverage }); // scalar: mean over tokens
        optimizer.backward(loss);
        const vision = cosineLearningRate(step, { steps, warmup, floor, peak: visionRate });
        const decoder = cosineLearningRate(step, { steps, warmup, floor, peak: decoderRate });
        optimizer.step(groupRates(vision, decoder));
        return { metrics: readStepMetrics(loss, optimizer) };
      });
      return Promise.resolve(result);
    },
  };
}
