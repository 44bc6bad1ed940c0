import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { Device } from '../../core/index.js';
import { describeConstantRows } from './constant-rows.js';
import { describeCorners } from './corners.js';
import { openGpu } from './devices.js';
import { describeRules } from './rules.js';
import { describeLongSums } from './long-sums.js';

/** As kernels are written for GPUs, whatever the adapter. */
async function openAsGpu(): Promise<Device | string> {
  const plain = await openGpu();
  if (typeof plain === 'string') return plain;
  await plain.close();
  return new Device(await openWebGpuBackend({ profile: 'alu' }));
}

for (const [way, open] of [
  ['', openGpu],
  [' in the alu profile', openAsGpu],
] as const) {
  describeConstantRows(`layer norm of a constant row on webgpu${way}`, open);
  describeCorners(`webgpu${way}`, open);
  describeLongSums(`long sums on webgpu${way}`, open, 300_007);
}
describeRules('rules on webgpu', openGpu);
