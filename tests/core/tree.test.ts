import { describe, expect, expectTypeOf, it } from 'vitest';
import { Device } from '../../core/index.js';
import type { HostArray, Tensor, Tensors } from '../../core/index.js';
import { CpuBackend } from '../../core/backends/cpu.js';
import { isHostArray } from '../../core/tree.js';

describe('fromHost', () => {
  const device = new Device(new CpuBackend());

  it('uploads one array, or a tree of them', async () => {
    expect(Array.from(await device.fromHost({ values: [1, 2] }).read())).toEqual([1, 2]);
    const tree = device.fromHost({ a: [{ values: [1, 2], dtype: 'i32' }, undefined], b: { c: { values: [3] } } });
    expectTypeOf(tree.a[0]).toEqualTypeOf<Tensor>();
    expectTypeOf(tree.a[1]).toEqualTypeOf<undefined>();
    expect(tree.a[0].dtype).toBe('i32');
    expect(tree.a[1]).toBeUndefined();
    expect(await tree.b.c.item()).toBe(3);
  });

  it('maps interfaces with optional members', () => {
    interface Inputs {
      readonly tokens: HostArray;
      readonly patches?: HostArray;
    }
    expectTypeOf<Tensors<Inputs>>().toEqualTypeOf<{ readonly tokens: Tensor; readonly patches?: Tensor }>();
    expectTypeOf<Tensors<Readonly<Record<string, HostArray>>>>().toEqualTypeOf<Readonly<Record<string, Tensor>>>();
    expectTypeOf<Tensors<{ readonly length: number }>>().toEqualTypeOf<{ readonly length: number }>();
    expectTypeOf<Tensors<{ readonly name: string }>>().toEqualTypeOf<{ readonly name: never }>();
  });
});

describe('a host array', () => {
  it('is told from a branch called values', () => {
    for (const values of [[], [1], new Float32Array(1), new Int32Array(0)]) expect(isHostArray({ values })).toBe(true);
    const leaf = { values: [1] };
    for (const values of [leaf, [leaf], { values: leaf }, undefined, new DataView(new ArrayBuffer(4)), 'text'])
      expect(isHostArray({ values })).toBe(false);
    for (const node of [null, undefined, 1, [1]]) expect(isHostArray(node)).toBe(false);
  });
});
