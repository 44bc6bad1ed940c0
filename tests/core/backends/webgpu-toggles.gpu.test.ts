/** The toggles that are asked for take effect, as far as that can be seen, and `debug` mode differs. */
import { expect, it } from 'vitest';
import { openDevice } from '../../../core/index.js';
import { describeWithAdapter } from './webgpu.js';

async function effects(mode: 'production' | 'debug'): Promise<Readonly<Record<string, unknown>>> {
  const device = await openDevice('webgpu', { webgpu: { mode, probe: true } });
  await device.close();
  return device.capabilities.features;
}

describeWithAdapter('toggles of Dawn', () => {
  it('switch bounds checks off in production and leave them on in debug mode; time stamps are exact', async () => {
    const [production, debug] = [await effects('production'), await effects('debug')];
    expect(production['bounds checks (disable_robustness)']).toBe('off');
    expect(debug['bounds checks (disable_robustness)']).toBe('in shaders');
    for (const found of [production, debug])
      expect(found['time stamps (timestamp_quantization)']).toMatch(/^(exact|none on this adapter)$/);
  });
});
