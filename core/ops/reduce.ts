/** Sums, means and maxima along axes. */
import { applyOp, defineOp } from '../op.js';
import type { OpRow } from '../op.js';
import { binary, contiguous, converted, reduceAxis, wideDType } from '../primitives.js';
import { broadcastStrides, formatShape, normalizeAxis, sizeAt } from '../shape.js';
import type { Tensor } from '../tensor.js';

/** Which dimensions a reduction runs over, and whether they stay with length 1. */
export interface Axes {
  /** Ascending. */
  readonly axes: readonly number[];
}

interface Reduction {
  /** In f32 (f64), see `reduce`. */
  readonly forward: (x: Tensor, axes: readonly number[]) => Tensor;
  /** dL/dx from dL/dy, x and y. */
  readonly gradient: (grad: Tensor, x: Tensor, y: Tensor, axes: readonly number[]) => Tensor;
}

function dropAxes(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.filter((_, k) => !axes.includes(k));
}

function keepAxes(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.map((n, k) => (axes.includes(k) ? 1 : n));
}

/** In f32 (f64), whatever x is: f16 is rounded once, at the end. */
function reduce(name: 'sum' | 'max', x: Tensor, axes: readonly number[]): Tensor {
  const dtype = wideDType(x);
  if (axes.length === x.rank) return reduceAxis(name, contiguous(x).view([1, x.size]), 1, dtype).view([]);
  let y = x;
  for (const axis of [...axes].reverse()) y = reduceAxis(name, y, axis, dtype);
  return y === x ? converted(contiguous(x), dtype) : y.view(dropAxes(x.shape, axes));
}

/** A reduced tensor repeated along the axes that are gone, as a view. */
function expand(y: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  const kept = contiguous(y).view(keepAxes(x.shape, axes));
  return kept.view(x.shape, broadcastStrides(kept.shape, kept.strides, x.shape));
}

function reduceOp(name: string, { forward, gradient }: Reduction): OpRow<[x: Tensor], Axes> {
  return defineOp({
    name,
    shape([x], { axes }) {
      if (name === 'max' && axesSize(x, axes) === 0)
        throw new Error(
          `max: ${formatShape(x.shape)} has no elements along ${formatShape(axes)}, and so no largest one`,
        );
      return dropAxes(x.shape, axes);
    },
    forward: ([x], { axes }) => ({ output: converted(forward(x, axes), x.dtype) }),
    gradient: ({ grad, inputs: [x], output, attributes: { axes } }) => [gradient(grad, x, output, axes)],
    tolerance: 1e-6,
    example: draw => ({
      inputs: [{ shape: [3, 2, 4] }],
      attributes: { axes: draw.pick([[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]]) },
    }),
  });
}

/** Rows of the reductions. */
export const reduceOps = {
  sum: reduceOp('sum', {
    forward: (x, axes) => reduce('sum', x, axes),
    gradient: (grad, x, _, axes) => expand(grad, x, axes),
  }),
  mean: reduceOp('mean', {
    forward: (x, axes) => scale(reduce('sum', x, axes), 1 / axesSize(x, axes)),
    gradient(grad, x, _, axes) {
      const share = scale(converted(grad, wideDType(x)), 1 / axesSize(x, axes));
      return expand(converted(share, x.dtype), x, axes);
    },
  }),
  /** Elements that equal the maximum share its gradient, as in PyTorch's `amax`. */
  max: reduceOp('max', {
    forward: (x, axes) => reduce('max', x, axes),
    gradient(grad, x, y, axes) {
      const isMaximum = binary('equal', x, contiguous(expand(y, x, axes)));
      const share = binary('div', converted(grad, wideDType(x)), reduce('sum', isMaximum, axes));
      return binary('mul', isMaximum, contiguous(expand(converted(share, x.dtype), x, axes)));
    },
  }),
} as const;

function axesSize(x: Tensor, axes: readonly number[]): number {
  return axes.reduce((size, axis) => size * sizeAt(x.shape, axis), 1);
}

function scale(x: Tensor, factor: number): Tensor {
  return binary('mul', x, x.device.tensor([factor], [], { dtype: x.dtype }));
}

function toAxes(x: Tensor, axis: number | readonly number[] | undefined, what: string): Axes {
  const list = axis === undefined ? x.shape.map((_, k) => k) : typeof axis === 'number' ? [axis] : axis;
  const axes = list.map(k => normalizeAxis(k, x.rank, what)).sort((a, b) => a - b);
  return { axes: [...new Set(axes)] };
}

/** Sum over `axis` (or all axes), which disappear from the shape. */
export const sum = (x: Tensor, axis?: number | readonly number[]): Tensor =>
  applyOp(reduceOps.sum, [x], toAxes(x, axis, 'sum'));
/** Mean over `axis` (or all axes), which disappear from the shape. */
export const mean = (x: Tensor, axis?: number | readonly number[]): Tensor =>
  applyOp(reduceOps.mean, [x], toAxes(x, axis, 'mean'));
/** Maximum over `axis` (or all axes), which disappear from the shape. */
export const max = (x: Tensor, axis?: number | readonly number[]): Tensor =>
  applyOp(reduceOps.max, [x], toAxes(x, axis, 'max'));
