import { afterEach, describe, expect, it } from 'vitest';
import { add, matmul, mul, noGrad, relu, reshape, slice, square, sum, transpose } from '../../core/index.js';
import type { Tensor } from '../../core/index.js';
import { cpu } from './devices.js';

const leaf = (values: number[], shape = [values.length]) => cpu.tensor(values, shape, { dtype: 'f64' }).trainable();
const grad = async (x: Tensor) => [...(await x.grad!.read())];

describe('backward', () => {
  it('adds up over shared subgraphs', async () => {
    const x = leaf([3]);
    const y = square(x); // used twice
    sum(add(mul(y, y), y)).backward(); // x^4 + x^2
    expect(await grad(x)).toEqual([4 * 27 + 6]);
  });

  it('adds to a gradient that is already there', async () => {
    const x = leaf([3]);
    sum(square(x)).backward();
    sum(square(x)).backward();
    expect(await grad(x)).toEqual([12]);
  });

  it('refuses a second pass over a freed graph, allows it with retain', async () => {
    const x = leaf([3]);
    const loss = sum(square(x));
    loss.backward();
    expect(() => {
      loss.backward();
    }).toThrow(/retain/);
    const y = leaf([3]);
    const kept = sum(square(y));
    kept.backward({ retain: true });
    kept.backward();
    expect(await grad(y)).toEqual([12]);
  });

  it('leaves unused branches and constants without a gradient', async () => {
    const x = leaf([2]);
    const unused = leaf([5]);
    const constant = cpu.tensor([7], [1], { dtype: 'f64' });
    void square(unused);
    sum(mul(x, constant)).backward();
    expect(await grad(x)).toEqual([7]);
    expect(unused.grad).toBeUndefined();
    expect(constant.grad).toBeUndefined();
  });

  it('needs a scalar or a gradient, and history', async () => {
    const x = leaf([1, 2]);
    expect(() => {
      square(x).backward();
    }).toThrow(/one number/);
    expect(() => {
      x.backward();
    }).toThrow(/leaf/);
    expect(() => {
      sum(cpu.tensor([1])).backward();
    }).toThrow(/history/);
    square(x).backward({ grad: cpu.tensor([1, 10], [2], { dtype: 'f64' }) });
    expect(await grad(x)).toEqual([2, 40]);
  });

  it('stops at noGrad and detach', () => {
    const x = leaf([1]);
    expect(noGrad(() => square(x)).node).toBeUndefined();
    expect(square(x.detach()).node).toBeUndefined();
    expect(square(x).node).toBeDefined();
  });

  it('goes through views', async () => {
    const x = leaf([1, 2, 3, 4, 5, 6], [2, 3]);
    const y = slice(transpose(x), 0, 1, 3); // columns 1 and 2 as rows
    expect([...(await y.read())]).toEqual([2, 5, 3, 6]);
    sum(mul(reshape(y, [4]), cpu.tensor([1, 10, 100, 1000], [4], { dtype: 'f64' }))).backward();
    expect(await grad(x)).toEqual([0, 1, 100, 0, 10, 1000]);
  });
});

describe('memory', () => {
  afterEach(() => {
    cpu.trim();
  });

  it('a scope frees what was made in it and keeps what it returns', async () => {
    const before = cpu.memory().liveBuffers;
    const kept = cpu.scope(() => {
      const x = leaf([1, 2, 3]);
      return { result: [relu(square(x))] };
    });
    expect(cpu.memory().liveBuffers).toBe(before + 1);
    expect([...(await kept.result[0]!.read())]).toEqual([1, 4, 9]);
    cpu.free(kept.result[0]!);
    expect(cpu.memory().liveBuffers).toBe(before);
  });

  it('frees on errors and in async scopes, and nests', async () => {
    const before = cpu.memory().liveBuffers;
    expect(() =>
      cpu.scope(() => {
        leaf([1]);
        throw new Error('broken');
      }),
    ).toThrow('broken');
    const value = await cpu.scope(async () => {
      const outer = leaf([2]);
      const inner = cpu.scope(() => square(outer));
      return (await inner.read())[0];
    });
    expect(value).toBe(4);
    expect(cpu.memory().liveBuffers).toBe(before);
  });

  it('use after free names the op and the remedy', () => {
    const lost = cpu.scope(() => {
      const x = square(leaf([1]));
      return () => square(x);
    });
    expect(lost).toThrow(/square.*scope that has ended/s);
  });

  it('stays flat over 50 training steps', () => {
    const w = cpu.keep(leaf([1, 2, 3, 4], [2, 2]));
    const step = () => {
      cpu.scope(() => {
        sum(square(matmul(w, w))).backward();
      });
      w.grad = undefined;
      return cpu.memory();
    };
    const first = step();
    for (let i = 0; i < 49; i++) expect(step()).toEqual(first);
    cpu.free(w);
  });
});
