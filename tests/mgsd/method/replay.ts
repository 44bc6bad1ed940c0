/** Stages whose updates are recorded: the same weights as eager ones, on batches padded alike. */
import { expect, it } from 'vitest';
import { AdamW, Random } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { noDecayGroups } from '../../../models/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import { drawPuzzles } from '../../../mgsd/method/puzzles.js';
import { packTraces, renderPuzzles } from '../../../mgsd/method/packing.js';
import { addTerm, supervisedTerm } from '../../../mgsd/method/stages/loss-term.js';
import type { LossTerm } from '../../../mgsd/method/stages/loss-term.js';
import { distil, rollOut } from '../../../mgsd/method/stages/stage2.js';
import { Updates } from '../../../mgsd/method/stages/update.js';
import { planTrace } from '../../../mgsd/method/targets.js';
import { randomModel } from '../../models/miniature.js';
import { groups, miniatureConfig } from '../miniature-run.js';

function puzzlesOf(step: number, count = 3) {
  const random = new Random(7, 1, step);
  const puzzles = drawPuzzles(groups, random, count);
  return { puzzles, traces: puzzles.map(({ world, instance }) => planTrace(world, instance, random)) };
}

/** An image batch with a symbolic one beside it, of other sizes in every step. */
function termOf(model: VisionLanguageModel, step: number): LossTerm {
  const [a, b] = [puzzlesOf(step), puzzlesOf(100 + step, 2)];
  const images = renderPuzzles(a.puzzles, model.config);
  const packedA = packTraces(a.puzzles, a.traces, 'image', model.config);
  const packedB = packTraces(b.puzzles, b.traces, 'symbolic', model.config);
  return addTerm(
    supervisedTerm(model, a.puzzles, a.traces, packedA, { images, inBuckets: true }),
    supervisedTerm(model, b.puzzles, b.traces, packedB, { inBuckets: true }),
    1 / (2 + step),
  );
}

const ratesAt = (step: number) => {
  const rate = 0.003 / (1 + step);
  return { 'vision.matrix': rate, 'vision.vector': rate, 'decoder.matrix': 2 * rate, 'decoder.vector': 2 * rate };
};

export function testReplayedStages(device: () => Device, steps: number): void {
  const optimizerOf = (model: VisionLanguageModel) =>
    new AdamW(model.parameters, { ...miniatureConfig().optimizer, noDecay: noDecayGroups });

  it('supervision from images and symbols ends with the weights of eager updates, bit by bit', async () => {
    const weights = async (replay: boolean) => {
      const model = randomModel(device(), 1);
      const optimizer = optimizerOf(model);
      const updates = new Updates(optimizer, replay);
      const losses: number[] = [];
      for (let step = 0; step < steps; step++)
        losses.push((await updates.stepMetrics(termOf(model, step % 4), ratesAt(step)))['loss']!);
      const { replays } = updates.recorder.statistics;
      const result = { losses, values: Array.from(await model.parameters.flat.read()) };
      for (const owner of [updates, optimizer, model]) owner.dispose();
      return { ...result, replays };
    };
    const [eager, replayed] = [await weights(false), await weights(true)];
    expect(replayed.replays).toBeGreaterThan(0);
    expect(replayed.losses).toEqual(eager.losses);
    expect(replayed.values).toEqual(eager.values);
  });

  it.each([
    { estimator: 'full', teacher: 'ema' },
    { estimator: 'sampled_baseline', rewardCoef: 0.5, n: 2 },
    { estimator: 'top_k', topK: 3, teacher: 'oracle' },
  ] as const)('distillation with %j does so too', async stage2 => {
    const config = miniatureConfig({ stage2: { batch: 2, ...stage2 } });
    const weights = async (replay: boolean) => {
      const [model, planner] = [randomModel(device(), 1), randomModel(device(), 2, { trainable: false })];
      const optimizer = optimizerOf(model);
      const updates = new Updates(optimizer, replay);
      const rollouts = [await rollOut(config, model, groups, 0), await rollOut(config, model, groups, 1)];
      const metrics: object[] = [];
      for (let step = 0; step < steps; step++) {
        const rates = { vision: 0.001 / (1 + step), decoder: 0.002 / (1 + step) };
        metrics.push(await distil(config, model, planner, optimizer, rollouts[step % 2]!, rates, { updates }).metrics);
      }
      const result = { metrics, values: Array.from(await model.parameters.flat.read()) };
      const taught = Array.from(await planner.parameters.flat.read());
      for (const owner of [updates, optimizer, model, planner]) owner.dispose();
      return { ...result, taught };
    };
    const eager = await weights(false);
    const replayed = await weights(true);
    // eager batches are not padded: sums over rows may round otherwise, by the last bits of f32
    expect(relativeDifference(replayed.values, eager.values)).toBeLessThan(1e-4);
    expect(relativeDifference(replayed.taught, eager.taught)).toBeLessThan(1e-4);
    expect(replayed.metrics.map(each => Object.keys(each))).toEqual(eager.metrics.map(each => Object.keys(each)));
  });
}

/** Largest difference, relative to the largest magnitude. */
function relativeDifference(a: readonly number[], b: readonly number[]): number {
  const largest = b.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  return a.reduce((max, x, i) => Math.max(max, Math.abs(x - b[i]!)), 0) / largest;
}
