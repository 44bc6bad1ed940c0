import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mul, openDevice, Parameters, Random, sum } from '../../core/index.js';
import type { Device, ParameterSpec } from '../../core/index.js';
import { cpu } from './devices.js';

let wasm: Device;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
});
afterAll(() => wasm.close());

const specs: ParameterSpec[] = [
  { name: 'a.weight', shape: [30, 65], group: 'matrix', init: { normal: 0.5 } },
  { name: 'a.bias', shape: [13], group: 'vector', init: { constant: 1 } },
  { name: 'b.weight', shape: [64], group: 'matrix', init: { normal: 2 } },
];

describe('Parameters', () => {
  it('lie by group in one flat buffer, each on a 256-byte boundary', () => {
    const parameters = new Parameters(cpu, specs);
    expect([...parameters.ranges]).toEqual([
      ['a.weight', { offset: 0, length: 1950 }],
      ['b.weight', { offset: 1984, length: 64 }],
      ['a.bias', { offset: 2048, length: 13 }],
    ]);
    expect([...parameters.groups]).toEqual([
      ['matrix', { offset: 0, length: 2048 }],
      ['vector', { offset: 2048, length: 64 }],
    ]);
    expect(parameters.flat.shape).toEqual([2112]);
    expect(parameters.count).toBe(2027);
  });

  it('are drawn from their distribution, the same on every device, with zeros between them', async () => {
    const [onCpu, onWasm] = [cpu, wasm].map(device => new Parameters(device, specs));
    for (const parameters of [onCpu!, onWasm!]) parameters.initialize(new Random(3));
    const flat = await onCpu!.flat.read();
    expect(await onWasm!.flat.read()).toEqual(flat);
    const weight = flat.subarray(0, 1950);
    expect(Math.sqrt(Array.from(weight).reduce((total, w) => total + w ** 2, 0) / 1950)).toBeCloseTo(0.5, 1);
    expect(Array.from(flat.subarray(2048, 2061))).toEqual(new Array(13).fill(1));
    expect(flat.subarray(1950, 1984).every(value => value === 0)).toBe(true);
  });

  it('are views: what is written to the flat buffer is read by name, and gradients arrive by name', async () => {
    const parameters = new Parameters(wasm, specs);
    await parameters.load(new Map([['a.bias', Array.from({ length: 13 }, (_, i) => i)]]));
    const bias = parameters.get('a.bias');
    sum(mul(bias, bias)).backward();
    expect(Array.from(await bias.grad!.read())).toEqual(Array.from({ length: 13 }, (_, i) => 2 * i));
    parameters.clearGradients();
    expect(bias.grad).toBeUndefined();
    expect(new Parameters(wasm, specs, { trainable: false }).get('a.bias').requiresGrad).toBe(false);
  });

  it('come back from save and load; others keep their values', async () => {
    const parameters = new Parameters(cpu, specs);
    parameters.initialize(new Random(3));
    const saved = await parameters.save();
    const other = new Parameters(cpu, specs);
    await other.load(saved);
    expect(await other.save()).toEqual(saved);
    await other.load(new Map([['a.bias', new Float32Array(13).fill(7)]]));
    const changed = await other.save();
    expect(changed.get('a.weight')).toEqual(saved.get('a.weight'));
    expect(changed.get('a.bias')).toEqual(new Float32Array(13).fill(7));
  });

  it('refuse unknown names, wrong sizes and doubles', async () => {
    const parameters = new Parameters(cpu, specs);
    expect(() => parameters.get('a.wait')).toThrow(/no parameter a.wait; there are a.weight, b.weight, a.bias/);
    await expect(parameters.load(new Map([['c', [1]]]))).rejects.toThrow(/no parameter c; there are/);
    await expect(parameters.load(new Map([['a.bias', [1]]]))).rejects.toThrow(/a.bias has 13 values, 1 were given/);
    expect(() => new Parameters(cpu, [...specs, specs[0]!])).toThrow(/two parameters are called a.weight/);
  });
});
