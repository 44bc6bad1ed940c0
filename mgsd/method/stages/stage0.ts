/**
 * Stage 0, the planner: the decoder learns to read a symbolic state, write it down and plan from it. Nothing is pretrained
 * here, so this makes what the paper takes for granted: a model that plans well from symbols. It becomes the teacher and the
 * student's backbone.
 */
import { cosineLearningRate, Random } from '../../../core/index.js';
import type { AdamW } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { PuzzleGroup } from '../puzzles.js';
import { planTrace } from '../targets.js';
import { supervisedTerm } from './loss-term.js';
import type { Stage } from './stage.js';
import { followPlan, packForTeacher } from './teacher.js';
import type { Context } from './teacher.js';
import { Updates } from './update.js';

export function planningStage(
  config: RunConfig,
  model: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
): Stage {
  const { batch, learningRate, noise, promptDropout, planContext, steps, warmup, floor } = config.stage0;
  const updates = new Updates(optimizer);
  return {
    name: 'stage0',
    title: 'symbolic planner',
    steps,
    step(step) {
      const random = new Random(config.seed, streams.stage0, step);
      const puzzles = drawPuzzles(groups, random, batch, config.stage0.balance);
      const plain = puzzles.map(({ world, instance }) => planTrace(world, instance, random, { noise, promptDropout }));
      const isTold = puzzles.map(() => planContext > 0 && random.uniform() < planContext);
      const traces = plain.map((trace, i) => (isTold[i]! ? followPlan(puzzles[i]!, trace) : trace));
      const contexts = isTold.map<Context>(told => (told ? 'state+plan' : 'state'));
      const options = { average: config.stage0.lossAverage, inBuckets: updates.inBuckets };
      const term = supervisedTerm(model, puzzles, traces, packForTeacher(puzzles, traces, contexts, model), options);
      const rate = cosineLearningRate(step, { steps, warmup, floor, peak: learningRate });
      return Promise.resolve({
        metrics: updates.stepMetrics(term, { 'decoder.matrix': rate, 'decoder.vector': rate }),
      });
    },
    dispose() {
      updates.dispose();
    },
  };
}
