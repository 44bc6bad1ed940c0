import { describe, expect, it } from 'vitest';
import { miniatureConfig as miniatureRun, runMiniature } from '../../../bench/soak/miniature.js';
import { openWasmBackend } from '../../../core/backends/wasm/wasm.js';
import { AdamW, Device, matmul, openDevice, Parameters, sum } from '../../../core/index.js';
import { cpu } from '../../core/devices.js';
import { randomModel } from '../../models/miniature.js';
import { heldOutGroups, loadPlanner, resolveConfig } from '../../../mgsd/index.js';
import { configFrom } from '../../../mgsd/cli/run-choice.js';
import { useTemporaryFolder } from '../temporary.js';
import { describePrecision } from './precision.js';

const temporary = useTemporaryFolder();

describePrecision('mixed precision on cpu', () => openDevice('cpu'), { training: false });
describePrecision('mixed precision on wasm', () => openDevice('wasm', { threads: 1 }));

describe('mixed precision is refused', () => {
  it('without loss scaling', () => {
    const model = randomModel(cpu, 3, { precision: 'f16' });
    expect(() => new AdamW(model.parameters, { lossScaling: false })).toThrow('training in f16 needs loss scaling');
    model.dispose();
    const w = cpu.tensor([1, 2], [2, 1], { dtype: 'f16' }).trainable();
    const loss = () => sum(matmul(cpu.tensor([3, 4], [1, 2], { dtype: 'f16' }), w, { dtype: 'f32' }));
    expect(() => loss().backward()).toThrow(/f16 weights, whose gradients vanish.*optimizer\.backward\(loss\)/);
    const lossScale = cpu.tensor([8], []);
    expect(() => loss().backward({ lossScale, grad: lossScale })).toThrow('do not go together');
    loss().backward({ lossScale });
    expect(w.grad?.dtype).toBe('f32');
  });

  it('with f64 weights, and for groups that are not there', () => {
    expect(() => randomModel(cpu, 3, { precision: 'f16', dtype: 'f64' })).toThrow('needs f32 weights, not f64');
    const specs = [{ name: 'w', shape: [2], group: 'matrix', init: { constant: 1 } }];
    expect(() => new Parameters(cpu, specs, { halfGroups: ['matrices'] })).toThrow(
      'no group matrices to keep in f16; there are matrix',
    );
  });
});

it('without f16 on the device a run says so, and takes the steps of a run in f32', async () => {
  const backend = await openWasmBackend({ threads: 1 });
  const capabilities = { ...backend.capabilities, dtypes: ['f32', 'i32'] as const };
  const device = new Device(Object.defineProperty(backend, 'capabilities', { value: capabilities }));
  const losses: (number | undefined)[] = [];
  const notes: string[] = [];
  const observer = {
    onNote: (note: string) => notes.push(note),
    onStep: ({ metrics }: { metrics: Readonly<Record<string, number>> }) => losses.push(metrics['loss']),
  };
  for (const precision of ['f16', 'f32'] as const) {
    const config = miniatureRun({ precision, stages: ['stage0'] });
    await runMiniature(device, temporary.file(precision), { config, observer });
  }
  expect(notes.filter(note => note.includes('f16'))).toEqual([
    expect.stringMatching(/has no f16 \(shader-f16\): this run computes in f32$/),
  ]);
  expect(losses.slice(0, losses.length / 2)).toEqual(losses.slice(losses.length / 2));
  await device.close();
});

describe('--precision', () => {
  it('goes into the configuration of a run, over the preset and the file', () => {
    expect(configFrom({}).precision).toBe('f32');
    expect(configFrom({ precision: 'f16' }).precision).toBe('f16');
    expect(configFrom({ set: ['precision=f16'], precision: 'f32' }).precision).toBe('f32');
    expect(() => configFrom({ set: ['precision=f8'] })).toThrow('precision');
  });
});

describe('an optimiser without loss scaling', () => {
  it('reads a state that had one, and one from before there was any', async () => {
    const parameters = new Parameters(cpu, [{ name: 'w', shape: [2], group: 'g', init: { constant: 1 } }]);
    const optimizer = new AdamW(parameters);
    const { m, v, state } = await optimizer.save();
    optimizer.load({ m, v, state: Float32Array.from([...state.subarray(0, 7), 2 ** 15, 3]) });
    expect((await optimizer.save()).state).toEqual(state);
    optimizer.load({ m, v, state: state.subarray(0, 7) });
    expect((await optimizer.save()).state).toEqual(state);
  });
});

it('the model that comes with the package plans in f16 what it plans in f32', async () => {
  const config = resolveConfig('tiny', { evaluation: { puzzles: 8 } });
  const device = await openDevice('wasm', { threads: 1 });
  const puzzles = heldOutGroups(config).flatMap(group => group.puzzles.slice(0, 4));
  const plansIn = async (precision: 'f32' | 'f16') => {
    const planner = await loadPlanner(undefined, { device, precision });
    const answers: string[] = [];
    for (const { world, instance } of puzzles)
      answers.push((await planner.plan(world.render(instance, planner.imageSize))).answer);
    await planner.close();
    return answers;
  };
  const [wide, half] = [await plansIn('f32'), await plansIn('f16')];
  const same = wide.filter((answer, i) => answer === half[i]).length;
  // a near tie may fall
  expect(same, `${half.join()} against ${wide.join()}`).toBeGreaterThanOrEqual(puzzles.length - 1);
  expect(new Set(wide).size).toBeGreaterThan(1);
  await device.close();
});
