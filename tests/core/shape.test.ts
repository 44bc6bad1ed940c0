import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broadcastTo, contiguousStrides, permute, Random, slice, sizeOf, sum, transpose } from '../../core/index.js';
import type { Tensor } from '../../core/index.js';
import { assign, binary, contiguous, sumTo } from '../../core/primitives.js';
import {
  broadcastShapes,
  broadcastStrides,
  collapseDimensions,
  isContiguous,
  normalizeAxis,
} from '../../core/shape.js';
import { cpu } from './devices.js';

const settings = { seed: 20260606, numRuns: 60 };
const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 });

/** A shape, and one that broadcasts to it: some dimensions 1, leading ones left out. */
const broadcastPair = shapes.chain(shape =>
  fc
    .record({
      shape: fc.constant(shape),
      ones: fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }),
      lead: fc.integer({ min: 0, max: shape.length }),
    })
    .map(({ shape, ones, lead }) => ({ shape, small: shape.map((n, k) => (ones[k] ? 1 : n)).slice(lead) })),
);

/** All index tuples of a shape, row-major. */
function* indices(shape: readonly number[]): Generator<number[]> {
  for (let i = 0; i < sizeOf(shape); i++) {
    const tuple: number[] = [];
    let rest = i;
    for (let k = shape.length - 1; k >= 0; k--) {
      tuple.unshift(rest % shape[k]!);
      rest = Math.floor(rest / shape[k]!);
    }
    yield tuple;
  }
}

const at = (tuple: readonly number[], strides: readonly number[]) =>
  tuple.reduce((sum, i, k) => sum + i * strides[k]!, 0);

function randomTensor(shape: readonly number[], seed = 1): Tensor {
  const random = new Random(seed);
  return cpu.tensor(
    Array.from({ length: sizeOf(shape) }, () => random.normal()),
    shape,
    { dtype: 'f64' },
  );
}

describe('broadcasting', () => {
  it('is symmetric, and a shape broadcasts with its own ones and missing dimensions to itself', () => {
    fc.assert(
      fc.property(broadcastPair, ({ shape, small }) => {
        expect(broadcastShapes(shape, small, 'test')).toEqual(shape);
        expect(broadcastShapes(small, shape, 'test')).toEqual(shape);
      }),
      settings,
    );
    expect(broadcastShapes([3, 1], [4], 'test')).toEqual([3, 4]);
    expect(() => broadcastShapes([2, 3], [2], 'add')).toThrow(/add: .*dimension -1 is 3 against 2/);
  });

  it('binary kernels read what the definition reads, also through views', async () => {
    const property = fc.asyncProperty(broadcastPair, fc.boolean(), async ({ shape, small }, swapped) => {
      const a = randomTensor(shape, 1);
      const b = randomTensor(small, 2);
      const [x, y] = swapped ? [b, a] : [a, b];
      const [av, bv] = [await a.read(), await b.read()];
      const strides = broadcastStrides(small, contiguousStrides(small), shape);
      const expected = [...indices(shape)].map((tuple, i) =>
        swapped ? bv[at(tuple, strides)]! - av[i]! : av[i]! - bv[at(tuple, strides)]!,
      );
      expect(Array.from(await binary('sub', x, y).read())).toEqual(expected);
      expect(Array.from(await contiguous(broadcastTo(b, shape)).read())).toEqual(
        [...indices(shape)].map(t => bv[at(t, strides)]!),
      );
    });
    await fc.assert(property, settings);
  });

  it('sumTo is the transpose of broadcastTo: <broadcast(x), y> = <x, sumTo(y)>', async () => {
    const property = fc.asyncProperty(broadcastPair, async ({ shape, small }) => {
      const x = randomTensor(small, 3);
      const y = randomTensor(shape, 4);
      const summed = sumTo(y, small);
      expect(summed.shape).toEqual(small);
      const left = await sum(binary('mul', contiguous(broadcastTo(x, shape)), y)).item();
      const right = await sum(binary('mul', x, summed)).item();
      expect(left).toBeCloseTo(right, 10);
    });
    await fc.assert(property, settings);
  });
});

describe('views', () => {
  it('collapseDimensions keeps the order of elements, in four dimensions', () => {
    const property = fc.property(
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      (shape, choice) => {
        const order = [...shape.keys()];
        new Random(choice).shuffle(order);
        const whole = contiguousStrides(shape);
        const [dims, strides] = [order.map(k => shape[k]!), order.map(k => whole[k]!)];
        const zero = dims.map(() => 0);
        const { shape: merged, strides: lists } = collapseDimensions(
          dims,
          [strides, zero, contiguousStrides(dims)],
          'test',
        );
        expect(merged).toHaveLength(4);
        expect(sizeOf(merged)).toBe(sizeOf(dims));
        const walk = (s: readonly number[], list: readonly number[]) => [...indices(s)].map(tuple => at(tuple, list));
        expect(walk(merged, lists[0])).toEqual(walk(dims, strides));
        expect(walk(merged, lists[2])).toEqual(walk(dims, contiguousStrides(dims)));
      },
    );
    fc.assert(property, { ...settings, numRuns: 150 });
  });

  it('merges what lies together, so that five plain dimensions are one, and refuses five that are not', () => {
    const five = [2, 3, 2, 3, 2];
    expect(collapseDimensions(five, [contiguousStrides(five)], 'test').shape).toEqual([1, 1, 1, 72]);
    const scattered = contiguousStrides(five).reverse();
    expect(() => collapseDimensions(five, [scattered], 'copy')).toThrow(/copy: .* more than four dimensions/);
  });

  it('a permuted slice reads, copies and is assigned like the definition', async () => {
    const x = randomTensor([3, 4, 5]);
    const values = await x.read();
    const view = slice(permute(x, [2, 0, 1]), 0, 1, 4); // [3, 3, 4]
    const expected = [...indices([3, 3, 4])].map(([c, a, b]) => values[a! * 20 + b! * 5 + c! + 1]!);
    expect(Array.from(await view.read())).toEqual(expected);
    expect(Array.from(await contiguous(view).read())).toEqual(expected);
    const target = cpu.zeros([3, 4, 5], { dtype: 'f64' });
    assign(slice(permute(target, [2, 0, 1]), 0, 1, 4), view);
    const written = await target.read();
    values.forEach((value, i) => expect(written[i]).toBe(i % 5 >= 1 && i % 5 < 4 ? value : 0));
    expect(() => assign(target, x.view([60]))).toThrow(/\[60\] does not fit into \[3, 4, 5\]/);
  });

  it('knows which strides are contiguous; dimensions of size 1 do not matter', () => {
    expect(isContiguous([2, 3], [3, 1])).toBe(true);
    expect(isContiguous([2, 3], [1, 2])).toBe(false);
    expect(isContiguous([2, 1, 3], [3, 99, 1])).toBe(true);
    expect(transpose(randomTensor([1, 3])).isContiguous).toBe(true);
    expect(transpose(randomTensor([2, 3])).isContiguous).toBe(false);
  });

  it('counts axes from both ends', () => {
    expect([normalizeAxis(0, 3, 'x'), normalizeAxis(-1, 3, 'x')]).toEqual([0, 2]);
    for (const axis of [3, -4, 0.5])
      expect(() => normalizeAxis(axis, 3, 'sum')).toThrow(/sum: axis .* rank 3; use -3..2/);
  });
});
