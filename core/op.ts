/**
 * An op is one row: its shape rule, forward pass, gradient, tolerance and test domain stand together, and a row
 * without a gradient does not compile. Everything that is differentiable in this project goes through `applyOp`.
 */
import type { DType, Draw } from '../kernels/index.js';
import type { Device } from './device.js';
import { wideDType } from './primitives.js';
import { formatShape, sameShape } from './shape.js';
import type { Shape } from './shape.js';
import { asOp, record } from './tape.js';
import type { Tensor } from './tensor.js';

/** Attributes of an op that has none. */
export type None = Readonly<Record<string, never>>;

/** What a gradient is computed from. */
export interface GradientContext<Inputs extends readonly Tensor[], A, Saved extends readonly Tensor[]> {
  readonly inputs: Inputs;
  readonly output: Tensor;
  /** What `forward` kept. */
  readonly saved: Saved;
  /** d(loss) / d(output), contiguous or a view. */
  readonly grad: Tensor;
  /** Which inputs need a gradient; others may be skipped. */
  readonly wanted: { readonly [I in keyof Inputs]: boolean };
  /**
   * The gradient that has arrived at the first input from its other uses, for rows with `addsArrived`; undefined if
   * none.
   */
  readonly arrived: Tensor | undefined;
  /**
   * Memory for the gradient of input i, in its shape and dtype, to be written in full: a leaf's may be where the
   * optimiser wants it. An op that computes a gradient elsewhere need not ask.
   */
  readonly room: (i: number) => Tensor;
  readonly attributes: A;
}

/** What a forward pass gives: the output, and what the gradient will need. */
export interface ForwardResult<Saved extends readonly Tensor[]> {
  readonly output: Tensor;
  readonly saved?: Saved;
}

/** An input of a test case: random values of this shape, or fixed ones (`i32` for indices, which get no gradient). */
export interface ExampleInput {
  readonly shape: Shape;
  readonly dtype?: DType;
  readonly values?: readonly number[];
  /** Range of random values; default [-2, 2]. */
  readonly range?: readonly [number, number];
  /** No gradient is checked for it. */
  readonly constant?: boolean;
}

/** A test case of an op. */
export interface OpExample<A> {
  readonly inputs: readonly ExampleInput[];
  readonly attributes: A;
}

/**
 * An op: shape rule, forward pass, gradient, tolerance and test domain in one place. `Inputs` and `Saved` are tuples,
 * such as `[x: Tensor, w: Tensor]`.
 */
export interface OpRow<Inputs extends readonly Tensor[], A = None, Saved extends readonly Tensor[] = readonly []> {
  readonly name: string;
  /** Output shape. @throws Error that says which rule the inputs break. */
  shape(inputs: Inputs, attributes: A): Shape;
  /** Computes the output of the given shape; may return a view of an input. */
  forward(inputs: Inputs, attributes: A, shape: Shape): ForwardResult<Saved>;
  /** d(loss)/d(input) for every input, undefined where not wanted or not differentiable. */
  gradient(context: GradientContext<Inputs, A, Saved>): { readonly [I in keyof Inputs]: Tensor | undefined };
  /** True if `gradient` adds `arrived` to the first input's gradient itself, which saves a kernel. */
  readonly addsArrived?: boolean;
  /** Relative difference allowed between the gradient and finite differences in f64. */
  readonly tolerance: number;
  /** A random small case: shapes and attributes, edge cases included; tensors in attributes are made on `device`. */
  example(draw: Draw, device: Device): OpExample<A>;
}

/** A row of any op, as the tape and the tests see it. */
export type AnyOp = OpRow<readonly Tensor[], unknown, readonly Tensor[]>;

/** Identity that checks the types of a row. */
export function defineOp<Inputs extends readonly Tensor[], A = None, Saved extends readonly Tensor[] = readonly []>(
  row: OpRow<Inputs, A, Saved>,
): OpRow<Inputs, A, Saved> {
  return row;
}

/** Runs an op and records it if a gradient may be wanted. */
export function applyOp<Inputs extends readonly Tensor[], A, Saved extends readonly Tensor[]>(
  op: OpRow<Inputs, A, Saved>,
  inputs: NoInfer<Inputs>,
  attributes: NoInfer<A>,
): Tensor {
  const shape = op.shape(inputs, attributes);
  const { output, saved = [] } = asOp(op.name, () => op.forward(inputs, attributes, shape));
  if (output.device.checks && !sameShape(output.shape, shape))
    throw new Error(`op ${op.name} made ${formatShape(output.shape)}; its shape rule says ${formatShape(shape)}`);
  record(op, attributes, inputs, output, saved);
  return output;
}

/**
 * @throws Error unless `tensor` has the dtype of `main`, or is f32 beside an f16 one: kernels read both, and sum in
 * f32.
 */
export function requireSameOrWide(what: string, main: Tensor, name: string, tensor: Tensor): void {
  if (tensor.dtype !== main.dtype && tensor.dtype !== wideDType(main))
    throw new Error(
      `${what}: ${name} is ${tensor.dtype} beside ${main.dtype} operands; it must be ${main.dtype} or ${wideDType(main)}`,
    );
}

/** @throws Error unless all tensors have the dtype of the first. */
export function requireSameDType(what: string, tensors: readonly Tensor[]): void {
  const [first, ...others] = tensors;
  for (const other of others)
    if (other.dtype !== first!.dtype)
      throw new Error(
        `${what}: operands are ${first!.dtype} and ${other.dtype}; cast() one of them (nothing is cast silently)`,
      );
}
