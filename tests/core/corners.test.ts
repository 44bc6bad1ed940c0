/** Corners of the engine on cpu and wasm, see core/RULES.md; corners.gpu.test.ts has them on webgpu. */
import { describe, expect, it } from 'vitest';
import * as core from '../../core/index.js';
import { cpu } from './devices.js';
import { describeCorners } from './corners.js';

describeCorners('cpu', () => core.openDevice('cpu'));
describeCorners('wasm', () => core.openDevice('wasm', { threads: 1 }));
describeCorners('wasm, two threads', () => core.openDevice('wasm', { threads: 2 }));

const ones = (...shape: number[]) => cpu.full(shape, 1);
const parameters = () => new core.Parameters(cpu, [{ name: 'w', shape: [2], group: 'all', init: { constant: 0 } }]);
const matrices = (changes: Partial<core.ParameterSpec>) =>
  new core.Parameters(cpu, [{ name: 'w', shape: [2, 4], group: 'all', init: { constant: 0 }, ...changes }]);
const stateOfAdamW = await new core.AdamW(matrices({})).save();

describe('refused by name', () => {
  const cases: [string, () => unknown, RegExp][] = [
    ['max over nothing', () => core.max(ones(3, 0), 1), /max: \[3, 0\] has no elements along \[1\]/],
    ['max of nothing', () => core.max(ones(0)), /no largest/],
    ['reshape to negative sizes', () => core.reshape(ones(6), [-2, -3]), /\[-2, -3\] is not a shape/],
    ['reshape to fractions', () => core.reshape(ones(6), [1.5, 4]), /\[1.5, 4\] is not a shape/],
    ['permute by a fraction', () => core.permute(ones(2, 3), [0.5, 1]), /\[0.5, 1\] is not an order/],
    ['permute by NaN', () => core.permute(ones(2, 3), [NaN, 1]), /is not an order/],
    ['an async noGrad', () => core.noGrad(() => Promise.resolve()), /noGrad\(\) takes no async function/],
    [
      'linear without a bias',
      () => core.linear(ones(2, 3), ones(3, 2), undefined as never),
      /linear: there is no bias/,
    ],
    ['eps', () => core.layerNorm(ones(2, 3), ones(3), ones(3), { eps: NaN }), /layerNorm: eps is NaN/],
    ['half a row', () => new core.SequenceTable([{ length: 1.5, prefix: 0 }]), /a sequence of 1.5 rows/],
    ['2^31 as an index', () => cpu.tensor([0, 2 ** 31], [2], { dtype: 'i32' }), /2147483648 at place 1 is no whole/],
    ['an index below -2^31', () => cpu.tensor([-(2 ** 31) - 1], [1], { dtype: 'i32' }), /-2147483649 at place 0 is no/],
    ['infinity as an index', () => cpu.tensor([Infinity], [1], { dtype: 'i32' }), /Infinity at place 0 is no whole/],
    ['unsigned indices', () => cpu.tensor(Uint32Array.of(2 ** 32 - 1), [1], { dtype: 'i32' }), /4294967295 at place 0/],
    ['2^31 over old indices', () => cpu.write(cpu.zeros([1], { dtype: 'i32' }), [2 ** 31]), /2147483648 at place 0/],
    ['a fraction as an index', () => cpu.tensor([0, 1.5], [2], { dtype: 'i32' }), /1.5 at place 1 is no whole number/],
    ['NaN as an index', () => cpu.tensor([NaN], [1], { dtype: 'i32' }), /NaN at place 0/],
    ['seed NaN', () => new core.Random(NaN), /seed is NaN; it must be a whole number from 0 to 4294967295/],
    ['seed -1', () => new core.Random(-1), /seed is -1/],
    ['seed 2^32', () => new core.Random(2 ** 32), /seed is 4294967296/],
    ['stream 0.5', () => new core.Random(1, 0.5), /stream is 0.5/],
    ['step -1', () => new core.Random(1, 0, -1), /step is -1/],
    [
      'growthInterval',
      () => new core.AdamW(parameters(), { lossScaling: { growthInterval: NaN } }),
      /growthInterval is NaN/,
    ],
    ['initial scale', () => new core.AdamW(parameters(), { lossScaling: { initial: NaN } }), /initial is NaN/],
    ['initial scale 0', () => new core.AdamW(parameters(), { lossScaling: { initial: 0 } }), /initial is 0/],
    [
      'initial above maximum',
      () => new core.AdamW(parameters(), { lossScaling: { initial: 16, maximum: 8 } }),
      /initial is 16/,
    ],
    ['beta', () => new core.AdamW(parameters(), { beta1: 1 }), /beta1 is 1/],
    ['weight decay', () => new core.AdamW(parameters(), { weightDecay: NaN }), /weightDecay is NaN/],
    ['noDecay', () => new core.AdamW(parameters(), { noDecay: ['al'] }), /noDecay names group al; there are all/],
    ['momentum', () => new core.Muon(matrices({ muonParts: 1 }), { momentum: 1 }), /Muon: momentum is 1; it must be/],
    ['matrixRate', () => new core.Muon(matrices({ muonParts: 1 }), { matrixRate: NaN }), /Muon: matrixRate is NaN/],
    ['Muon without matrices', () => new core.Muon(parameters()), /Muon: no parameter has muonParts/],
    [
      'Muon on a vector',
      () => new core.Muon(matrices({ shape: [4], muonParts: 1 })),
      /Muon: w is \[4\] with muonParts 1/,
    ],
    ['Muon on nothing', () => new core.Muon(matrices({ shape: [0, 4], muonParts: 1 })), /Muon: w is \[0, 4\]/],
    ['parts of a column', () => new core.Muon(matrices({ muonParts: 3 })), /Muon: w is \[2, 4\] with muonParts 3/],
    ['no parts', () => new core.Muon(matrices({ muonParts: 0 })), /with muonParts 0; it takes matrices/],
    ['NaN parts', () => new core.Muon(matrices({ muonParts: NaN })), /with muonParts NaN/],
    [
      'Muon for a state of AdamW',
      () => new core.Muon(matrices({ muonParts: 1 })).load(stateOfAdamW),
      /Muon: the state has 64 first and 64 second moments, not 64 and 0: it is that of another optimiser/,
    ],
    ['a rate of NaN', () => new core.AdamW(parameters()).step({ all: NaN }), /learning rate: all is NaN/],
    ['a negative rate', () => new core.AdamW(parameters()).step({ all: -1 }), /learning rate: all is -1/],
    ['a rate of no group', () => new core.AdamW(parameters()).step({ other: 1 }), /a learning rate names group other/],
  ];
  it.each(cases)('%s', (_, call, message) => {
    expect(call).toThrow(message);
  });

  it.each(['cpu', 'wasm'] as const)('a device that was closed: %s', async name => {
    const device = await core.openDevice(name);
    const x = device.full([2], 1);
    await device.close();
    for (const call of [() => device.full([1], 0), () => core.exp(x), () => device.write(x, [1, 2])])
      expect(call).toThrow(/this device was closed/);
    await expect(x.read()).rejects.toThrow(/this device was closed/);
    await expect(device.finish()).rejects.toThrow(/this device was closed/);
  });
});

describe('gradients at leaves', () => {
  const read = async (x: core.Tensor | undefined) => Array.from(await x!.read());

  it('share memory with no other', async () => {
    const [x, y] = [ones(3).trainable(), ones(3).trainable()];
    const g = cpu.tensor([1, 2, 3]);
    core.add(x, y).backward({ grad: g });
    cpu.write(g, [7, 7, 7]);
    expect(await read(x.grad)).toEqual([1, 2, 3]);
    cpu.write(x.grad!, [8, 8, 8]);
    expect(await read(y.grad)).toEqual([1, 2, 3]);
    cpu.free(x.grad!);
    expect(await read(y.grad)).toEqual([1, 2, 3]);
    expect(await read(g)).toEqual([7, 7, 7]);
  });

  it.each<[string, (x: core.Tensor, y: core.Tensor) => core.Tensor]>([
    ['concat', (x, y) => core.concat([x, y])],
    ['reshape', x => core.reshape(x, [3, 1])],
    ['sum', (x, y) => core.sum(core.concat([x, y]))],
    ['the same leaf twice', (x, y) => core.add(core.add(x, x), y)],
    ['cast', (x, y) => core.cast(core.add(x, y), 'f32')],
    ['broadcast', (x, y) => core.add(core.broadcastTo(x, [2, 3]), y)],
  ])('of %s can be written and freed', async (_, f) => {
    const [x, y] = [ones(3).trainable(), ones(3).trainable()];
    const z = f(x, y);
    const g = cpu.full(z.shape, 2);
    z.backward({ grad: g });
    const wanted = y.grad && (await read(y.grad));
    cpu.write(x.grad!, [5, 6, 7]);
    cpu.free(x.grad!);
    cpu.free(g);
    cpu.full([64], 9);
    if (y.grad) expect(await read(y.grad)).toEqual(wanted);
  });
});

describe('loss scale', () => {
  it('falls after an overflow where it never grows', async () => {
    const p = parameters();
    const optimizer = new core.AdamW(p, { lossScaling: { initial: 1024, growthInterval: 0 } });
    for (const [slope, scale] of [
      [1, 1024],
      [Infinity, 512],
      [1, 512],
      [NaN, 256],
    ] as const) {
      p.get('w').grad = cpu.full([2], slope);
      optimizer.step({ all: 0.1 });
      expect((await optimizer.state.read())[core.stateFields.indexOf('lossScale')]).toBe(scale);
    }
  });
});
