import { openWasmBackend } from '../../core/backends/wasm.js';
import { describeConformance } from '../kernels/conformance.js';

for (const simd of ['relaxed', 'plain'] as const)
  describeConformance(`wasm backend, ${simd} SIMD`, () => openWasmBackend({ threads: 1, simd }), {
    dtypes: ['f32', 'f16'],
    runs: 12,
  });
