/** The loss of every stage, whole model included, against finite differences in f64. */
import { describe, expect, it } from 'vitest';
import { gradcheck, mul, Random } from '../../../core/index.js';
import type { Tensor } from '../../../core/index.js';
import { drawPuzzles } from '../../../mgsd/method/puzzles.js';
import { packSupervised } from '../../../mgsd/method/packing.js';
import type { InputMode } from '../../../mgsd/method/packing.js';
import { readRollout } from '../../../mgsd/method/stages/rollout.js';
import { supervisedLoss } from '../../../mgsd/method/stages/supervision.js';
import { planExample, recapExample } from '../../../mgsd/method/targets.js';
import type { TrainingExample } from '../../../mgsd/method/packing.js';
import { cpu } from '../../core/devices.js';
import { coordinated, randomModel } from '../../models/miniature.js';
import { eagerDistillation, groups, miniatureConfig, recordRollouts } from '../miniature-run.js';

const model = randomModel(cpu, 41, { dtype: 'f64' }, coordinated);
const teacher = randomModel(cpu, 42, { dtype: 'f64', trainable: false }, coordinated);
const names = [...model.parameters.ranges.keys()];

/**
 * Most rows of these belong to tokens and places that a small batch does not have: more elements are needed to hit
 * some.
 */
const isTable = (name: string) => /^decoder\.(embedding|position)/.test(name);

/**
 * A few elements of every parameter. The loss is scaled up because single gradients of a mean over tokens are far below
 * 1, where gradcheck's tolerance would be an absolute one.
 */
async function expectRightGradients(loss: () => Tensor, checks: (name: string) => boolean = () => true): Promise<void> {
  const scale = cpu.tensor([100], [], { dtype: 'f64' });
  for (const tables of [false, true]) {
    const checked = names.filter(name => checks(name) && isTable(name) === tables);
    const inputs = checked.map(name => model.parameters.get(name));
    const report = await gradcheck(() => mul(loss(), scale), inputs, { maxElements: tables ? 32 : 4 });
    expect(report.ok, `${checked[report.worst!.input]!}: ${JSON.stringify(report.worst)}`).toBe(true);
    expect(report.checked).toBeGreaterThan(3 * checked.length);
    // each parameter was seen to have an effect: otherwise the check would have compared zeros
    const silent = report.perInput.filter(({ analytic, numeric }) => analytic === 0 && numeric === 0);
    expect(silent.map(({ input }) => checked[input]!)).toEqual([]);
  }
}

describe('the gradient of the whole loss is right in f64', () => {
  const random = new Random(7);
  const puzzles = drawPuzzles(groups, random, 2);
  const { noise } = miniatureConfig().stage0;
  const lossOf = (examples: readonly TrainingExample[], input: InputMode) =>
    supervisedLoss(model, cpu.fromHost(packSupervised(examples, input, model, 'world')));

  it('stage 0, symbols', async () => {
    const examples = puzzles.map(puzzle => planExample(puzzle, random, noise));
    await expectRightGradients(
      () => lossOf(examples, 'symbolic'),
      name => !name.startsWith('vision.'),
    );
  });

  it('stage 1, vision included', async () => {
    const examples = puzzles.map(recapExample);
    await expectRightGradients(() => lossOf(examples, 'image'));
  });

  it('stage 2, reverse KL to a teacher on given rollouts', async () => {
    const config = miniatureConfig({ stage2: { batch: 1 } });
    const [whole] = await recordRollouts(1, config);
    const rollouts = whole!.map(
      ({ example, image, response }) => readRollout(example.puzzle, image, response.slice(0, 12), false), // enough
    );
    await expectRightGradients(() => eagerDistillation(config, model, teacher, rollouts).loss);
  });
});
