import { describe, expect, it } from 'vitest';
import { openWasmBackend } from '../../../core/backends/wasm/wasm.js';
import { matmulKernel } from '../../../kernels/index.js';
import type { MatmulLayout } from '../../../kernels/index.js';
import { describeConformance, expectClose } from '../../kernels/conformance.js';

for (const simd of ['relaxed', 'plain'] as const)
  describeConformance(`wasm backend, ${simd} SIMD`, () => openWasmBackend({ threads: 1, simd }), {
    dtypes: ['f32', 'f16', 'mixed'],
    runs: 12,
  });

describe('matrix products of the wasm backend beyond the shapes of the examples', () => {
  const shapes: readonly { layout: MatmulLayout; m: number; n: number; k: number; batch: number; pass?: string }[] = [
    { layout: 'nn', m: 3, n: 25, k: 1030, batch: 2 }, // k in three blocks, B read where it lies
    { layout: 'tn', m: 3, n: 25, k: 13, batch: 2 },
    { layout: 'nn', m: 70, n: 20, k: 513, batch: 2, pass: 'matmul_pack' },
    { layout: 'nt', m: 70, n: 20, k: 513, batch: 2, pass: 'matmul_pack' },
    { layout: 'tn', m: 70, n: 20, k: 1030, batch: 2, pass: 'matmul_pack' },
    { layout: 'tn', m: 515, n: 9, k: 13, batch: 2, pass: 'matmul_pack_strips' },
    { layout: 'tn', m: 512, n: 8, k: 600, batch: 1, pass: 'matmul_pack_strips' },
  ];
  for (const { layout, m, n, k, batch, pass } of shapes)
    it(`${layout} ${batch} x ${m} x ${n} x ${k}${pass ? ` (${pass})` : ''}`, async () => {
      const kernel = matmulKernel({ layout, bias: false, activation: 'none', residual: false });
      const params = { m, n, k, batch, strideA: m * k, strideB: n * k };
      const fns = kernel.wasm(params).passes.map(({ fn }) => fn);
      expect(fns).toEqual(pass ? expect.arrayContaining([pass]) : ['matmul']);
      const values = (length: number) => Float32Array.from({ length }, (_, i) => ((i * 7919) % 1009) / 504.5 - 1);
      const [a, b, c] = [values(batch * m * k), values(batch * n * k), new Float64Array(batch * m * n)];
      kernel.reference({ a, b, bias: b, residual: b, c }, params);
      const backend = await openWasmBackend({ threads: 1 });
      const operand = (content: Float32Array) => {
        const allocation = backend.allocate(content.byteLength);
        backend.write(allocation, 0, content);
        return { allocation, dtype: 'f32' as const, byteOffset: 0, length: content.length };
      };
      const [left, right, out] = [operand(a), operand(b), operand(new Float32Array(c.length))];
      backend.launch(kernel, [left, right, right, right, out], Object.values(params));
      const result = new Float32Array(await backend.read(out.allocation, 0, 4 * c.length));
      expectClose(result, c, 2e-6, 'f32', kernel.name);
      await backend.close();
    });
});
