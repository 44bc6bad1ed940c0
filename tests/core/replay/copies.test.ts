/** Copies that a recorded step does without, and those that it must keep; always with the results of eager steps. */
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, add, Device, linear, mul, Parameters, Random, Recorder, square, sum } from '../../../core/index.js';
import type { ParameterSpec, Tensor } from '../../../core/index.js';
import { CpuBackend } from '../../../core/backends/cpu.js';
import { assign } from '../../../core/primitives.js';
import { always, Trainee } from './recorder.js';

const device = new Device(new CpuBackend(), { checks: true });
afterAll(() => device.close());

/** 64 elements of f32: what one parameter may lie behind another. */
const width = 64;

/**
 * Runs steps eagerly and recorded, each way on memory of its own that begins as zeros, and compares all they leave behind. Returns the
 * kernels of the plan, in order.
 */
async function recorded(step: (x: Tensor, memory: Tensor) => { readonly y: Tensor }): Promise<string[]> {
  const run = async (enabled: boolean) => {
    const memory = device.zeros([4 * width]);
    const recorder = new Recorder(device, { enabled });
    const seen: number[] = [];
    for (let i = 0; i < 5; i++) {
      const values = Float32Array.from({ length: width }, (_, k) => Math.sin(k + i));
      await device.scope(async () => {
        const { y } = recorder.run('a', { x: { values } }, ({ x }) => step(x, memory));
        seen.push(...(await y.read()), ...(await memory.read()));
      });
    }
    const kernels = [...recorder.plans().values()].flatMap(({ launches }) => launches.map(({ kernel }) => kernel.name));
    recorder.dispose();
    device.free(memory);
    return { seen, kernels };
  };
  const [eager, replayed] = [await run(false), await run(true)];
  expect(eager.seen.every(value => Number.isFinite(value))).toBe(true);
  expect(replayed.seen).toEqual(eager.seen);
  return replayed.kernels;
}

const part = (memory: Tensor, k: number, length = width) => memory.view([length], [1], k * width);

describe('a copy into memory from outside', () => {
  it('is left out: what it would copy is computed there', async () => {
    const kernels = await recorded((x, memory) => {
      assign(part(memory, 1), square(x));
      return { y: sum(memory) };
    });
    expect(kernels).toEqual(['unary_square', 'reduce_sum']);
  });

  it('is left out in pieces that stay side by side', async () => {
    const kernels = await recorded((x, memory) => {
      const both = add(x.view([1, width]), device.full([2, 1], 1));
      assign(part(memory, 1), both.view([width], [1], 0));
      assign(part(memory, 2), both.view([width], [1], width));
      return { y: sum(memory) };
    });
    expect(kernels).not.toContain('strided_write');
  });

  it('stays where the pieces part, or are copied twice', async () => {
    const apart = await recorded((x, memory) => {
      const both = add(x.view([1, width]), device.full([2, 1], 1));
      assign(part(memory, 2), both.view([width], [1], 0));
      assign(part(memory, 0), both.view([width], [1], width));
      return { y: sum(memory) };
    });
    expect(apart.filter(name => name === 'strided_write')).toHaveLength(2);
    const twice = await recorded((x, memory) => {
      const y = square(x);
      assign(part(memory, 0), y);
      assign(part(memory, 3), y);
      return { y: sum(memory) };
    });
    expect(twice.filter(name => name === 'strided_write')).toHaveLength(2);
  });

  it('stays where what was there is needed before it comes', async () => {
    const kernels = await recorded((x, memory) => {
      const next = square(x);
      const y = add(next, part(memory, 1)); // of the step before
      assign(part(memory, 1), next);
      return { y };
    });
    expect(kernels).toContain('strided_write');
  });

  it('stays where two come to one place, one after the other', async () => {
    const kernels = await recorded((x, memory) => {
      const [first, second] = [square(x), mul(x, x)];
      assign(part(memory, 1), first);
      const y = sum(memory);
      assign(part(memory, 1), second);
      return { y };
    });
    expect(kernels.filter(name => name === 'strided_write')).toHaveLength(1);
  });

  it('stays where the temporary is part of the result, or used afterwards', async () => {
    const result = await recorded((x, memory) => {
      const y = square(x);
      assign(part(memory, 1), y);
      return { y };
    });
    expect(result).toContain('strided_write');
    const later = await recorded((x, memory) => {
      const y = square(x);
      assign(part(memory, 1), y);
      return { y: sum(y) };
    });
    expect(later).toContain('strided_write');
  });

  it('stays where only a part is copied, or to a place where no operand may begin', async () => {
    const half = await recorded((x, memory) => {
      assign(part(memory, 1, width / 2), square(x).view([width / 2]));
      return { y: sum(memory) };
    });
    expect(half).toContain('strided_write');
    const between = await recorded((x, memory) => {
      assign(memory.view([width], [1], width + 3), square(x));
      return { y: sum(memory) };
    });
    expect(between).toContain('strided_write');
  });

  it('stays where a launch would write one part of the memory and read another', async () => {
    const kernels = await recorded((x, memory) => {
      const first = square(x);
      const second = mul(first, first);
      assign(part(memory, 0), first);
      assign(part(memory, 1), second);
      return { y: sum(memory) };
    });
    expect(kernels.filter(name => name === 'strided_write')).toHaveLength(1);
  });
});

describe('gradients on their way to AdamW', () => {
  it('are computed in its memory', async () => {
    const trainee = new Trainee(device);
    const recorder = new Recorder(device);
    for (let step = 0; step < 3; step++) await trainee.step(recorder, step, always());
    const [plan] = [...recorder.plans().values()];
    const copies = plan!.launches.filter(({ kernel }) => kernel.name === 'strided_write');
    expect(copies).toHaveLength(1); // of 7: a norm of this width gets two gradients side by side, closer than parameters lie
    const [sums] = plan!.launches.filter(({ kernel }) => kernel.name === 'sum_squares');
    const products = plan!.launches.filter(({ kernel }) => kernel.name === 'matmul_tn');
    expect(products.map(({ operands }) => operands.at(-1)!.buffer)).toEqual(
      products.map(() => sums!.operands[0]!.buffer),
    );
    recorder.dispose();
  });

  const specs: ParameterSpec[] = ['a', 'b', 'c'].map(name => ({
    ...{ name, shape: [8, 8], group: name, init: { normal: 0.5 } },
  }));

  /** `a` is used twice, `b` once, `c` not at all; `b` is frozen from the fifth step on. */
  async function train(enabled: boolean) {
    const parameters = new Parameters(device, specs);
    parameters.initialize(new Random(3, 1));
    const optimizer = new AdamW(parameters);
    const recorder = new Recorder(device, { enabled });
    const bias = device.zeros([8]);
    const norms: number[] = [];
    for (let step = 0; step < 10; step++) {
      const groups = optimizer.setRates({ a: 0.01, b: step < 5 ? 0.02 : 0, c: 0.01 });
      const values = Float32Array.from({ length: 32 }, (_, k) => Math.cos(k + step));
      recorder.run(groups, { x: { values, shape: [4, 8] } }, ({ x }) => {
        const p = (name: string) => parameters.get(name);
        const y = linear(linear(linear(x, p('a'), bias), p('b'), bias), p('a'), bias);
        optimizer.backward(sum(square(y)));
        optimizer.update();
        return {};
      });
      norms.push((await optimizer.state.read())[3]!);
    }
    const kernels = [...recorder.plans().values()].map(({ launches }) => launches.map(({ kernel }) => kernel.name));
    const result = { norms, weights: Array.from(await parameters.flat.read()), kernels };
    recorder.dispose();
    return result;
  }

  it('add up where a parameter is used twice, are zero where it is not used, and do not count once it is frozen', async () => {
    const [eager, replayed] = [await train(false), await train(true)];
    expect(replayed.norms).toEqual(eager.norms);
    expect(replayed.weights).toEqual(eager.weights);
    expect(replayed.kernels).toHaveLength(2);
    for (const kernels of replayed.kernels) {
      expect(kernels.filter(name => name === 'strided_write')).toHaveLength(1); // the zeros of c
      expect(kernels).toContain('binary_add'); // the two of a
    }
    expect(eager.norms[5]).not.toBe(eager.norms[4]);
  });

  it('leave the norm of the others alone when a group is frozen', async () => {
    const parameters = new Parameters(device, specs);
    parameters.initialize(new Random(3, 1));
    const optimizer = new AdamW(parameters);
    const step = async (rates: Readonly<Record<string, number>>) => {
      device.scope(() => {
        optimizer.backward(add(sum(square(parameters.get('a'))), sum(square(parameters.get('b')))));
        optimizer.step(rates);
      });
      return (await optimizer.state.read())[3]!;
    };
    const values = Array.from(await parameters.flat.read());
    const norm = (from: readonly number[]) => 2 * Math.hypot(...from);
    expect(await step({ a: 1e-30, b: 1e-30 })).toBeCloseTo(norm(values.slice(0, 128)), 4);
    expect(await step({ a: 1e-30 })).toBeCloseTo(norm(values.slice(0, 64)), 4);
    expect(await step({ b: 1e-30 })).toBeCloseTo(norm(values.slice(64, 128)), 4);
  });
});
