import { describeConformance } from '../kernels/conformance.js';
import { openWebgpu } from '../../core/backends/webgpu.js';

for (const profile of ['software', 'gpu'] as const)
  describeConformance(`webgpu backend, ${profile} profile`, () => openWebgpu({ profile }), { dtypes: ['f32', 'f16'], runs: 4 });
