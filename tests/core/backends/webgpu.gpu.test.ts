/** Every kernel on the device at hand, as written for software adapters and as written for GPUs. */
import { openWebGpuBackend } from '../../../core/backends/webgpu/webgpu.js';
import { describeConformance } from '../../kernels/conformance.js';
import { describeWithAdapter } from './webgpu.js';

describeWithAdapter('webgpu', ({ capabilities }) => {
  for (const profile of ['software', 'alu'] as const) {
    describeConformance(`${profile} profile`, () => openWebGpuBackend({ profile }), {
      dtypes: capabilities.dtypes.includes('f16') ? ['f32', 'f16'] : ['f32'],
      runs: 4,
    });
  }
});
