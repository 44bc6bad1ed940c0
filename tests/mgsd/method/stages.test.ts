import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdamW, openDevice, Random } from '../../../core/index.js';
import type { Device, HostArray, MemoryUse } from '../../../core/index.js';
import { generate, noDecayGroups, VisionLanguageModel } from '../../../models/index.js';
import type { ModelConfig } from '../../../models/index.js';
import { drawPuzzles } from '../../../mgsd/method/puzzles.js';
import type { InputMode, LossAverage } from '../../../mgsd/method/packing.js';
import { packSequences, packSupervised, patchTensor, promptOf, renderPuzzles } from '../../../mgsd/method/packing.js';
import { makeStage } from '../../../mgsd/method/stages/index.js';
import { planningStage } from '../../../mgsd/method/stages/stage0.js';
import { groundingStage } from '../../../mgsd/method/stages/stage1.js';
import { distillationStage } from '../../../mgsd/method/stages/stage2.js';
import { supervisedLoss } from '../../../mgsd/method/stages/supervision.js';
import { NO_NOISE, planExample } from '../../../mgsd/method/targets.js';
import type { TrainingExample } from '../../../mgsd/method/packing.js';
import { EOS } from '../../../models/vocabulary.js';
import { cpu } from '../../core/devices.js';
import { miniature, randomModel } from '../../models/miniature.js';
import { eagerDistillation, groups, hardExample, miniatureConfig, studentRollouts } from '../miniature-run.js';
import { makeOptimizer } from '../../../mgsd/method/stages/stage.js';

let wasm: Device;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
});
afterAll(() => wasm.close());

const optimizerOf = (model: VisionLanguageModel, config = miniatureConfig()) => makeOptimizer(model, config);

describe('one batch can be learnt by heart', () => {
  const config: ModelConfig = { ...miniature, imageSize: 24, patchSize: 8, visionWidth: 32, width: 32 };
  const puzzles = groups[0]!.puzzles.slice(0, 8);
  const examples = puzzles.map(puzzle => hardExample(puzzle, new Random(3)));
  const rate = 5e-3;
  const rates = { 'vision.matrix': rate, 'vision.vector': rate, 'decoder.matrix': rate, 'decoder.vector': rate };

  it.each<InputMode>(['symbolic', 'image'])('from %s prompts, down to a loss of zero', async mode => {
    const model = new VisionLanguageModel(wasm, config).initialize(1);
    const optimizer = new AdamW(model.parameters, { noDecay: noDecayGroups, weightDecay: 0 });
    const update = () =>
      wasm.scope(() => {
        const loss = supervisedLoss(model, wasm.fromHost(packSupervised(examples, mode, model, 'world')));
        loss.backward();
        optimizer.step(rates);
        return loss.item();
      });
    let loss = await update();
    expect(loss).toBeGreaterThan(4); // about log 128: nothing is known
    for (let step = 1; step < 600 && loss >= 0.002; step++) loss = await update();
    expect(loss).toBeLessThan(0.002);
    const prompts = puzzles.map(puzzle => promptOf(puzzle, mode, config));
    const written = await wasm.scope(() => {
      const patches = mode === 'image' ? patchTensor(model, renderPuzzles(puzzles, config)) : undefined;
      return generate(model, prompts, { maxTokens: 28, temperature: 0, seed: 0, stream: 0, step: 0 }, patches);
    });
    expect(written).toEqual(examples.map(({ inputs }) => [...inputs.slice(1), EOS])); // every response, word for word
    for (const owner of [optimizer, model]) owner.dispose();
  });
});

describe('memory', () => {
  it('is flat over 50 real training steps of every stage: buffers, bytes, and what the backend was asked for', async () => {
    const config = miniatureConfig({ stage0: { steps: 50 }, stage1: { steps: 50 }, stage2: { steps: 50, batch: 2 } });
    const model = randomModel(wasm, 1);
    const teacher = randomModel(wasm, 2, { trainable: false });
    const optimizer = optimizerOf(model);
    const setting = { config, student: model, planner: teacher, optimizer, groups };
    const [planning, grounding] = [planningStage(setting), groundingStage(setting)];
    const distillation = distillationStage(setting);
    const rollouts = await distillation.rollOut(0);
    const baseline = wasm.memory();
    /** One update per stage, on the batches of `step`. */
    const update = async (step: number): Promise<MemoryUse> => {
      await (
        await planning.step(step)
      ).metrics;
      await (
        await grounding.step(step)
      ).metrics;
      await distillation.update(rollouts, step, { vision: 1e-4, decoder: 1e-4 });
      return wasm.memory();
    };
    for (let i = 0; i < 2; i++) await update(0); // recorded
    const first = await update(0);
    // the same batch: not one buffer more, not even in the pool
    for (let i = 0; i < 50; i++) expect(await update(0)).toEqual(first);
    // batches of other lengths may meet a new size class, and are recorded when they come a second time
    for (let step = 0; step < 100; step++) await update(step % 50);
    const { allocations, liveBytes } = wasm.memory();
    for (let step = 0; step < 50; step++) await update(step); // but each only once
    expect(wasm.memory()).toMatchObject({ allocations, liveBytes });
    for (const stage of [planning, grounding, distillation]) stage.dispose();
    const { liveBuffers } = wasm.memory();
    expect({ liveBuffers, liveBytes: wasm.memory().liveBytes }).toEqual({
      liveBuffers: baseline.liveBuffers,
      liveBytes: baseline.liveBytes,
    });
    await distillation.rollOut(0);
    expect(wasm.memory().liveBuffers).toBe(baseline.liveBuffers);
    for (const owner of [optimizer, model, teacher]) owner.dispose();
  });

  it('goes back when models and optimisers are disposed of', async () => {
    const before = wasm.memory().liveBuffers;
    const model = randomModel(wasm, 1);
    const copy = await model.frozenCopy();
    const optimizer = optimizerOf(model);
    expect(await copy.parameters.flat.read()).toEqual(await model.parameters.flat.read());
    for (const owner of [optimizer, model, copy]) owner.dispose();
    expect(wasm.memory().liveBuffers).toBe(before);
  });
});

describe('what a stage trains', () => {
  /** Which groups one update of a stage changed. */
  async function changed(name: 'stage0' | 'stage1' | 'stage2' | 'direct', ...changes: unknown[]): Promise<string[]> {
    const config = miniatureConfig(
      { stage0: { warmup: 0 }, stage1: { warmup: 0 }, stage2: { warmup: 0, batch: 2 } },
      ...changes,
    );
    const model = randomModel(wasm, 1);
    const teacher = randomModel(wasm, 2, { trainable: false });
    const [before, teacherBefore] = [await model.parameters.flat.read(), await teacher.parameters.flat.read()];
    const optimizer = optimizerOf(model);
    const stage = makeStage(name, { config, student: model, planner: teacher, optimizer, groups });
    expect(stage.name).toBe(name);
    const metrics = await (await stage.step(0)).metrics;
    for (const [key, value] of Object.entries(metrics)) expect(value, key).toSatisfy(Number.isFinite);
    const after = await model.parameters.flat.read();
    expect(await teacher.parameters.flat.read()).toEqual(teacherBefore); // frozen
    const differing = [...model.parameters.groups].filter(([, { offset, length }]) =>
      after.subarray(offset, offset + length).some((value, i) => value !== before[offset + i]),
    );
    for (const owner of [optimizer, model, teacher]) owner.dispose();
    return differing.map(([group]) => group);
  }
  const decoder = ['decoder.matrix', 'decoder.vector'];
  const vision = ['vision.matrix', 'vision.vector'];

  it('stage 0: the decoder alone', async () => {
    expect((await changed('stage0')).sort()).toEqual(decoder);
  });

  it('stages 1 and 2 and direct supervision: everything', async () => {
    for (const name of ['stage1', 'stage2', 'direct'] as const)
      expect((await changed(name)).sort()).toEqual([...decoder, ...vision]);
  });

  it('stage 1 with a decoder rate of 0: the vision encoder alone', async () => {
    expect((await changed('stage1', { stage1: { decoderRate: 0 } })).sort()).toEqual(vision);
  });
});

describe('targets and weights', () => {
  const model = randomModel(cpu, 1);
  const puzzles = drawPuzzles(groups, new Random(5), 6);

  it('share the probability of a position equally among its right tokens', () => {
    const examples = puzzles.map(puzzle => planExample(puzzle, new Random(5), NO_NOISE));
    const rows = examples.flatMap(({ targets }) => targets);
    expect(rows.some(targets => targets.length > 1)).toBe(true);
    const values = Array.from(packSupervised(examples, 'symbolic', model, 'world').targets.values);
    rows.forEach((targets, row) => {
      const probabilities = Array.from(values.slice(row * 128, (row + 1) * 128));
      expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
      for (const token of targets) expect(probabilities[token]).toBeCloseTo(1 / targets.length, 6);
    });
  });

  it('weights sum to 1 over a batch, masked tokens weigh nothing, and an empty mask gives a loss of 0', async () => {
    const examples = puzzles.map(puzzle => planExample(puzzle, new Random(5), NO_NOISE));
    const halved = examples.map((example, i) =>
      i % 2 === 0 ? example : { ...example, weights: example.weights.map(() => 0) },
    );
    const total = ({ values }: HostArray) => Array.from(values).reduce((a, b) => a + b, 0);
    const pack = (of: readonly TrainingExample[], average: LossAverage) =>
      packSupervised(of, 'symbolic', model, average);
    expect(total(pack(examples, 'world').weights)).toBeCloseTo(1, 10);
    expect(total(pack(halved, 'token').weights)).toBeCloseTo(1, 10);
    const lossOf = (of: readonly TrainingExample[]) => supervisedLoss(model, cpu.fromHost(pack(of, 'world'))).item();
    expect(await lossOf(halved)).toBeCloseTo(await lossOf(examples.filter((_, i) => i % 2 === 0)), 5);
    const none = examples.map(example => ({ ...example, weights: example.weights.map(() => 0) }));
    expect(await lossOf(none)).toBe(0);
  });

  it('pack prompts of the mode that was asked for', () => {
    const examples = puzzles.map(puzzle => planExample(puzzle, new Random(5), NO_NOISE));
    expect(packSequences(examples, 'image', miniature).imageCount).toBe(6);
    expect(packSequences(examples, 'symbolic', miniature).imageCount).toBe(0);
  });
});

describe('stage 2', () => {
  const config = miniatureConfig();

  it('has loss 0 and no gradient when the teacher is the student and both see the same', async () => {
    // a student that does not look: what distinguishes the prompts is gone, so both give the same logits
    const student = randomModel(cpu, 1);
    const blind = new Map<string, ArrayLike<number>>();
    for (const [name, { length }] of student.parameters.ranges)
      if (/^decoder\.block\.\d+\.attention\.out/.test(name)) blind.set(name, new Float32Array(length));
    await student.parameters.load(blind);
    const rollouts = await studentRollouts(config, student, 0);
    const teacher = await student.frozenCopy();
    const { loss } = eagerDistillation(config, student, teacher, rollouts);
    loss.backward();
    expect(Math.abs(await loss.item())).toBeLessThan(1e-6);
    for (const [name, tensor] of student.parameters.entries())
      if (tensor.grad) expect(Math.max(...(await tensor.grad.read()).map(Math.abs)), name).toBeLessThan(1e-5);
  });
});
