/**
 * Stage 1, cold-start grounding (L_perc): from the image alone the student learns to write down the symbolic state it
 * sees. No plan for an image is in the targets: the response ends where the answer would begin. On request it also
 * answers the perception questions, rehearses symbolic examples of stage 0, and plans behind pictures of other puzzles.
 */
import { Random } from '../../../core/index.js';
import { packSupervised, trainingImages } from '../packing.js';
import { drawPuzzles, groupShares, streams } from '../puzzles.js';
import type { Puzzle } from '../puzzles.js';
import { questionExample, recapExample } from '../targets.js';
import { plansBeside } from '../variants/rehearsal.js';
import { gateOf } from './gate.js';
import { looksAt, ratesAt } from './stage.js';
import type { Stage, StageSetting } from './stage.js';
import { supervisedLoss } from './supervision.js';
import type { Auxiliary } from './supervision.js';
import { Updates } from './updates.js';

export function groundingStage(setting: StageSetting): Stage {
  const { config, student, groups } = setting;
  const { seed, stage1 } = config;
  const { batch, balance, questions, lossAverage } = stage1;
  const gate = gateOf(config);
  const updates = new Updates(setting);

  const imagesOf = (puzzles: readonly Puzzle[], step: number, stream: number) =>
    trainingImages(puzzles, student.config, looksAt(config, 'stage1', step), new Random(seed, stream, step));

  /** Answers to the perception questions of other puzzles; none unless asked for. */
  function answers(step: number, shares: readonly number[]): Auxiliary[] {
    const random = new Random(seed, streams.questions, step);
    const puzzles = drawPuzzles(groups, random, Math.round(questions * batch), balance, shares);
    if (puzzles.length === 0) return [];
    const images = imagesOf(puzzles, step, streams.looks.questions);
    const asked = packSupervised(puzzles.map(questionExample), 'image', student, lossAverage, images);
    return [{ name: 'lossQuestions', batch: asked, weight: questions }];
  }

  return {
    name: 'stage1',
    title: 'cold-start grounding',
    get steps() {
      return gate?.end ?? stage1.steps;
    },
    async step(step) {
      const random = new Random(seed, streams.stage1, step);
      const shares = gate?.sharesAt(step, groups) ?? groupShares(groups);
      const puzzles = drawPuzzles(groups, random, batch, balance, shares);
      const images = imagesOf(puzzles, step, streams.looks.stage1);
      const inputs = packSupervised(puzzles.map(recapExample), 'image', student, lossAverage, images);
      const auxiliaries = [...answers(step, shares), ...plansBeside(setting, 'stage1', step)];
      const rates = gate ? gate.ratesAt(step) : ratesAt(stage1, step);
      const compute = (batch: Parameters<typeof supervisedLoss>[1]) => ({ loss: supervisedLoss(student, batch) });
      const { metrics } = updates.step(rates, inputs, compute, auxiliaries);
      const verdict = await gate?.after(step, student);
      if (!verdict) return { metrics };
      return { metrics: metrics.then(values => ({ ...values, ...verdict.metrics })), notes: verdict.notes };
    },
    saveState: () => Promise.resolve(gate?.save() ?? new Map()),
    loadState: tensors => gate?.load(tensors),
    dispose() {
      updates.dispose();
    },
  };
}
