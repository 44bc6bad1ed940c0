/**
 * Stage 1, cold-start grounding (L_perc): from the image alone the student learns to write down the symbolic state it sees.
 * No plan is in the targets: the response ends where the answer would begin.
 */
import { cosineLearningRate, Random } from '../../core/index.js';
import type { AdamW } from '../../core/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { PuzzleGroup } from '../puzzles.js';
import { recapTrace } from '../trace-samples.js';
import { groupRates, readStepMetrics, supervisedLoss } from './stage.js';
import type { Stage } from './stage.js';

export function groundingStage(
  config: RunConfig,
  model: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
): Stage {
  const { batch, visionRate, decoderRate, steps, warmup, floor } = config.stage1;
  return {
    name: 'stage1',
    title: 'cold-start grounding',
    steps,
    step(step) {
      const random = new Random(config.seed, streams.stage1, step);
      const puzzles = drawPuzzles(groups, random, batch, config.stage1.balance);
      const traces = puzzles.map(({ world, instance }) => recapTrace(world, instance));
      const result = model.device.scope(() => {
        const loss = supervisedLoss(model, puzzles, traces, 'image'); // scalar: mean over tokens
        loss.backward();
        const vision = cosineLearningRate(step, { steps, warmup, floor, peak: visionRate });
        const decoder = cosineLearningRate(step, { steps, warmup, floor, peak: decoderRate });
        optimizer.step(groupRates(vision, decoder));
        return { metrics: readStepMetrics(loss, optimizer) };
      });
      return Promise.resolve(result);
    },
  };
}
