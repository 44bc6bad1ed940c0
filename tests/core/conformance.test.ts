/** The checker itself: it must find what is wrong, and say where. */
import { describe, expect, it } from 'vitest';
import { CpuBackend } from '../../core/backends/cpu.js';
import { checkCase, checkKernel, conformanceCase, difference, seededDraw } from '../../kernels/cases.js';
import { kernels } from '../../kernels/index.js';

describe('conformance', () => {
  const kernel = kernels.find(({ name }) => name === 'softmax')!;

  it('finds nothing where the backend is right', async () => {
    for (let stream = 0; stream < 5; stream++) {
      const test = conformanceCase(kernel, kernel.example(seededDraw(1, stream)), 'f32', 1, stream);
      expect(await checkCase(new CpuBackend(), kernel, test)).toBeUndefined();
    }
  });

  it('names kernel, buffer and element where the backend is wrong', async () => {
    const other = kernels.find(({ name }) => name === 'log_softmax')!;
    const wrong = { ...kernel, reference: other.reference.bind(other) };
    const backend = new CpuBackend();
    const launch = backend.launch.bind(backend);
    backend.launch = (_, operands, params) => {
      launch(wrong, operands, params);
    };
    const test = conformanceCase(kernel, { params: { rows: 2, cols: 3 }, lengths: { x: 6, y: 6 } }, 'f32', 1, 0);
    expect(await checkCase(backend, kernel, test)).toMatch(/^softmax\(.*\)\.y\[0\] is .*, the reference says /);
  });

  it('checks as many calls as it is asked to, and stops at the first that is wrong', async () => {
    const backend = new CpuBackend();
    const launch = backend.launch.bind(backend);
    let launches = 0;
    let wrongFrom = Infinity;
    backend.launch = (launched, operands, params) => {
      if (++launches < wrongFrom) launch(launched, operands, params); // else it leaves y as it was
    };
    expect(await checkKernel(backend, kernel, 'f32', 4)).toBeUndefined();
    expect(launches).toBe(4);
    wrongFrom = 6;
    expect(await checkKernel(backend, kernel, 'f32', 4)).toContain('the reference says');
    expect(launches).toBe(6);
  });

  it('allows one rounding of the dtype, and no more', () => {
    expect(difference(Float32Array.of(1), [1 + 2 ** -24], 0, 'f32', 'x')).toBeUndefined();
    expect(difference(Float32Array.of(1), [1 + 2 ** -21], 0, 'f32', 'x')).toContain('x[0] is 1');
    expect(difference(Float32Array.of(NaN), [1], 1, 'f32', 'x')).toContain('NaN');
  });

  it('draws the same cases from the same seed', () => {
    const draws = [0, 1].map(() => Array.from({ length: 20 }, (_, stream) => kernel.example(seededDraw(7, stream))));
    expect(draws[0]).toEqual(draws[1]);
    expect(new Set(draws[0]!.map(example => JSON.stringify(example.params))).size).toBeGreaterThan(5);
  });
});
