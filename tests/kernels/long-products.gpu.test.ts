/** Rule 5 of RULES.md for products with a long k on rung 2, which no adapter that is a processor takes by itself. */
import { afterAll, expect, it } from 'vitest';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { Device, matmul, transpose } from '../../core/index.js';
import { matmulRaw } from '../../core/primitives.js';
import { describeWithAdapter } from '../core/backends/webgpu.js';

describeWithAdapter('alu', ({ capabilities }) => {
  const backend = openWebGpuBackend({ profile: 'alu' });
  const opened = backend.then(given => new Device(given));
  afterAll(async () => {
    await (await opened).close();
  });
  const [x, y] = [Math.fround(0.1), Math.fround(1 / 3)];

  it.each([512, 4099, 65_536, 300_007])('%i equal products in f32', async k => {
    const device = await opened;
    await device.scope(async () => {
      for (const values of [
        await matmul(device.full([3, k], x), device.full([k, 4], y)).read(),
        await matmul(transpose(device.full([k, 5], x)), device.full([k, 7], y)).read(),
      ])
        for (const value of values) expect(Math.abs(value / (k * x * y) - 1)).toBeLessThan(1e-5);
    });
    if (k > 512) expect((await backend).selections().some(({ variant }) => variant.endsWith('long'))).toBe(true);
  });

  it.runIf(capabilities.dtypes.includes('f16')).each([65_536, 300_007])('%i equal products of f16', async k => {
    const device = await opened;
    await device.scope(async () => {
      const [small, large] = [2 ** -9 + 2 ** -13, 2 ** -5 + 2 ** -11];
      const [a, b] = [device.full([k, 5], small, { dtype: 'f16' }), device.full([k, 8], large, { dtype: 'f16' })];
      const want = k * small * large;
      for (const value of await matmulRaw(transpose(a), b, { dtype: 'f32' }).read())
        expect(Math.abs(value / want - 1)).toBeLessThan(1e-5);
      for (const value of await matmul(transpose(a), b).read())
        expect(Math.abs(value / want - 1)).toBeLessThan(2 ** -11 + 1e-5);
    });
  });
});
