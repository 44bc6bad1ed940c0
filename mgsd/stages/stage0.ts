/**
 * Stage 0, the planner: the decoder learns to read a symbolic state, write it down and plan from it. Nothing is pretrained
 * here, so this makes what the paper takes for granted: a model that plans well from symbols. It becomes the teacher and the
 * student's backbone.
 */
import { cosineLearningRate, crossEntropy, Random, sum } from '../../core/index.js';
import type { AdamW } from '../../core/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { PuzzleGroup } from '../puzzles.js';
import { planTrace } from '../trace-samples.js';
import { targetTensor, weightTensor } from '../samples.js';
import { readStepMetrics } from './stage.js';
import type { Stage } from './stage.js';
import { followPlan, packForTeacher } from './teacher.js';
import type { Context } from './teacher.js';

export function planningStage(
  config: RunConfig,
  model: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
): Stage {
  const { batch, learningRate, noise, planContext, steps, warmup, floor } = config.stage0;
  return {
    name: 'stage0',
    title: 'symbolic planner',
    steps,
    step(step) {
      const random = new Random(config.seed, streams.stage0, step);
      const puzzles = drawPuzzles(groups, random, batch, config.stage0.balance);
      const plain = puzzles.map(({ world, instance }) => planTrace(world, instance, random, { noise }));
      const isTold = puzzles.map(() => planContext > 0 && random.uniform() < planContext);
      const traces = plain.map((trace, i) => (isTold[i]! ? followPlan(puzzles[i]!, trace) : trace));
      const contexts = isTold.map<Context>(told => (told ? 'state+plan' : 'state'));
      const result = model.device.scope(() => {
        const logits = model.forward(packForTeacher(puzzles, traces, contexts, model)); // (N, V)
        const weight = weightTensor(model, puzzles, traces, config.lossAverage); // (N)
        const loss = sum(crossEntropy(logits, targetTensor(model, traces), weight)); // scalar: mean over tokens
        optimizer.backward(loss);
        const rate = cosineLearningRate(step, { steps, warmup, floor, peak: learningRate });
        optimizer.step({ 'decoder.matrix': rate, 'decoder.vector': rate });
        return { metrics: readStepMetrics(loss, optimizer) };
      });
      return Promise.resolve(result);
    },
  };
}
