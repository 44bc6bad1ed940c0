/** Ops that rearrange: views where they are free, copies where they are not. */
import { applyOp, defineOp, requireSameDType } from '../op.js';
import { assign, contiguous, sumTo } from '../primitives.js';
import { broadcastStrides, broadcastShapes, formatShape, normalizeAxis, sameShape, sizeAt, sizeOf } from '../shape.js';
import type { Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';

/** The axes that undo a permutation. */
function inverse(axes: readonly number[]): number[] {
  const out = new Array<number>(axes.length);
  axes.forEach((axis, k) => (out[axis] = k));
  return out;
}

function permuteView(x: Tensor, axes: readonly number[]): Tensor {
  const permuted = (list: Shape) => axes.map(axis => sizeAt(list, axis));
  return x.view(permuted(x.shape), permuted(x.strides));
}

function sliceView(x: Tensor, axis: number, start: number, length: number): Tensor {
  return x.view(
    x.shape.map((n, k) => (k === axis ? length : n)),
    x.strides,
    x.offset + start * sizeAt(x.strides, axis),
  );
}

/** Calls `body` with each input and the slice of `whole` that it takes up: as long as it is, one after another. */
function mapParts<Inputs extends readonly Tensor[], T>(
  whole: Tensor,
  inputs: Inputs,
  axis: number,
  body: (part: Tensor, x: Tensor) => T,
) {
  let start = 0;
  const results = inputs.map(x => {
    const length = sizeAt(x.shape, axis);
    start += length;
    return body(sliceView(whole, axis, start - length, length), x);
  });
  return results as { [I in keyof Inputs]: T };
}

/** Rows of the ops that move no numbers, or only move them; any dtype. */
export const shapeOps = {
  reshape: defineOp<[x: Tensor], { shape: Shape }>({
    name: 'reshape',
    shape([x], { shape }) {
      if (!shape.every(n => Number.isInteger(n) && n >= 0))
        throw new Error(`reshape: ${formatShape(shape)} is not a shape; sizes are whole numbers from 0 on`);
      if (sizeOf(shape) !== x.size)
        throw new Error(
          `reshape: ${formatShape(x.shape)} has ${x.size} elements, ${formatShape(shape)} would have ${sizeOf(shape)}`,
        );
      return shape;
    },
    forward: ([x], _, shape) => ({ output: (x.isContiguous ? x : contiguous(x)).view(shape) }),
    gradient: ({ grad, inputs: [x] }) => [contiguous(grad).view(x.shape)],
    tolerance: 1e-6,
    example: draw => ({
      inputs: [{ shape: [2, 6] }],
      attributes: { shape: draw.pick([[12], [3, 4], [2, 1, 6], [2, 3, 2]]) },
    }),
  }),
  permute: defineOp<[x: Tensor], { axes: readonly number[] }>({
    name: 'permute',
    shape([x], { axes }) {
      if (axes.length !== x.rank || x.shape.some((_, k) => !axes.includes(k)))
        throw new Error(
          `permute: [${axes.join(', ')}] is not an order of the ${x.rank} axes of ${formatShape(x.shape)}`,
        );
      return axes.map(axis => sizeAt(x.shape, axis));
    },
    forward: ([x], { axes }) => ({ output: permuteView(x, axes) }),
    gradient: ({ grad, attributes: { axes } }) => [permuteView(grad, inverse(axes))],
    tolerance: 1e-6,
    example: draw => ({
      inputs: [{ shape: [2, 3, 4] }],
      attributes: {
        axes: draw.pick([
          [0, 2, 1],
          [2, 0, 1],
          [1, 2, 0],
        ]),
      },
    }),
  }),
  slice: defineOp<[x: Tensor], { axis: number; start: number; end: number }>({
    name: 'slice',
    shape([x], { axis, start, end }) {
      if (!(
        Number.isInteger(start) &&
        Number.isInteger(end) &&
        start >= 0 &&
        start <= end &&
        end <= sizeAt(x.shape, axis)
      ))
        throw new Error(`slice: ${start}..${end} is not a range within axis ${axis} of ${formatShape(x.shape)}`);
      return x.shape.map((n, k) => (k === axis ? end - start : n));
    },
    forward: ([x], { axis, start, end }) => ({ output: sliceView(x, axis, start, end - start) }),
    gradient({ grad, inputs: [x], attributes: { axis, start, end } }) {
      const whole = x.device.zeros(x.shape, { dtype: x.dtype });
      assign(sliceView(whole, axis, start, end - start), grad);
      return [whole];
    },
    tolerance: 1e-6,
    example: draw => ({
      inputs: [{ shape: [3, 5, 2] }],
      attributes: draw.pick([
        { axis: 0, start: 1, end: 3 },
        { axis: 1, start: 0, end: 4 },
        { axis: 2, start: 1, end: 2 },
      ]),
    }),
  }),
  concat: defineOp<[first: Tensor, ...Tensor[]], { axis: number }>({
    name: 'concat',
    shape(inputs, { axis }) {
      requireSameDType('concat', inputs);
      const [first, ...others] = inputs;
      for (const other of others)
        if (!sameShape(removeAxis(first.shape, axis), removeAxis(other.shape, axis)))
          throw new Error(
            `concat: ${formatShape(first.shape)} and ${formatShape(other.shape)} must agree in all axes but ${axis}`,
          );
      const total = inputs.reduce((sum, x) => sum + sizeAt(x.shape, axis), 0);
      return first.shape.map((n, k) => (k === axis ? total : n));
    },
    forward(inputs, { axis }, shape) {
      const output = inputs[0].device.empty(shape, inputs[0].dtype, 'concat');
      mapParts(output, inputs, axis, assign);
      return { output };
    },
    gradient: ({ grad, inputs, attributes: { axis } }) => mapParts(grad, inputs, axis, part => part),
    tolerance: 1e-6,
    example: draw => {
      const axis = draw.pick([0, 1, 2]);
      const shapes = [1, 2, 3].map(n => [2, 3, 2].map((size, k) => (k === axis ? n : size)));
      return { inputs: shapes.map(shape => ({ shape })), attributes: { axis } };
    },
  }),
  broadcastTo: defineOp<[x: Tensor], { shape: Shape }>({
    name: 'broadcastTo',
    shape([x], { shape }) {
      if (!sameShape(broadcastShapes(x.shape, shape, 'broadcastTo'), shape))
        throw new Error(`broadcastTo: ${formatShape(x.shape)} does not broadcast to ${formatShape(shape)}`);
      return shape;
    },
    forward: ([x], _, shape) => ({ output: x.view(shape, broadcastStrides(x.shape, x.strides, shape)) }),
    gradient: ({ grad, inputs: [x] }) => [sumTo(grad, x.shape)],
    tolerance: 1e-6,
    example: draw => ({
      inputs: [{ shape: draw.pick([[3], [1, 3], [2, 1]]) }],
      attributes: { shape: [4, 2, 3] },
    }),
  }),
} as const;

function removeAxis(shape: Shape, axis: number): number[] {
  return shape.filter((_, k) => k !== axis);
}

/** The same elements in another shape: a view if `x` is contiguous, else a copy. @throws Error if sizes differ. */
export const reshape = (x: Tensor, shape: Shape): Tensor => applyOp(shapeOps.reshape, [x], { shape });
/** Axes in another order, as a view. */
export const permute = (x: Tensor, axes: readonly number[]): Tensor => applyOp(shapeOps.permute, [x], { axes });
/** The last two axes swapped, as a view; `matmul` reads it without a copy. */
export const transpose = (x: Tensor): Tensor =>
  permute(
    x,
    x.shape.map((_, k) => (k < x.rank - 2 ? k : 2 * x.rank - 3 - k)),
  );
/** Elements start..end (exclusive) along an axis, as a view. */
export const slice = (x: Tensor, axis: number, start: number, end: number): Tensor =>
  applyOp(shapeOps.slice, [x], { axis: normalizeAxis(axis, x.rank, 'slice'), start, end });
/** Tensors one after another along an axis. */
export const concat = (inputs: readonly Tensor[], axis = 0): Tensor => {
  const [first, ...others] = inputs;
  if (!first) throw new Error('concat needs at least one tensor');
  return applyOp(shapeOps.concat, [first, ...others], { axis: normalizeAxis(axis, first.rank, 'concat') });
};
/** Repeats dimensions of size 1, as a view. */
export const broadcastTo = (x: Tensor, shape: Shape): Tensor => applyOp(shapeOps.broadcastTo, [x], { shape });
