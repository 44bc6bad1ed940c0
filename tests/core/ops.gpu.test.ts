import { openDevice } from '../../core/index.js';
import { describeOps } from './ops.js';

describeOps(
  'every op on webgpu in f32 agrees with f64 on cpu, forward and gradient',
  async () => {
    try {
      return await openDevice('webgpu');
    } catch (error) {
      if (process.env['MGSD_REQUIRE_WEBGPU'] === '1') throw error;
      return `no WebGPU adapter: ${(error as Error).message.split('\n', 1)[0]!}`;
    }
  },
  4,
);
