import { CpuBackend } from '../../../core/backends/cpu.js';
import { describeConformance } from '../../kernels/conformance.js';

describeConformance('cpu backend', () => Promise.resolve(new CpuBackend()), {
  dtypes: ['f32', 'f16', 'mixed'],
  runs: 8,
});
