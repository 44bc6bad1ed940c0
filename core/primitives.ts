/**
 * Tensor computations without history: what ops and their gradients are made of. They choose the kernel for the
 * shapes and strides at hand and allocate the result.
 */
import {
  accumulateKernel,
  binaryKernels,
  broadcastKernels,
  bytesPerElement,
  matmulKernel,
  reduceKernels,
  stridedReadKernel,
  stridedWriteKernel,
  unaryKernels,
} from '../kernels/index.js';
import type { BinaryName, DType, MatmulLayout, ReductionName, UnaryName } from '../kernels/index.js';
import {
  broadcastShapes,
  broadcastStrides,
  collapseDimensions,
  formatShape,
  isContiguous,
  sameShape,
  sizeOf,
} from './shape.js';
import type { Four, Shape } from './shape.js';
import type { Tensor } from './tensor.js';

/** f64 where the tensor is f64, else f32: the dtype of statistics, losses and other things that f16 cannot hold. */
export function wideDType(tensor: Tensor): 'f32' | 'f64' {
  return tensor.dtype === 'f64' ? 'f64' : 'f32';
}

/** `x` itself if kernels can read it as it lies, else a contiguous copy. Views of indices are not copied. */
export function contiguous(x: Tensor): Tensor {
  if (x.dtype === 'i32' || (x.isContiguous && (x.offset * bytesPerElement[x.dtype]) % 256 === 0)) return x;
  const y = x.device.empty(x.shape, x.dtype, 'contiguous');
  if (x.size === 0) return y;
  const { shape, strides } = collapseDimensions(x.shape, [x.strides], 'contiguous');
  x.device.launch(stridedReadKernel, { x: wholeStorage(x), y }, stridedParams(shape, strides[0], x.offset));
  return y;
}

/** Copies `x` into the view `target` of another tensor. Shapes must agree. */
export function assign(target: Tensor, x: Tensor): void {
  if (!sameShape(target.shape, x.shape))
    throw new Error(`assign: ${formatShape(x.shape)} does not fit into ${formatShape(target.shape)}`);
  if (x.size === 0) return;
  const { shape, strides } = collapseDimensions(target.shape, [target.strides], 'assign');
  x.device.launch(
    stridedWriteKernel,
    { x: contiguous(x), y: wholeStorage(target) },
    stridedParams(shape, strides[0], target.offset),
  );
}

/** Everything that lies in a tensor's storage, as one dimension. */
function wholeStorage(x: Tensor): Tensor {
  return x.view([Math.floor(x.storage.bytes / bytesPerElement[x.dtype])], [1], 0);
}

function stridedParams([d0, d1, d2, d3]: Four, [s0, s1, s2, s3]: Four, offset: number) {
  return { d0, d1, d2, d3, s0, s1, s2, s3, offset };
}

/** y = f(x), converted to `dtype`. */
export function unary(name: UnaryName, x: Tensor, dtype: DType = x.dtype): Tensor {
  const y = x.device.empty(x.shape, dtype, name);
  if (x.size > 0) x.device.launch(unaryKernels[name], { x: contiguous(x), y }, { n: x.size });
  return y;
}

/** `x` itself if it has this dtype, else a copy that has. */
export function converted(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : unary('copy', x, dtype);
}

/** y = f(a, b) with broadcasting. */
export function binary(name: BinaryName, a: Tensor, b: Tensor): Tensor {
  const shape = broadcastShapes(a.shape, b.shape, name);
  const y = a.device.empty(shape, a.dtype, name);
  const n = sizeOf(shape);
  if (n === 0) return y;
  if (sameShape(a.shape, b.shape)) {
    a.device.launch(binaryKernels[name], { a: contiguous(a), b: contiguous(b), y }, { n });
    return y;
  }
  const left = contiguous(a);
  const right = contiguous(b);
  const over = (x: Tensor) => broadcastStrides(x.shape, x.strides, shape);
  const { shape: sizes, strides } = collapseDimensions(shape, [over(left), over(right)], name);
  const [d0, d1, d2, d3] = sizes;
  const [[a0, a1, a2, a3], [b0, b1, b2, b3]] = strides;
  const params = { d0, d1, d2, d3, a0, a1, a2, a3, b0, b1, b2, b3 };
  a.device.launch(broadcastKernels[name], { a: left, b: right, y }, params);
  return y;
}

/** y += x, elementwise; both contiguous and in different memory. */
export function accumulate(y: Tensor, x: Tensor): void {
  if (y.size > 0) y.device.launch(accumulateKernel, { x: contiguous(x), y }, { n: y.size });
}

/**
 * Reduction along one axis, which stays with size 1.
 * @param dtype of the result
 * @param into where to write it, if not into new memory
 */
export function reduceAxis(
  name: ReductionName,
  x: Tensor,
  axis: number,
  dtype: DType = x.dtype,
  into?: Tensor,
): Tensor {
  const shape = x.shape.map((n, k) => (k === axis ? 1 : n));
  const y = into?.view(shape) ?? x.device.empty(shape, dtype, `reduce_${name}`);
  const outer = sizeOf(x.shape.slice(0, axis));
  const inner = sizeOf(x.shape.slice(axis + 1));
  if (outer * inner > 0)
    x.device.launch(reduceKernels[name], { x: contiguous(x), y }, { outer, axis: x.shape[axis]!, inner });
  return y;
}

/**
 * Sums a broadcast result back to the shape of the operand it came from: the gradient of broadcasting.
 * @param dtype of the sums
 * @param room gives memory of that dtype for them, where a kernel can write them as they are
 */
export function sumTo(x: Tensor, shape: Shape, dtype: DType = x.dtype, room?: () => Tensor): Tensor {
  if (sameShape(x.shape, shape)) return converted(x, dtype);
  const lead = x.rank - shape.length;
  const wide = wideDType(x); // rounded once, at the end
  let y = contiguous(x);
  if (lead > 0) {
    const rows = sizeOf(x.shape.slice(0, lead));
    const rest = x.shape.slice(lead);
    const isLast = sameShape(rest, shape) && dtype === wide;
    y = reduceAxis('sum', y.view([rows, ...rest]), 0, wide, isLast ? room?.() : undefined).view(rest);
  }
  shape.forEach((n, k) => {
    if (n === 1 && y.shape[k] !== 1) y = reduceAxis('sum', y, k, wide);
  });
  return converted(y, dtype);
}

/** The last two dimensions swapped, as a view. */
export function transposeView(x: Tensor): Tensor {
  const swap = <T>(list: readonly T[]) => [...list.slice(0, -2), list.at(-1)!, list.at(-2)!];
  return x.view(swap(x.shape), swap(x.strides));
}

/** True if `x` is a transposed view of something contiguous, in its last two dimensions. */
export function isTransposed(x: Tensor): boolean {
  return x.rank >= 2 && !x.isContiguous && isContiguous(transposeView(x).shape, transposeView(x).strides);
}

/**
 * Steps along k that a kernel adds up, in blocks of 256 or more: n equal numbers are then off by 2^-17 at most. The
 * digits of longer sums are kept by adding their halves. The rows of a batch of 512 are about as many.
 */
const longestSum = 65_536;

function longProduct(a: Tensor, b: Tensor, { bias, activation, residual, dtype = a.dtype }: MatmulEpilogue): Tensor {
  const k = a.shape.at(-1)!;
  const half = Math.ceil(k / 2 / longestSum) * longestSum;
  const part = (start: number, end: number) => {
    const along = (x: Tensor, axis: number) =>
      x.view(x.shape.with(axis, end - start), x.strides, x.offset + start * x.strides.at(axis)!);
    return matmulRaw(along(a, a.rank - 1), along(b, b.rank - 2), { dtype: wideDType(a) });
  };
  let c = binary('add', part(0, half), part(half, k));
  if (bias) c = binary('add', c, converted(bias, c.dtype));
  if (activation === 'relu') c = unary('relu', c);
  return converted(residual ? binary('add', c, converted(residual, c.dtype)) : c, dtype);
}

export interface MatmulEpilogue {
  readonly bias?: Tensor | undefined;
  readonly activation?: 'none' | 'relu';
  readonly residual?: Tensor | undefined;
  /** Of the result; default that of the first operand. Sums are in f32 (f64) whatever it is. */
  readonly dtype?: DType | undefined;
  /**
   * Memory for the result, in its shape and dtype; without an epilogue only. Default: new memory, as for a sum that is
   * added up in parts.
   */
  readonly into?: Tensor | undefined;
}

/**
 * c[batch, m, n] = a[batch, m, k] b[batch, k, n] for 3-d operands with equal batch, or a b with b[k, n] shared.
 * Transposed views cost nothing without an epilogue: the kernel's layout absorbs one of them.
 */
export function matmulRaw(a: Tensor, b: Tensor, epilogue: MatmulEpilogue = {}): Tensor {
  const { bias, activation = 'none', residual, into, dtype = into?.dtype ?? a.dtype } = epilogue;
  const { device } = a;
  if (a.shape.at(-1)! > longestSum) return longProduct(a, b, { ...epilogue, dtype });
  // epilogues exist for nn alone, and tt does not exist: a transposed view is copied then
  const plain = bias === undefined && residual === undefined && activation === 'none';
  const transposedB = plain && isTransposed(b);
  const transposedA = plain && !transposedB && isTransposed(a);
  const layout: MatmulLayout = transposedB ? 'nt' : transposedA ? 'tn' : 'nn';
  const [m, k] = a.shape.slice(-2) as [number, number];
  const n = b.shape.at(-1)!;
  const batch = sizeOf(a.shape.slice(0, -2));
  const left = transposedA ? contiguous(transposeView(a)) : contiguous(a);
  const right = transposedB ? contiguous(transposeView(b)) : contiguous(b);
  const c = into ?? device.empty([...a.shape.slice(0, -1), n], dtype, 'matmul');
  if (c.size === 0) return c;
  const kernel = matmulKernel({ layout, bias: bias !== undefined, activation, residual: residual !== undefined });
  const operands = {
    a: left,
    b: right,
    bias: bias ? contiguous(bias) : left,
    residual: residual ? contiguous(residual) : left,
    c,
  };
  const shared = b.rank === 2;
  if (shared && !transposedA) device.launch(kernel, operands, { m: batch * m, n, k, batch: 1, strideA: 0, strideB: 0 });
  else device.launch(kernel, operands, { m, n, k, batch, strideA: m * k, strideB: shared ? 0 : k * n });
  return c;
}
