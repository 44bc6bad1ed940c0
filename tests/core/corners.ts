/** What must hold on every device at the ends of its range: see core/RULES.md. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as core from '../../core/index.js';
import type { Device, Tensor } from '../../core/index.js';

const array = async (x: Tensor | undefined) => Array.from(await x!.read());

/** Declares the tests; `open` may return why there is no device: they are then skipped. */
export function describeCorners(title: string, open: () => Promise<Device | string>): void {
  describe(title, () => {
    let opened: Device | string;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(async () => {
      if (typeof opened !== 'string') await opened.close();
    });
    const on = async (test: (device: Device) => Promise<void>) => {
      if (typeof opened === 'string') return;
      const device = opened;
      await device.scope(() => test(device));
    };

    describe('f16', () => {
      const half = (test: (device: Device) => Promise<void>) =>
        on(async device => {
          if (device.capabilities.dtypes.includes('f16')) await test(device);
        });
      const dtype = { dtype: 'f16' } as const;

      it('sums and means are rounded once, at the end', () =>
        half(async d => {
          expect(await array(core.mean(d.full([257], 256, dtype)))).toEqual([256]);
          expect(await array(core.mean(d.full([3, 257, 5], 256, dtype), [1, 2]))).toEqual([256, 256, 256]);
          const turns = Float32Array.from({ length: 1200 }, (_, i) => (i < 600 ? 300 : -300));
          expect(await array(core.sum(d.tensor(turns, [2, 600], dtype), [0, 1]))).toEqual([0]);
          expect(await array(core.sum(d.tensor(turns, [2, 2, 300], dtype), [0, 2]))).toEqual([0, 0]);
          expect(await array(core.mean(d.full([3], 1, dtype), 0))).toEqual([1]);
          expect(await array(core.mean(d.full([4095], 1, dtype), 0))).toEqual([1]);
        }));

      it('gradients of broadcasting are rounded once, at the end', () =>
        half(async d => {
          const column = d.full([1, 2, 1], 1, dtype).trainable();
          const y = core.add(core.neg(column), d.full([300, 2, 300], 0, dtype)); // a leaf has f32 gradients, neg has not
          const slopes = Float32Array.from({ length: 300 * 600 }, (_, i) => (i % 600 < 300 ? 300 : -300) * (i < 90_000 ? 1 : -1));
          y.backward({ grad: d.tensor(slopes, [300, 2, 300], dtype) });
          expect((await array(column.grad)).map(Math.abs)).toEqual([0, 0]);
        }));
    });

    describe('max', () => {
      it('shares its gradient among equals', () =>
        on(async d => {
          const x = d.tensor([1, 3, 3, 3, 2, 0], [2, 3]).trainable();
          core.max(x, 1).backward({ grad: d.tensor([4, 6]) });
          expect(await array(x.grad)).toEqual([0, 2, 2, 6, 0, 0]);
          const [a, b] = [d.tensor([1, 2, 3]).trainable(), d.tensor([1, 3, 2]).trainable()];
          core.maximum(a, b).backward({ grad: d.tensor([2, 4, 8]) });
          expect(await array(a.grad)).toEqual([1, 0, 8]);
          expect(await array(b.grad)).toEqual([1, 4, 0]);
        }));
    });

    describe('indices outside of a table', () => {
      it('gather zeros, and pass no gradient', () =>
        on(async d => {
          const table = d.tensor([1, 2, 3, 4], [2, 2]).trainable();
          const before = d.full([64], 5);
          const index = d.tensor([0, 32, 64, -1, 2, 2 ** 31 - 1, -(2 ** 31), 1], [8], { dtype: 'i32' });
          const y = core.gatherRows(table, index);
          expect(await array(y)).toEqual([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4]);
          const after = d.full([64], 5);
          y.backward({ grad: d.full([8, 2], 1) });
          expect(await array(table.grad)).toEqual([1, 1, 1, 1]);
          expect(await array(before)).toEqual(new Array(64).fill(5));
          expect(await array(after)).toEqual(new Array(64).fill(5));
        }));
    });
  });
}
