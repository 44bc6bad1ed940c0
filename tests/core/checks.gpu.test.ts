import { expect, it } from 'vitest';
import { openWasmBackend } from '../../core/backends/wasm/wasm.js';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { add, Device, firstNonFinite, mul } from '../../core/index.js';
import { expectChecksChangeNothing } from './checks.js';
import { describeWithAdapter } from './backends/webgpu.js';

it('training on poisoned memory gives the same bits on wasm threads', async () => {
  await expectChecksChangeNothing(() => openWasmBackend({ threads: 3, shareFromMicroseconds: 0 }));
});

describeWithAdapter('on webgpu', () => {
  it('training on poisoned memory gives the same bits', async () => {
    await expectChecksChangeNothing(() => openWebGpuBackend());
  }, 300_000);

  it.each(['f32', 'f16'] as const)('the first number that is not finite is found in %s', async dtype => {
    const device = new Device(await openWebGpuBackend());
    if (device.capabilities.dtypes.includes(dtype)) {
      const made = (value: number) => device.full([5000], value, { dtype });
      const { found } = await firstNonFinite(device, () => Promise.resolve(mul(add(made(1), made(2)), made(Infinity))));
      expect(found).toMatchObject({ op: 'mul', buffer: 'y', shape: [5000] });
      const { found: none } = await firstNonFinite(device, () => Promise.resolve(add(made(1), made(-6e4))));
      expect(none).toBeUndefined();
    }
    await device.close();
  });
});
