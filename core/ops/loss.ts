/** Losses from logits, one value per row; sum them for a scalar. */
import {
  crossEntropyKernel,
  crossEntropyTokensKernel,
  divergenceFields,
  divergenceStatsKernel,
  forwardKlKernel,
  reverseKlKernel,
} from '../../kernels/index.js';
import type { Draw, Kernel } from '../../kernels/index.js';
import type { Device } from '../device.js';
import { applyOp, defineOp, requireSameDType } from '../op.js';
import type { ExampleInput, None } from '../op.js';
import { binary, contiguous, wideDType } from '../primitives.js';
import { formatShape, rowsAndCols, sameShape } from '../shape.js';
import type { Tensor } from '../tensor.js';

function requireMatrixAndWeights(what: string, logits: Tensor, others: readonly Tensor[], weight: Tensor): void {
  const [rows] = logits.shape;
  if (
    logits.rank !== 2 ||
    others.some(x => !sameShape(x.shape, logits.shape)) ||
    weight.rank !== 1 ||
    weight.shape[0] !== rows
  )
    throw new Error(
      `${what}: needs logits [rows, vocabulary], a second matrix of the same shape and weights [rows], got ` +
        [logits, ...others, weight].map(x => formatShape(x.shape)).join(', '),
    );
}

function requireTokens(what: string, logits: Tensor, tokens: Tensor): void {
  if (tokens.dtype !== 'i32' || tokens.rank !== 1 || tokens.shape[0] !== logits.shape[0])
    throw new Error(
      `${what}: needs one i32 token per row, got ${tokens.dtype} ${formatShape(tokens.shape)} for ` +
        formatShape(logits.shape),
    );
}

/** Logits [rows, cols], what they are compared with, and weights [rows]. Only the logits get a gradient. */
type Inputs = [logits: Tensor, target: Tensor, weight: Tensor];

/** What one loss has of its own. */
interface Loss<A, B extends string> {
  readonly name: string;
  /** Gives the loss of every row and its gradient at once. */
  readonly kernel: Kernel<B, 'rows' | 'cols'>;
  /** @throws Error that says what is wrong with the inputs */
  readonly check: (inputs: Inputs) => void;
  /** By the names of the kernel's buffers. */
  readonly operands: (inputs: Inputs, attributes: A) => Readonly<Record<Exclude<B, 'loss' | 'grad'>, Tensor>>;
  readonly example: (
    rows: number,
    cols: number,
    draw: Draw,
    device: Device,
  ) => { readonly target: ExampleInput; readonly attributes: A };
  /** The smallest weight of the examples. */
  readonly leastWeight: number;
}

function lossOp<A, B extends string>({ name, kernel, check, operands, example, leastWeight }: Loss<A, B>) {
  return defineOp<Inputs, A, [gradient: Tensor]>({
    name,
    shape(inputs) {
      check(inputs);
      return [inputs[2].size];
    },
    forward(inputs, attributes, shape) {
      const [logits] = inputs;
      const { device } = logits;
      const loss = device.empty(shape, wideDType(logits), name);
      const grad = device.empty(logits.shape, logits.dtype, `${name} gradient`);
      const tensors: Record<string, Tensor> = { loss, grad };
      for (const [key, x] of Object.entries<Tensor>(operands(inputs, attributes))) tensors[key] = contiguous(x);
      if (logits.size > 0) device.launch(kernel, tensors as Record<B, Tensor>, rowsAndCols(logits.shape));
      return { output: loss, saved: [grad] };
    },
    // [rows, cols], the gradient of each row's loss, times [rows, 1], what flows in from above
    gradient: ({ grad, saved: [dLogits] }) => [
      binary('mul', dLogits, contiguous(grad).view([grad.size, 1])),
      undefined,
      undefined,
    ],
    tolerance: 1e-5,
    example(draw, device) {
      const [rows, cols] = [draw.pick([1, 4]), draw.pick([2, 7])];
      const { target, attributes } = example(rows, cols, draw, device);
      const weight: ExampleInput = { shape: [rows], range: [leastWeight, 1], constant: true };
      return { inputs: [{ shape: [rows, cols] }, { ...target, constant: true }, weight], attributes };
    },
  });
}

/** What a divergence needs beside student, teacher and weights. */
export interface DistillationAttributes {
  /** [1], in f32 (f64): the least log-probability of the teacher. */
  readonly floor: Tensor;
}

function divergenceOp(name: 'reverse_kl' | 'forward_kl') {
  return lossOp<DistillationAttributes, 'student' | 'teacher' | 'weight' | 'floor' | 'loss' | 'grad'>({
    name,
    kernel: name === 'reverse_kl' ? reverseKlKernel : forwardKlKernel,
    check([student, teacher, weight]) {
      requireSameDType(name, [student, teacher]);
      requireMatrixAndWeights(name, student, [teacher], weight);
    },
    operands: ([student, teacher, weight], { floor }) => ({ student, teacher, weight, floor }),
    example: (rows, cols, draw, device) => ({
      target: { shape: [rows, cols] },
      attributes: { floor: device.tensor([draw.pick([-1000, -2.5])], [1], { dtype: 'f64' }) },
    }),
    leastWeight: 0,
  });
}

/** Rows of the losses: logits in, one f32 value per row out (f64 for f64). */
export const lossOps = {
  /** Inputs logits[rows, cols], target[rows, cols], weight[rows]. */
  crossEntropy: lossOp<None, 'logits' | 'target' | 'weight' | 'loss' | 'grad'>({
    name: 'crossEntropy',
    kernel: crossEntropyKernel,
    check: ([logits, target, weight]) => requireMatrixAndWeights('crossEntropy', logits, [target], weight),
    operands: ([logits, target, weight]) => ({ logits, target, weight }),
    example: (rows, cols) => ({ target: { shape: [rows, cols], range: [0, 1] }, attributes: {} }),
    leastWeight: -1,
  }),
  /** Inputs logits[rows, cols], tokens i32 [rows], weight[rows]. */
  tokenCrossEntropy: lossOp<None, 'logits' | 'tokens' | 'weight' | 'loss' | 'grad'>({
    name: 'tokenCrossEntropy',
    kernel: crossEntropyTokensKernel,
    check([logits, tokens, weight]) {
      requireTokens('tokenCrossEntropy', logits, tokens);
      requireMatrixAndWeights('tokenCrossEntropy', logits, [], weight);
    },
    operands: ([logits, tokens, weight]) => ({ logits, tokens, weight }),
    example(rows, cols, draw) {
      const values = Array.from({ length: rows }, () => draw.integer(-1, cols));
      return { target: { shape: [rows], dtype: 'i32', values }, attributes: {} };
    },
    leastWeight: -1,
  }),
  reverseKl: divergenceOp('reverse_kl'),
  forwardKl: divergenceOp('forward_kl'),
} as const;

/**
 * -weight * sum(target * log softmax(logits)) per row: logits[rows, vocabulary] float, target[rows, vocabulary] and
 * weight[rows] f32 (f64 with f64 logits) -> [rows]. Targets may be any distribution. Weights may be negative, which
 * makes this the policy-gradient loss too: one-hot targets and weight = advantage.
 */
export const crossEntropy = (logits: Tensor, target: Tensor, weight: Tensor): Tensor =>
  applyOp(lossOps.crossEntropy, [logits, target, weight], {});

/**
 * -weight * log softmax(logits)[token] per row: logits[rows, vocabulary] float, tokens i32 [rows], weight[rows] f32
 * (f64) -> [rows]. A token outside the vocabulary (-1, or -100 as elsewhere) has no loss. Weights may be
 * advantages, see `crossEntropy`.
 */
export const tokenCrossEntropy = (logits: Tensor, tokens: Tensor, weight: Tensor): Tensor =>
  applyOp(lossOps.tokenCrossEntropy, [logits, tokens, weight], {});

/**
 * weight * KL(student || teacher) per row over the whole vocabulary: logits [rows, vocabulary] of both -> [rows]. No
 * gradient flows into the teacher. `floor` [1] bounds the teacher's log-probabilities from below.
 */
export const reverseKl = (student: Tensor, teacher: Tensor, weight: Tensor, floor: Tensor): Tensor =>
  applyOp(lossOps.reverseKl, [student, teacher, weight], { floor });

/** weight * KL(teacher || student) per row; otherwise like `reverseKl`. */
export const forwardKl = (student: Tensor, teacher: Tensor, weight: Tensor, floor: Tensor): Tensor =>
  applyOp(lossOps.forwardKl, [student, teacher, weight], { floor });

/**
 * Both KLs, entropies, agreement and log-probabilities of the given tokens, per row and without gradient:
 * [rows, divergenceFields.length], see kernels/loss. Tokens i32 [rows].
 */
export function divergenceStats(student: Tensor, teacher: Tensor, tokens: Tensor, floor: Tensor): Tensor {
  const { rows, cols } = rowsAndCols(student.shape);
  const stats = student.device.empty([rows, divergenceFields.length], wideDType(student), 'divergenceStats');
  const operands = { student: contiguous(student), teacher: contiguous(teacher), tokens, floor, stats };
  if (rows > 0) student.device.launch(divergenceStatsKernel, operands, { rows, cols });
  return stats;
}
