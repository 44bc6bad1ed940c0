/** Losses from logits, one value per row; sum them for a scalar. */
import {
  crossEntropyKernel,
  crossEntropyTokensKernel,
  divergenceFields,
  divergenceStatsKernel,
  forwardKlKernel,
  reverseKlKernel,
} from '../../kernels/index.js';
import { applyOp, defineOp, requireSameDType } from '../op.js';
import type { None } from '../op.js';
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
      `${what}: needs one i32 token per row, got ${tokens.dtype} ${formatShape(tokens.shape)} for ${formatShape(logits.shape)}`,
    );
}

/** The saved gradient per row, times what flows in from above. */
function scaleRows(saved: Tensor, grad: Tensor): Tensor {
  const g = contiguous(grad);
  return binary('mul', saved, g.view([g.size, 1]));
}

/** What a divergence needs beside student, teacher and weights. */
export interface DistillationAttributes {
  readonly floor: Tensor;
}

function distillationOp(divergence: 'reverse_kl' | 'forward_kl') {
  return defineOp<[student: Tensor, teacher: Tensor, weight: Tensor], DistillationAttributes, [gradient: Tensor]>({
    name: divergence,
    shape([student, teacher, weight]) {
      requireSameDType(divergence, [student, teacher]);
      requireMatrixAndWeights(divergence, student, [teacher], weight);
      return [weight.size];
    },
    forward([student, teacher, weight], { floor }, shape) {
      const { device } = student;
      const { rows, cols } = rowsAndCols(student.shape);
      const loss = device.empty(shape, wideDType(student), divergence);
      const grad = device.empty(student.shape, student.dtype, `${divergence} gradient`);
      const operands = {
        student: contiguous(student),
        teacher: contiguous(teacher),
        weight: contiguous(weight),
        floor,
        loss,
        grad,
      };
      if (rows > 0)
        device.launch(divergence === 'reverse_kl' ? reverseKlKernel : forwardKlKernel, operands, { rows, cols });
      return { output: loss, saved: [grad] };
    },
    gradient: ({ grad, saved: [dz] }) => [scaleRows(dz, grad), undefined, undefined],
    tolerance: 1e-5,
    example(draw, device) {
      const [rows, cols] = [draw.pick([1, 4]), draw.pick([2, 7])];
      const floor = device.tensor([draw.pick([-1000, -2.5])], [1], { dtype: 'f64' });
      return {
        inputs: [
          { shape: [rows, cols] },
          { shape: [rows, cols], constant: true },
          { shape: [rows], range: [0, 1], constant: true },
        ],
        attributes: { floor },
      };
    },
  });
}

/** Rows of the losses: logits in, one f32 value per row out (f64 for f64). */
export const lossOps = {
  /** Inputs logits[rows, cols], target[rows, cols], weight[rows]. */
  crossEntropy: defineOp<[logits: Tensor, target: Tensor, weight: Tensor], None, [gradient: Tensor]>({
    name: 'crossEntropy',
    shape([logits, target, weight]) {
      requireMatrixAndWeights('crossEntropy', logits, [target], weight);
      return [weight.size];
    },
    forward([logits, target, weight], _, shape) {
      const { device } = logits;
      const { rows, cols } = rowsAndCols(logits.shape);
      const loss = device.empty(shape, wideDType(logits), 'crossEntropy');
      const grad = device.empty(logits.shape, logits.dtype, 'crossEntropy gradient');
      const operands = {
        logits: contiguous(logits),
        target: contiguous(target),
        weight: contiguous(weight),
        loss,
        grad,
      };
      if (rows > 0) device.launch(crossEntropyKernel, operands, { rows, cols });
      return { output: loss, saved: [grad] };
    },
    gradient: ({ grad, saved: [dz] }) => [scaleRows(dz, grad), undefined, undefined],
    tolerance: 1e-5,
    example: draw => {
      const [rows, cols] = [draw.pick([1, 4]), draw.pick([2, 7])];
      return {
        inputs: [
          { shape: [rows, cols] },
          { shape: [rows, cols], range: [0, 1], constant: true },
          { shape: [rows], range: [-1, 1], constant: true },
        ],
        attributes: {},
      };
    },
  }),
  /** Inputs logits[rows, cols], tokens i32 [rows], weight[rows]. */
  tokenCrossEntropy: defineOp<[logits: Tensor, tokens: Tensor, weight: Tensor], None, [gradient: Tensor]>({
    name: 'tokenCrossEntropy',
    shape([logits, tokens, weight]) {
      requireTokens('tokenCrossEntropy', logits, tokens);
      requireMatrixAndWeights('tokenCrossEntropy', logits, [], weight);
      return [weight.size];
    },
    forward([logits, tokens, weight], _, shape) {
      const { device } = logits;
      const { rows, cols } = rowsAndCols(logits.shape);
      const loss = device.empty(shape, wideDType(logits), 'tokenCrossEntropy');
      const grad = device.empty(logits.shape, logits.dtype, 'tokenCrossEntropy gradient');
      const operands = {
        logits: contiguous(logits),
        tokens: contiguous(tokens),
        weight: contiguous(weight),
        loss,
        grad,
      };
      if (rows > 0) device.launch(crossEntropyTokensKernel, operands, { rows, cols });
      return { output: loss, saved: [grad] };
    },
    gradient: ({ grad, saved: [dz] }) => [scaleRows(dz, grad), undefined, undefined],
    tolerance: 1e-5,
    example: draw => {
      const [rows, cols] = [draw.pick([1, 4]), draw.pick([2, 7])];
      const values = Array.from({ length: rows }, () => draw.integer(-1, cols));
      return {
        inputs: [
          { shape: [rows, cols] },
          { shape: [rows], dtype: 'i32', values, constant: true },
          { shape: [rows], range: [-1, 1], constant: true },
        ],
        attributes: {},
      };
    },
  }),
  reverseKl: distillationOp('reverse_kl'),
  forwardKl: distillationOp('forward_kl'),
} as const;

/**
 * -weight * sum(target * log softmax(logits)) per row: logits[rows, vocabulary] float, target[rows, vocabulary] and
 * weight[rows] f32 (f64 with f64 logits) -> [rows]. Targets may be any distribution; weights may be negative, which makes
 * this the policy-gradient loss too: one-hot targets and weight = advantage.
 */
export const crossEntropy = (logits: Tensor, target: Tensor, weight: Tensor): Tensor =>
  applyOp(lossOps.crossEntropy, [logits, target, weight], {});

/**
 * -weight * log softmax(logits)[token] per row: logits[rows, vocabulary] float, tokens i32 [rows], weight[rows] f32 (f64) -> [rows].
 * A token outside the vocabulary (-1, or -100 as elsewhere) counts nothing. Weights may be advantages, see `crossEntropy`.
 */
export const tokenCrossEntropy = (logits: Tensor, tokens: Tensor, weight: Tensor): Tensor =>
  applyOp(lossOps.tokenCrossEntropy, [logits, tokens, weight], {});

/**
 * weight * KL(student || teacher) per row over the whole vocabulary: logits [rows, vocabulary] of both -> [rows]. No gradient
 * flows into the teacher. `floor` [1] bounds the teacher's log-probabilities from below.
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
