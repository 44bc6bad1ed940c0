/** Mixed precision against f32 on any device: gradients, a short training, overflow, loss scale, resuming. */
import { describe, expect, it } from 'vitest';
import { AdamW, crossEntropy, Muon, Random, stateFields, sum } from '../../../core/index.js';
import { useDevice } from '../../core/devices.js';
import type { AdamWOptions, Device, OptimizerState } from '../../../core/index.js';
import { decodeCheckpoint, encodeCheckpoint, generate, loadModel, noDecayGroups } from '../../../models/index.js';
import type { Precision, VisionLanguageModel } from '../../../models/index.js';
import { planningStage } from '../../../mgsd/method/stages/stage0.js';
import { groups, miniatureConfig } from '../miniature-run.js';
import { pack, inputsOf, raggedExamples, randomModel } from '../../models/miniature.js';
import { makeOptimizer } from '../../../mgsd/method/stages/stage.js';

const examples = raggedExamples(5, 6);
const batch = pack(examples);

/** Mean cross-entropy of random targets. */
function lossOf(model: VisionLanguageModel) {
  const [rows, V] = [batch.outputs.length, model.config.vocabulary];
  const random = new Random(8, 1);
  const targets = new Float32Array(rows * V);
  for (let row = 0; row < rows; row++) targets[row * V + random.integer(V)] = 1;
  const { device } = model;
  const logits = model.forward(device.fromHost(inputsOf(model, examples))); // (N, V)
  return sum(crossEntropy(logits, device.tensor(targets, [rows, V]), device.full([rows], 1 / rows)));
}

/** Gradients by name, without the loss scale. */
async function gradientsOf(
  device: Device,
  precision: Precision,
  lossScale = 2 ** 12,
): Promise<Map<string, Float64Array>> {
  const model = randomModel(device, 3, { precision });
  const optimizer = new AdamW(model.parameters, { lossScaling: { initial: lossScale } });
  const gradients = await device.scope(async () => {
    optimizer.backward(lossOf(model));
    const read = [...model.parameters.entries()].map(async ([name, { grad }]) => {
      expect(grad?.dtype, `gradient of ${name}`).toBe('f32');
      return [name, Float64Array.from(await grad!.read(), g => g / lossScale)] as const;
    });
    return new Map(await Promise.all(read));
  });
  for (const done of [optimizer, model]) done.dispose();
  return gradients;
}

function cosine(a: Float64Array, b: Float64Array): number {
  const dot = (x: Float64Array, y: Float64Array) => x.reduce((total, value, i) => total + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

const field = ({ state }: OptimizerState, name: (typeof stateFields)[number]) => state[stateFields.indexOf(name)]!;

/** A model in f16 with its optimiser, and updates of it. */
function setUp(device: Device, options: AdamWOptions = {}, Optimizer = AdamW) {
  const model = randomModel(device, 3, { precision: 'f16' });
  const optimizer = new Optimizer(model.parameters, { noDecay: noDecayGroups, ...options });
  const rates = Object.fromEntries([...model.parameters.groups.keys()].map(group => [group, 1e-3]));
  const update = (spoil: () => void = () => {}) =>
    device.scope(() => {
      optimizer.backward(lossOf(model));
      spoil();
      optimizer.step(rates);
    });
  return { model, optimizer, update, dispose: () => [optimizer, model].forEach(done => done.dispose()) };
}

/** The f16 copies of the weights, one after another, and the weights that they are copies of. */
async function copiesOf({ parameters }: VisionLanguageModel): Promise<{ copy: number[]; weights: number[] }> {
  const flat = await parameters.flat.read();
  const all = { copy: [] as number[], weights: [] as number[] };
  for (const [group, half] of parameters.halves) {
    const { offset, length } = parameters.groups.get(group)!;
    for (const value of await half.read()) all.copy.push(value);
    for (const value of flat.subarray(offset, offset + length)) all.weights.push(value);
  }
  return all;
}

/** Mean loss over the last 50 of `steps` updates of stage 0. */
async function lateLoss(device: Device, precision: Precision, steps: number): Promise<number> {
  const config = miniatureConfig({ precision, stage0: { steps, warmup: 20 } });
  const model = randomModel(device, 41, { precision });
  const optimizer = makeOptimizer(model, config);
  const stage = planningStage({ config, student: model, optimizer, groups });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { loss, skipped, lossScale } = await (await stage.step(step)).metrics;
    losses.push(loss!);
    if (precision === 'f16') expect([skipped, lossScale]).toEqual([0, 2 ** 15]);
    else expect(lossScale).toBeUndefined();
  }
  stage.dispose();
  for (const done of [optimizer, model]) done.dispose();
  expect(losses.at(-1)).toBeLessThan(0.7 * losses[0]!); // it learned something
  return losses.slice(-50).reduce((a, b) => a + b, 0) / 50;
}

/** Declares the tests; `open` is called once. It may return why there is no device: the tests are then skipped. */
export function describePrecision(title: string, open: () => Promise<Device | string>, { training = true } = {}): void {
  describe(title, () => {
    const deviceOf = useDevice(open);
    const test = (name: string, body: (device: Device) => Promise<void>) => it(name, () => body(deviceOf()));

    test('gradients point where those of f32 point, tensor by tensor, in f32', async device => {
      const [wide, half] = [await gradientsOf(device, 'f32', 1), await gradientsOf(device, 'f16')];
      expect([...half.keys()].sort()).toEqual([...wide.keys()].sort());
      for (const [name, gradient] of half) expect(cosine(gradient, wide.get(name)!), name).toBeGreaterThan(0.999);
    });

    if (training)
      test('300 updates end within 2 % of the loss of f32', async device => {
        const [wide, half] = [await lateLoss(device, 'f32', 300), await lateLoss(device, 'f16', 300)];
        expect(Math.abs(half / wide - 1), `f16 ${half}, f32 ${wide}`).toBeLessThan(0.02);
        expect(half).not.toBe(wide);
      });

    for (const Optimizer of [AdamW, Muon])
      test(`${Optimizer.name}: an overflow skips one update, all of it, and halves the scale; copies follow the weights`, async device => {
        const { model, optimizer, update, dispose } = setUp(device, {}, Optimizer);
        update();
        const before = {
          ...(await optimizer.save()),
          flat: await model.parameters.flat.read(),
          ...(await copiesOf(model)),
        };
        update(() => {
          model.parameters.get('decoder.block.0.mlp.in.weight').grad = device.full([8, 32], Infinity);
        });
        const after = {
          ...(await optimizer.save()),
          flat: await model.parameters.flat.read(),
          ...(await copiesOf(model)),
        };
        for (const name of ['m', 'v', 'flat', 'copy'] as const) expect(after[name]).toEqual(before[name]);
        expect([field(after, 'step'), field(after, 'skipped'), field(after, 'lossScale')]).toEqual([1, 1, 2 ** 14]);
        update();
        const last = { ...(await optimizer.save()), ...(await copiesOf(model)) };
        expect([field(last, 'step'), field(last, 'skipped'), field(last, 'lossScale')]).toEqual([2, 1, 2 ** 14]);
        expect(last.copy).not.toEqual(before.copy);
        last.copy.forEach((value, i) => {
          const want = last.weights[i]!;
          expect(Math.abs(value - want)).toBeLessThanOrEqual(2 ** -10 * Math.abs(want) + 2 ** -24);
        });
        dispose();
      });

    test('a scale that is too large for f16 comes down by itself', async device => {
      const { optimizer, update, dispose } = setUp(device, { lossScaling: { initial: 2 ** 40, maximum: 2 ** 40 } });
      for (let step = 0; step < 32; step++) update();
      const saved = await optimizer.save();
      const skipped = field(saved, 'skipped');
      expect(skipped).toBeGreaterThan(0);
      expect(skipped).toBeLessThan(32);
      expect([field(saved, 'step'), field(saved, 'lossScale')]).toEqual([32 - skipped, 2 ** (40 - skipped)]);
      dispose();
    });

    test('the scale doubles after enough good updates, and stops at its maximum', async device => {
      const lossScaling = { initial: 1024, growthInterval: 3, maximum: 4096 };
      const { optimizer, update, dispose } = setUp(device, { lossScaling });
      const scales: number[] = [];
      for (let step = 0; step < 10; step++) {
        update();
        scales.push(field(await optimizer.save(), 'lossScale'));
      }
      expect(scales).toEqual([1024, 1024, 2048, 2048, 2048, 4096, 4096, 4096, 4096, 4096]);
      dispose();
    });

    for (const Optimizer of [AdamW, Muon])
      test(`${Optimizer.name} goes on from a checkpoint, scale included, as if it had not been stopped`, async device => {
        const options = { lossScaling: { initial: 1024, growthInterval: 2 } };
        const straight = setUp(device, options, Optimizer);
        for (let step = 0; step < 3; step++) straight.update();
        const { m, v, state } = await straight.optimizer.save();
        const file = encodeCheckpoint({
          config: straight.model.config,
          parameters: await straight.model.parameters.save(),
          optimizer: new Map([
            ['m', m],
            ['v', v],
            ['state', state],
          ]),
          metadata: {},
        });
        const checkpoint = decodeCheckpoint(file);
        const resumed = setUp(device, options, Optimizer);
        await resumed.model.parameters.load(checkpoint.parameters);
        const tensor = (name: string) => checkpoint.optimizer.get(name)!;
        resumed.optimizer.load({ m: tensor('m'), v: tensor('v'), state: tensor('state') });
        for (const run of [straight, resumed]) for (let step = 0; step < 2; step++) run.update();
        expect(await resumed.optimizer.save()).toEqual(await straight.optimizer.save());
        expect(await resumed.model.parameters.flat.read()).toEqual(await straight.model.parameters.flat.read());
        expect(field(await resumed.optimizer.save(), 'lossScale')).toBe(4096);
        // the file is as good for f32
        const wide = await loadModel(device, checkpoint);
        expect(wide.precision).toBe('f32');
        for (const run of [straight, resumed]) run.dispose();
        wide.dispose();
      });

    test('generates, from a frozen copy too, what f32 would, but for near ties', async device => {
      const wide = randomModel(device, 3, { trainable: false });
      const half = randomModel(device, 3, { precision: 'f16' });
      const copy = await half.frozenCopy();
      expect([copy.precision, copy.computeDType, copy.dtype]).toEqual(['f16', 'f16', 'f32']);
      const prompts = examples.filter(({ image }) => !image).map(({ prompt }) => prompt as number[]);
      const options = { maxTokens: 6, temperature: 0, seed: 1, stream: 1, step: 0 };
      const [fromWide, fromHalf, fromCopy] = await Promise.all([]).then(async () => [
        await generate(wide, prompts, options),
        await generate(half, prompts, options),
        await generate(copy, prompts, options),
      ]);
      expect(fromCopy).toEqual(fromHalf);
      const same = prompts.filter((_, i) => fromHalf![i]![0] === fromWide![i]![0]).length;
      expect(same).toBeGreaterThanOrEqual(prompts.length - 1);
      for (const model of [wide, half, copy]) model.dispose();
    });
  });
}
