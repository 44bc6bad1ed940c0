/**
 * Stage 0, the planner: the decoder learns to read a symbolic state, write it down and plan from it. Nothing is
 * pretrained here, so this makes what the paper takes for granted: a model that plans well from symbols. It becomes the
 * teacher and the student's backbone.
 */
import { cosineLearningRate, Random } from '../../../core/index.js';
import { packSupervised } from '../packing.js';
import { drawPuzzles, streams } from '../puzzles.js';
import { planExample, toldPlan } from '../targets.js';
import type { Stage, StageSetting } from './stage.js';
import { supervisedLoss } from './supervision.js';
import { Updates } from './updates.js';

export function planningStage(setting: StageSetting): Stage {
  const { config, student: planner, groups } = setting;
  const { batch, balance, learningRate, lossAverage, noise, promptDropout, planContext, ...schedule } = config.stage0;
  const updates = new Updates(setting);
  return {
    name: 'stage0',
    title: 'symbolic planner',
    steps: schedule.steps,
    step(step) {
      const random = new Random(config.seed, streams.stage0, step);
      const puzzles = drawPuzzles(groups, random, batch, balance);
      const plain = puzzles.map(puzzle => planExample(puzzle, random, noise, promptDropout));
      const examples = plain.map(example =>
        planContext > 0 && random.uniform() < planContext ? toldPlan(example) : example,
      );
      const inputs = packSupervised(examples, 'symbolic', planner, lossAverage);
      const rates = { vision: 0, decoder: cosineLearningRate(step, { ...schedule, peak: learningRate }) };
      return Promise.resolve(updates.step(rates, inputs, batch => ({ loss: supervisedLoss(planner, batch) })));
    },
    dispose() {
      updates.dispose();
    },
  };
}
