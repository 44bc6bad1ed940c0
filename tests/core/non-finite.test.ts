import { afterAll, describe, expect, it } from 'vitest';
import { CpuBackend } from '../../core/backends/cpu.js';
import { add, allFinite, Device, firstNonFinite, layerNorm, mul, openDevice, reshape, sum } from '../../core/index.js';
import type { Tensor } from '../../core/index.js';
import { cpu } from './devices.js';
import { expectChecksChangeNothing } from './checks.js';

const wasm = await openDevice('wasm', { threads: 1 });
afterAll(() => wasm.close());

describe.each([cpu, wasm])('the first number that is not finite on $capabilities.backend', device => {
  const dtypes = (['f64', 'f32', 'f16'] as const).filter(dtype => device.capabilities.dtypes.includes(dtype));

  it.each(dtypes)('is found in %s, with the op that made it and what it read', async dtype => {
    const made = (values: number[]) => device.tensor(values, [values.length], { dtype });
    const small = made([1, 2, 3]);
    const { found, result } = await firstNonFinite(device, () => {
      const y = mul(add(small, small), made([1, Infinity, 1]));
      return Promise.resolve(sum(y));
    });
    expect(found).toMatchObject({ op: 'mul', kernel: 'binary_mul', buffer: 'y', shape: [3], dtype });
    expect(found!.inputs.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(await result.item()).toBe(Infinity);
    expect(device.resultObserver).toBeUndefined();
  });

  it('is none where all are, however large', async () => {
    const { found } = await firstNonFinite(device, () =>
      Promise.resolve(add(device.full([5000], -1e30), device.full([5000], 3e38))),
    );
    expect(found).toBeUndefined();
  });

  it('is found in gradients and by name, and behind waits', async () => {
    const x = device.tensor([0, 1], [1, 2]).trainable();
    const gain = device.tensor([1, 1]);
    const { found } = await firstNonFinite(device, async () => {
      const y = sum(mul(layerNorm(x, gain, device.tensor([0, 0])), device.tensor([1e38, 1e38], [1, 2])));
      await y.item();
      const g = device.tensor([1e38]);
      reshape(y, [1]).backward({ grad: g });
    });
    expect(found?.op).toMatch(/^gradient of /);
  });

  it('does not keep memory', async () => {
    const before = device.memory();
    const body = () => device.scope(() => Promise.resolve(void add(device.zeros([4]), device.zeros([4]))));
    await firstNonFinite(device, body);
    expect(device.memory().liveBuffers).toBe(before.liveBuffers);
  });
});

it('numbers are all finite or not', () => {
  expect(allFinite(Float32Array.of(1, -3e38))).toBe(true);
  expect(allFinite(Float32Array.of(1, NaN))).toBe(false);
  expect(allFinite(Float64Array.of(0, -Infinity))).toBe(false);
});

describe('a device with checks', () => {
  it('gives NaN to whoever reads what nobody wrote or what is gone', async () => {
    const device = new Device(new CpuBackend(), { checks: true });
    expect([...(await device.empty([3]).read())]).toEqual([NaN, NaN, NaN]);
    expect([...(await device.empty([2], 'i32').read())]).toEqual([-1, -1]);
    const kept = device.tensor([1, 2]);
    const { allocation } = kept.storage;
    device.free(kept);
    const bytes = await device.backend.read(allocation!, 0, 8);
    expect([...new Float32Array(bytes)]).toEqual([NaN, NaN]);
    device.tensor([1, 2]); // takes the memory back
    expect([...(await device.empty([2]).read())]).toEqual([NaN, NaN]);
  });

  it('refuses an op whose result has not the shape that its rule says', async () => {
    const { applyOp, defineOp } = await import('../../core/index.js');
    const wrong = defineOp<[x: Tensor]>({
      name: 'wrong',
      shape: () => [3],
      forward: ([x]) => ({ output: add(x, x) }),
      gradient: () => [undefined],
      tolerance: 0,
      example: () => ({ inputs: [{ shape: [2] }], attributes: {} }),
    });
    const device = new Device(new CpuBackend(), { checks: true });
    expect(() => applyOp(wrong, [device.zeros([2])], {})).toThrow(/wrong made \[2\]; its shape rule says \[3\]/);
  });

  it('trains to the same bits: nobody reads what nobody wrote', async () => {
    await expectChecksChangeNothing(() => Promise.resolve(new CpuBackend()));
  });
});
