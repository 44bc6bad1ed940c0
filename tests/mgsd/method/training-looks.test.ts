import { describe, expect, test } from 'vitest';
import { AdamW, Random } from '../../../core/index.js';
import { noDecayGroups } from '../../../models/index.js';
import { renderPuzzles, trainingImages } from '../../../mgsd/method/packing.js';
import { streams } from '../../../mgsd/method/puzzles.js';
import { makeStage } from '../../../mgsd/method/stages/index.js';
import { rollOut } from '../../../mgsd/method/stages/rollout.js';
import { looksAt } from '../../../mgsd/method/stages/stage.js';
import { cpu } from '../../core/devices.js';
import { miniature, randomModel } from '../../models/miniature.js';
import { groups, miniatureConfig } from '../miniature-run.js';

const { puzzles } = groups[0]!;
const plain = renderPuzzles(puzzles, miniature);

test('a share of the pictures has a random look, another one each time; the others keep the look of training', () => {
  const isPlain = (image: Uint8Array, i: number) => Buffer.from(image).equals(plain[i]!);
  const random = new Random(1);
  let kept = 0;
  const others = new Set<string>();
  for (let batch = 0; batch < 20; batch++)
    trainingImages(puzzles, miniature, 0.7, random).forEach((image, i) => {
      if (isPlain(image, i)) kept++;
      else others.add(Buffer.from(image).toString('base64'));
    });
  expect(kept + others.size).toBe(20 * puzzles.length); // no look came twice
  expect(kept / (20 * puzzles.length)).toBeCloseTo(0.3, 1);
  expect(trainingImages(puzzles, miniature, 0, random).every(isPlain)).toBe(true);
  expect(trainingImages(puzzles, miniature, 1, random).some(isPlain)).toBe(false);
});

test('looks come when stage 1 has learnt to see in one, and stay in its extensions', () => {
  const config = miniatureConfig({ stage1: { steps: 100, looks: 0.6, looksAfter: 0.25 }, stage2: { looks: 0.5 } });
  const shares = [0, 25, 35, 50, 99, 150].map(step => looksAt(config, 'stage1', step));
  shares.forEach((share, i) => {
    expect(share).toBeCloseTo([0, 0, 0.24, 0.6, 0.6, 0.6][i]!, 12);
  });
  expect(looksAt(config, 'stage2', 0)).toBe(0.5);
  expect(looksAt(miniatureConfig({ stage1: { looks: 0.6 } }), 'stage1', 0)).toBe(0.6);
});

describe.each(['stage1', 'direct'] as const)('%s', name => {
  /** Loss of single updates of a fresh model. */
  async function losses(looks: number, steps: readonly number[]): Promise<number[]> {
    const config = miniatureConfig({ stage1: { looks, questions: 0.5, mismatch: 0.5 } });
    const found: number[] = [];
    for (const step of steps) {
      const student = randomModel(cpu, 3);
      const optimizer = new AdamW(student.parameters, { ...config.optimizer, noDecay: noDecayGroups });
      const stage = makeStage(name, { config, student, optimizer, groups });
      const { metrics } = await stage.step(step);
      found.push((await metrics)['loss']!);
      for (const owner of [stage, optimizer, student]) owner.dispose();
    }
    return found;
  }

  test('looks follow from seed and step, and change what is learnt from', async () => {
    const looked = await losses(1, [0, 3]);
    expect(await losses(1, [3, 0])).toEqual(looked.toReversed());
    const without = await losses(0, [0, 3]);
    expect(looked[0]).not.toBe(without[0]);
    expect(looked[1]).not.toBe(without[1]);
  });
});

test('stage 2 shows its share of looks to the student, the same for the same step', async () => {
  const student = randomModel(cpu, 3, { trainable: false });
  const config = miniatureConfig({ stage2: { looks: 1 } });
  const rollouts = (step: number) =>
    rollOut(
      { config, student, groups, optimizer: undefined as never },
      those => Promise.resolve(those.map(() => [])),
      step,
    );
  const images = async (step: number) => (await rollouts(step)).map(({ image }) => image);
  const first = await images(4);
  expect(await images(4)).toEqual(first);
  expect(await images(5)).not.toEqual(first);
  const shown = (await rollouts(4)).map(({ example }) => example.puzzle);
  expect(first).toEqual(trainingImages(shown, student.config, 1, new Random(config.seed, streams.looks.stage2, 4)));
  student.dispose();
});
