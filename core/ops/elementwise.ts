/** Elementwise ops with broadcasting, and conversions between dtypes. */
import type { BinaryName, Draw, DType, UnaryName } from '../../kernels/index.js';
import { applyOp, defineOp, requireSameDType } from '../op.js';
import type { ExampleInput, OpRow } from '../op.js';
import { binary, contiguous, sumTo, unary } from '../primitives.js';
import { broadcastShapes } from '../shape.js';
import type { Tensor } from '../tensor.js';

interface UnaryOptions {
  /** dL/dx from dL/dy, x and y. */
  readonly gradient: (grad: Tensor, x: Tensor, y: Tensor) => Tensor;
  readonly range?: readonly [number, number];
}

function unaryOp(name: UnaryName, { gradient, range }: UnaryOptions): OpRow<[x: Tensor]> {
  return defineOp({
    name,
    shape: ([x]) => x.shape,
    forward: ([x]) => ({ output: unary(name, x) }),
    gradient: ({ grad, inputs: [x], output }) => [gradient(grad, x, output)],
    tolerance: 1e-6,
    example: draw => ({ inputs: [{ shape: randomShape(draw), ...(range && { range }) }], attributes: {} }),
  });
}

interface BinaryOptions {
  /** dL/da and dL/db before they are summed back to the operands' shapes. */
  readonly gradient: (grad: Tensor, a: Tensor, b: Tensor, y: Tensor) => readonly [() => Tensor, () => Tensor];
  readonly rangeB?: readonly [number, number];
}

function binaryOp(name: BinaryName, { gradient, rangeB }: BinaryOptions): OpRow<[a: Tensor, b: Tensor]> {
  return defineOp({
    name,
    shape([a, b]) {
      requireSameDType(name, [a, b]);
      return broadcastShapes(a.shape, b.shape, name);
    },
    forward: ([a, b]) => ({ output: binary(name, a, b) }),
    gradient({ grad, inputs: [a, b], output, wanted, room }) {
      const [forA, forB] = gradient(contiguous(grad), a, b, output);
      const summed = (slope: Tensor, i: 0 | 1, { shape }: Tensor) => sumTo(slope, shape, slope.dtype, () => room(i));
      return [wanted[0] ? summed(forA(), 0, a) : undefined, wanted[1] ? summed(forB(), 1, b) : undefined];
    },
    tolerance: 1e-6,
    example(draw) {
      const shape = randomShape(draw);
      const [a, b] = draw.pick([
        [shape, shape],
        [shape, shape.slice(1)],
        [shape.map((n, k) => (k === 0 ? 1 : n)), shape],
        [shape, shape.map((n, k) => (k === shape.length - 1 ? 1 : n))],
        [shape, []],
      ]);
      const inputB: ExampleInput = { shape: b, ...(rangeB && { range: rangeB }) };
      return { inputs: [{ shape: a }, inputB], attributes: {} };
    },
  });
}

/** Small shapes, odd sizes and a scalar among them. */
export function randomShape(draw: Draw): number[] {
  return draw.pick([[], [1], [5], [2, 3], [3, 1, 4], [2, 3, 2, 3], [4, 7]]);
}

const mul2 = (a: Tensor, b: Tensor) => binary('mul', a, b);

/** Rows of the elementwise ops: any float dtype, broadcasting, cast between dtypes. */
export const elementwiseOps = {
  neg: unaryOp('neg', { gradient: g => unary('neg', g) }),
  exp: unaryOp('exp', { gradient: (g, _, y) => mul2(g, y) }),
  log: unaryOp('log', { gradient: (g, x) => binary('div', g, x), range: [0.5, 3] }),
  sqrt: unaryOp('sqrt', { gradient: (g, _, y) => binary('div', g, binary('add', y, y)), range: [0.5, 3] }),
  reciprocal: unaryOp('reciprocal', {
    gradient: (g, _, y) => unary('neg', mul2(g, unary('square', y))),
    range: [0.5, 3],
  }),
  square: unaryOp('square', { gradient: (g, x) => mul2(g, binary('add', x, x)) }),
  tanh: unaryOp('tanh', { gradient: (g, _, y) => binary('tanh_grad', g, y) }),
  sigmoid: unaryOp('sigmoid', { gradient: (g, _, y) => binary('sigmoid_grad', g, y) }),
  /** Its kink at 0 is kept out of the finite differences. */
  relu: unaryOp('relu', { gradient: (g, _, y) => binary('relu_grad', g, y), range: [0.1, 2] }),
  gelu: unaryOp('gelu', { gradient: (g, x) => binary('gelu_grad', g, x) }),
  add: binaryOp('add', { gradient: g => [() => g, () => g] }),
  sub: binaryOp('sub', { gradient: g => [() => g, () => unary('neg', g)] }),
  mul: binaryOp('mul', { gradient: (g, a, b) => [() => mul2(g, b), () => mul2(g, a)] }),
  div: binaryOp('div', {
    gradient: (g, _, b, y) => [() => binary('div', g, b), () => unary('neg', binary('div', mul2(g, y), b))],
    rangeB: [0.5, 3],
  }),
  /** Equal operands share the gradient. */
  maximum: binaryOp('max', {
    gradient: (g, a, b) => {
      const half = a.device.full([], 0.5, { dtype: a.dtype });
      const share = (x: Tensor, y: Tensor) => binary('add', binary('greater', x, y), mul2(binary('equal', x, y), half));
      return [() => mul2(g, share(a, b)), () => mul2(g, share(b, a))];
    },
  }),
  cast: defineOp<[x: Tensor], { dtype: DType }>({
    name: 'cast',
    shape: ([x]) => x.shape,
    forward: ([x], { dtype }) => ({ output: unary('copy', x, dtype) }),
    gradient: ({ grad, inputs: [x] }) => [unary('copy', grad, x.dtype)],
    tolerance: 1e-6,
    example: draw => ({ inputs: [{ shape: randomShape(draw) }], attributes: { dtype: 'f64' } }),
  }),
} as const;

/** -x. Any shape, float. */
export const neg = (x: Tensor): Tensor => applyOp(elementwiseOps.neg, [x], {});
/** e^x. Any shape, float. */
export const exp = (x: Tensor): Tensor => applyOp(elementwiseOps.exp, [x], {});
/** Natural logarithm. Any shape, float; not a number for x < 0, -infinity at 0. */
export const log = (x: Tensor): Tensor => applyOp(elementwiseOps.log, [x], {});
/** Square root. Any shape, float. */
export const sqrt = (x: Tensor): Tensor => applyOp(elementwiseOps.sqrt, [x], {});
/** 1 / x. Any shape, float. */
export const reciprocal = (x: Tensor): Tensor => applyOp(elementwiseOps.reciprocal, [x], {});
/** x * x. Any shape, float. */
export const square = (x: Tensor): Tensor => applyOp(elementwiseOps.square, [x], {});
/** Hyperbolic tangent. Any shape, float. */
export const tanh = (x: Tensor): Tensor => applyOp(elementwiseOps.tanh, [x], {});
/** 1 / (1 + e^-x). Any shape, float. */
export const sigmoid = (x: Tensor): Tensor => applyOp(elementwiseOps.sigmoid, [x], {});
/** max(x, 0). Any shape, float; gradient 0 at 0. */
export const relu = (x: Tensor): Tensor => applyOp(elementwiseOps.relu, [x], {});
/** GELU, tanh approximation (Hendrycks & Gimpel 2016, arXiv 1606.08415). Any shape, float. */
export const gelu = (x: Tensor): Tensor => applyOp(elementwiseOps.gelu, [x], {});
/** a + b, broadcast. Same float dtype. */
export const add = (a: Tensor, b: Tensor): Tensor => applyOp(elementwiseOps.add, [a, b], {});
/** a - b, broadcast. Same float dtype. */
export const sub = (a: Tensor, b: Tensor): Tensor => applyOp(elementwiseOps.sub, [a, b], {});
/** a * b, broadcast. Same float dtype. */
export const mul = (a: Tensor, b: Tensor): Tensor => applyOp(elementwiseOps.mul, [a, b], {});
/** a / b, broadcast. Same float dtype. */
export const div = (a: Tensor, b: Tensor): Tensor => applyOp(elementwiseOps.div, [a, b], {});
/** The larger of a and b, broadcast. Same float dtype. */
export const maximum = (a: Tensor, b: Tensor): Tensor => applyOp(elementwiseOps.maximum, [a, b], {});
/** The values in another float dtype; the gradient is converted back. */
export const cast = (x: Tensor, dtype: DType): Tensor =>
  x.dtype === dtype ? x : applyOp(elementwiseOps.cast, [x], { dtype });
