/**
 * Stage 0, the planner: the decoder learns to read a symbolic state, write it down and plan from it. Nothing is pretrained
 * here, so this makes what the paper takes for granted: a model that plans well from symbols. It becomes the teacher and the
 * student's backbone.
 */
import { cosineLearningRate, Random } from '../../core/index.js';
import type { AdamW } from '../../core/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { PuzzleGroup } from '../puzzles.js';
import { planTrace } from '../trace-samples.js';
import { readStepMetrics, supervisedLoss } from './stage.js';
import type { Stage } from './stage.js';

export function planningStage(
  config: RunConfig,
  model: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
): Stage {
  const { batch, learningRate, noise, steps, warmup, floor } = config.stage0;
  return {
    name: 'stage0',
    title: 'symbolic planner',
    steps,
    step(step) {
      const random = new Random(config.seed, streams.stage0, step);
      const puzzles = drawPuzzles(groups, random, batch, config.stage0.balance);
      const traces = puzzles.map(({ world, instance }) => planTrace(world, instance, random, { noise }));
      const result = model.device.scope(() => {
        const loss = supervisedLoss(model, puzzles, traces, 'symbolic'); // scalar: mean over tokens
        loss.backward();
        const rate = cosineLearningRate(step, { steps, warmup, floor, peak: learningRate });
        optimizer.step({ 'decoder.matrix': rate, 'decoder.vector': rate });
        return { metrics: readStepMetrics(loss, optimizer) };
      });
      return Promise.resolve(result);
    },
  };
}
