/**
 * A baseline beside the method: direct supervision. The student of stage 0 is trained on images with the oracle's own recap
 * and plan as targets, which MGSD never sees on an image. It may win; then the table says so.
 */
import { cosineLearningRate, Random } from '../../../core/index.js';
import type { AdamW } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { PuzzleGroup } from '../puzzles.js';
import { NO_NOISE, planTrace } from '../targets.js';
import { packTraces, renderPuzzles } from '../packing.js';
import { supervisedTerm } from './loss-term.js';
import { groupRates } from './stage.js';
import type { Stage } from './stage.js';
import { Updates } from './update.js';

/** As many updates and images as stages 1 and 2 together, with the learning rates of stage 1. */
export function directStage(
  config: RunConfig,
  model: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
): Stage {
  const { batch, visionRate, decoderRate, warmup, floor } = config.stage1;
  const steps = config.stage1.steps + Math.round((config.stage2.steps * config.stage2.batch) / batch);
  const updates = new Updates(optimizer);
  return {
    name: 'direct',
    title: 'direct image-to-plan supervision (baseline)',
    steps,
    step(step) {
      const random = new Random(config.seed, streams.direct, step);
      const puzzles = drawPuzzles(groups, random, batch, config.stage2.balance);
      const traces = puzzles.map(({ world, instance }) => planTrace(world, instance, random, { noise: NO_NOISE }));
      const packed = packTraces(puzzles, traces, 'image', model.config);
      const options = { average: config.stage1.lossAverage, inBuckets: updates.inBuckets };
      const images = renderPuzzles(puzzles, model.config);
      const term = supervisedTerm(model, puzzles, traces, packed, { ...options, images });
      const vision = cosineLearningRate(step, { steps, warmup, floor, peak: visionRate });
      const decoder = cosineLearningRate(step, { steps, warmup, floor, peak: decoderRate });
      return Promise.resolve({ metrics: updates.stepMetrics(term, groupRates(vision, decoder)) });
    },
    dispose() {
      updates.dispose();
    },
  };
}
