/** Layer norm of rows whose values agree, or nearly: wherever it is computed, the result is beta. */
import { describe, expect, it } from 'vitest';
import * as core from '../../core/index.js';
import { useDevice } from './devices.js';
import type { Device, Tensor } from '../../core/index.js';

const rows: [number, number][] = [
  [64, 12345.678],
  [256, 54321.1],
  [63, 54321.1],
  [100, -1e6 / 3],
  [1000, 0.1],
  [4, 1e30],
  [1, 7],
];

/** Declares the tests; `open` may return why there is no device: they are then skipped. */
export function describeConstantRows(title: string, open: () => Promise<Device | string>): void {
  describe(title, () => {
    const deviceOf = useDevice(open);
    const on = async (test: (device: Device) => Promise<void>) => {
      const device = deviceOf();
      await device.scope(() => test(device));
    };

    it.each(rows)('%i times %d: beta, and no gradient to the row', (cols, value) =>
      on(async device => {
        const x = device.full([3, cols], value).trainable();
        const gamma = device.full([cols], 1.5).trainable();
        const beta = device.tensor(Float32Array.from({ length: cols }, (_, j) => j)).trainable();
        const y = core.layerNorm(x, gamma, beta);
        expect(Array.from(await y.read())).toEqual(Array.from({ length: 3 * cols }, (_, i) => i % cols));
        y.backward({ grad: device.full([3, cols], 1) });
        expect(Array.from(await gamma.grad!.read())).toEqual(new Array(cols).fill(0));
        expect(Array.from(await beta.grad!.read())).toEqual(new Array(cols).fill(3));
        for (const slope of await x.grad!.read()) expect(Math.abs(slope)).toBeLessThan(1e-3); // rstd is 316
      }),
    );

    it.each([4, 256])('in the fused decode step: %i inputs', inputs =>
      on(async device => {
        const x = device.full([5, inputs], 54321.1);
        const norm = { gain: device.full([inputs], 2), bias: device.full([inputs], 0.25) };
        const y: Tensor = core.decodeLinear(x, {
          weight: device.full([inputs, 8], 1),
          bias: device.full([8], 1),
          norm,
          dtype: 'f32',
        });
        expect(Array.from(await y.read())).toEqual(new Array(40).fill(1 + inputs / 4));
      }),
    );
  });
}
