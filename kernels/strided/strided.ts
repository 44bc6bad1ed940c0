/**
 * Copies between a contiguous buffer and a strided view of another one, in up to four dimensions: transposes, slices
 * and concatenations, where a view is not enough.
 */
import { ceilDivide, defineKernel, sizes, reads, updates, writes } from '../kernel.js';
import type { Draw } from '../kernel.js';
import { stridedWgsl } from './strided.wgsl.js';
const params = sizes('d0', 'd1', 'd2', 'd3', 's0', 's1', 's2', 's3', 'offset');

type StridedParams = Readonly<Record<keyof typeof params, number>>;

function forEachElement(p: StridedParams, visit: (contiguous: number, strided: number) => void): void {
  let i = 0;
  for (let i0 = 0; i0 < p.d0; i0++)
    for (let i1 = 0; i1 < p.d1; i1++)
      for (let i2 = 0; i2 < p.d2; i2++)
        for (let i3 = 0; i3 < p.d3; i3++) visit(i++, p.offset + i0 * p.s0 + i1 * p.s1 + i2 * p.s2 + i3 * p.s3);
}

/** A random box inside a random larger tensor, with its dimensions permuted: covers slices and transposes. */
function exampleView(draw: Draw): { readonly params: StridedParams; readonly inside: number; readonly whole: number } {
  const outer = [draw.integer(1, 3), draw.integer(1, 6), draw.integer(1, 9), draw.pick([1, 4, 33, 64])];
  const strides = [0, 0, 0, 0];
  let whole = 1;
  for (let k = 3; k >= 0; k--) {
    strides[k] = whole;
    whole *= outer[k]!;
  }
  const start = outer.map(size => draw.integer(0, size - 1));
  const size = outer.map((total, k) => draw.integer(1, total - start[k]!));
  const offset = start.reduce((sum, at, k) => sum + at * strides[k]!, 0);
  const [p0, p1, p2, p3] = draw.pick([
    [0, 1, 2, 3],
    [0, 2, 1, 3],
    [3, 1, 2, 0],
    [1, 0, 3, 2],
  ] as const);
  return {
    params: {
      d0: size[p0]!,
      d1: size[p1]!,
      d2: size[p2]!,
      d3: size[p3]!,
      s0: strides[p0]!,
      s1: strides[p1]!,
      s2: strides[p2]!,
      s3: strides[p3]!,
      offset,
    },
    inside: size.reduce((product, n) => product * n, 1),
    whole,
  };
}

const cost = (p: StridedParams) => ({ flops: 0, elements: 2 * p.d0 * p.d1 * p.d2 * p.d3 });
const rows = (p: StridedParams) => p.d0 * p.d1 * p.d2;

/** A strided view to contiguous memory; any dtype. */
export const stridedReadKernel = defineKernel({
  name: 'strided_read',
  summary: 'y[i0,i1,i2,i3] = x[offset + i . strides]; y is contiguous',
  buffers: { x: reads.float, y: writes.float },
  params,
  reference({ x, y }, p) {
    forEachElement(p, (contiguous, strided) => (y[contiguous] = x[strided]!));
  },
  cost,
  wasm: p => ({ passes: [{ fn: 'strided_read', units: ceilDivide(rows(p), 16) }] }),
  wgsl: target => stridedWgsl('read', target),
  example(draw) {
    const view = exampleView(draw);
    return { params: view.params, lengths: { x: view.whole, y: view.inside } };
  },
  tolerance: 0,
});

/** Contiguous memory to a strided view; any dtype. */
export const stridedWriteKernel = defineKernel({
  name: 'strided_write',
  summary: 'y[offset + i . strides] = x[i0,i1,i2,i3]; x is contiguous, other elements of y keep their values',
  buffers: { x: reads.float, y: updates.float },
  params,
  reference({ x, y }, p) {
    forEachElement(p, (contiguous, strided) => (y[strided] = x[contiguous]!));
  },
  cost,
  wasm: p => ({ passes: [{ fn: 'strided_write', units: ceilDivide(rows(p), 16) }] }),
  wgsl: target => stridedWgsl('write', target),
  example(draw) {
    const view = exampleView(draw);
    return { params: view.params, lengths: { x: view.inside, y: view.whole } };
  },
  tolerance: 0,
});
