import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { add, describeDevice, Device, openDevice, SequenceTable, square, sum } from '../../core/index.js';
import { CpuBackend } from '../../core/backends/cpu.js';
import type { Tensor } from '../../core/index.js';
import { kernels } from '../../kernels/index.js';

let wasm: Device;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
});
afterAll(() => wasm.close());

const newCpu = () => new Device(new CpuBackend());

describe('the pool', () => {
  it('wastes at most an eighth (256 bytes for small tensors), and reuses what has been freed', () => {
    const device = newCpu();
    for (let elements = 1; elements < 3000; elements = Math.ceil(elements * 1.07)) {
      const before = device.memory().liveBytes;
      device.empty([elements]);
      const bytes = device.memory().liveBytes - before;
      expect(bytes).toBeGreaterThanOrEqual(4 * elements);
      expect(bytes - 4 * elements).toBeLessThan(Math.max(256, (4 * elements) / 8 + 1));
    }
    const a = device.empty([1000]);
    device.free(a);
    const { allocations, pooledBytes } = device.memory();
    expect(pooledBytes).toBeGreaterThanOrEqual(4000);
    const b = device.empty([990]); // the same class
    expect(device.memory()).toMatchObject({ allocations, pooledBytes: 0 });
    device.free(b);
    device.free(b); // again: nothing happens
    device.free(a);
    expect(device.memory().pooledBytes).toBe(pooledBytes);
    device.trim();
    expect(device.memory().pooledBytes).toBe(0);
    device.empty([1000]);
    expect(device.memory().allocations).toBe(allocations + 1);
  });

  it('counts live buffers, bytes and their peak; views are not counted', () => {
    const device = newCpu();
    const x = device.zeros([64]);
    x.view([8, 8]);
    expect(device.memory()).toMatchObject({ liveBuffers: 1, liveBytes: 256, peakBytes: 256 });
    device.scope(() => {
      for (let i = 0; i < 3; i++) device.zeros([64]);
    });
    expect(device.memory()).toMatchObject({ liveBuffers: 1, liveBytes: 256, peakBytes: 1024 });
  });

  it('never hands memory to two tensors at once', async () => {
    const tensors = Array.from({ length: 20 }, (_, i) => wasm.full([50], i));
    for (let i = 0; i < 20; i += 2) wasm.free(tensors[i]!);
    const others = Array.from({ length: 20 }, (_, i) => wasm.full([50], 100 + i));
    for (let i = 1; i < 20; i += 2) expect(new Set(await tensors[i]!.read())).toEqual(new Set([i]));
    for (const [i, tensor] of others.entries()) expect(new Set(await tensor.read())).toEqual(new Set([100 + i]));
  });
});

describe('scopes', () => {
  it('keep takes a tensor out of all of them, and free puts it back at once', async () => {
    const device = newCpu();
    const kept = device.scope(() => device.scope(() => [device.keep(device.full([2], 3))]))[0]!;
    expect(Array.from(await kept.read())).toEqual([3, 3]);
    device.free(kept);
    expect(device.memory().liveBuffers).toBe(0);
  });

  it('a result may be a tensor, an array or an object of them, however nested; a view keeps its storage', async () => {
    const device = newCpu();
    const result = device.scope(() => ({
      list: [device.full([4], 1), { deep: device.full([4], 2).view([2]) }] as const,
      n: 3,
    }));
    expect(device.memory().liveBuffers).toBe(2);
    expect(Array.from(await result.list[1].deep.read())).toEqual([2, 2]);
  });

  it('use after the scope has ended is an error that names op, shape and remedy, for every way of use', async () => {
    let lost!: Tensor;
    wasm.scope(() => {
      lost = add(wasm.full([2, 3], 1), wasm.full([3], 1));
    });
    const message =
      /a tensor \[2, 3\] made by add is used after its memory was freed.*return it from the scope, or make it outside/;
    expect(() => square(lost)).toThrow(message);
    expect(() => wasm.write(lost, [1, 2, 3, 4, 5, 6])).toThrow(message);
    await expect(lost.read()).rejects.toThrow(message);
  });
});

describe('a device refuses', () => {
  it('dtypes that it has not, and says which it has and where f64 is', () => {
    expect(() => wasm.zeros([2], { dtype: 'f64' })).toThrow(
      /the wasm backend on .* has no f64; it offers f32, f16, i32 \(f64 exists on --device cpu\)/,
    );
  });

  it('values that do not fill a shape, shapes that are none, and buffers that are too large', () => {
    expect(() => wasm.tensor([1, 2, 3], [2, 2])).toThrow(/3 values do not fill shape \[2, 2\] \(4 elements\)/);
    expect(() => wasm.write(wasm.zeros([2]), [1])).toThrow(/1 values do not fill shape \[2\]/);
    expect(() => wasm.empty([2, -1])).toThrow(/\[2, -1\] is not a shape/);
    expect(() => wasm.empty([2, 1.5])).toThrow(/is not a shape/);
    expect(() => wasm.empty([2 ** 16, 2 ** 16])).toThrow(
      /\[65536, 65536\] of f32 needs \d+ bytes; the largest buffer .*use a smaller batch or preset/,
    );
  });

  it('tensors of another device', () => {
    const stranger = newCpu().full([2], 1);
    expect(() => add(wasm.full([2], 1), stranger)).toThrow(
      /a tensor of another device is used here; read it and make a new one/,
    );
  });

  it('item() of several numbers, and impossible sequences', async () => {
    await expect(wasm.zeros([2]).item()).rejects.toThrow(/item\(\) needs a tensor with one element, this one is \[2\]/);
    expect(await sum(wasm.full([3], 2)).item()).toBe(6);
    expect(() => new SequenceTable([{ length: 3, prefix: 4 }])).toThrow(/3 rows with a prefix of 4/);
    expect(() => new SequenceTable([{ length: -1, prefix: 0 }])).toThrow('a sequence of -1 rows');
  });
});

describe('a device', () => {
  it('holds f16 rounded to nearest, i32 exactly, and reads any part of its memory', async () => {
    expect(Array.from(await wasm.tensor([1 / 3, 65504, 1e6], [3], { dtype: 'f16' }).read())).toEqual([
      0.333251953125,
      65504,
      Infinity,
    ]);
    expect(Array.from(await wasm.tensor([2 ** 31 - 1, -5], [2], { dtype: 'i32' }).read())).toEqual([2 ** 31 - 1, -5]);
    const x = wasm.tensor(Array.from({ length: 100 }, (_, i) => i));
    expect(Array.from(await x.view([3, 2], [10, 3], 7).read())).toEqual([7, 10, 17, 20, 27, 30]);
  });

  it('launches no kernel without all of its parameters', () => {
    const kernel = kernels.find(({ name }) => name === 'binary_add')!; // its type says nothing about them
    const [a, b, y] = [1, 2, 3].map(value => wasm.full([4], value));
    expect(() => wasm.launch(kernel, { a: a!, b: b!, y: y! }, { m: 4 })).toThrow('binary_add needs n');
  });

  it('shows every launch to its observer', () => {
    const names: string[] = [];
    wasm.observer = ({ name }) => names.push(name);
    try {
      square(wasm.full([2], 1));
    } finally {
      wasm.observer = undefined;
    }
    square(wasm.full([2], 1));
    expect(names).toEqual(['unary_square']);
  });

  it('describes itself in one line', () => {
    const line = describeDevice(wasm.capabilities);
    expect(line).toMatch(/^wasm: .+\(.+\), 1 thread, f32 f16 i32; .*simd/);
    expect(line).not.toContain('\n');
  });
});
