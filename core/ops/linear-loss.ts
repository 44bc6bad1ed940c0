/**
 * Losses of a linear head for vocabularies so large that logits do not fit into memory: x w + bias is formed for some rows at a time,
 * with its loss and its gradient, and gone before the next rows begin. Gradients are formed on the way forward and scaled on the way
 * back (Liger Kernel, arXiv 2410.10989, section 3.2), so three products are enough; those of w and bias are added up over the chunks
 * in place, in f32 and in the order of the rows.
 *
 * Shapes: N rows, D width of the head's input, V vocabulary. At its peak a call holds what it returns gradients in, and of a chunk
 * the logits and their gradient (of divergences the teacher's logits too), instead of the same for all N rows.
 *
 * Measured on one thread (`node dist/bench/fused.js`, bench/results/fused-wasm.json): cross-entropy of N = 1024, D = 256, V = 32768 forward
 * and backward takes 1380 ms and 572 MB beside its inputs from all logits; in chunks of 64 rows 1565 ms and 69 MB, of 128 1491 and 69, of
 * 256 (chosen) 1435 and 102, of 512 1317 and 169. Liger's rule, logits no larger than x, would take 8 rows: fewer rows make products
 * slow, which load every weight for each chunk. Reverse KL of N = 256, D = 128, V = 151936: 1288 ms and 1091 MB, in chunks of 128
 * (chosen) 1248 and 338.
 */
import {
  crossEntropyTokensKernel,
  divergenceFields,
  divergenceStatsKernel,
  forwardKlKernel,
  jsdKernel,
  reverseKlKernel,
} from '../../kernels/index.js';
import type { Draw } from '../../kernels/index.js';
import type { Capabilities } from '../backend.js';
import type { Device } from '../device.js';
import { applyOp, defineOp, gradientDType, requireSameDType, requireSameOrWide, wideDType } from '../op.js';
import type { ForwardResult, GradientContext, OpRow } from '../op.js';
import {
  assign,
  binary,
  contiguous,
  converted,
  isTransposed,
  matmulRaw,
  reduceAxis,
  transposeView,
} from '../primitives.js';
import { formatShape, sizeOf } from '../shape.js';
import type { Shape } from '../shape.js';
import { willRecord } from '../tape.js';
import type { Tensor } from '../tensor.js';

/** Logits of `x w + bias`: x[N, D] and w[D, V] of one float dtype, bias[V] of the same or f32. w may be the transpose of a table [V, D]. */
export interface LinearHead {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly bias: Tensor;
}

/** How a loss of a linear head is computed. */
export interface LinearLossOptions {
  /** Rows whose logits are in memory together, a multiple of 64. Default `lossChunkRows`. */
  readonly chunkRows?: number;
  /**
   * One number on the device, by which gradients are multiplied while they are in f16, and divided later: `lossScale` of the
   * optimiser. Trainable f16 operands cannot do without, since their gradients are formed before `backward` is called.
   */
  readonly gradientScale?: Tensor;
}

/** `LinearLossOptions`, and what is measured beside a divergence. */
export interface LinearDivergenceOptions extends LinearLossOptions {
  /** i32 [N]: asks for `stats`, with the log-probabilities of these tokens. */
  readonly tokens?: Tensor;
}

/** What a loss of a linear head gives. */
export interface LinearLoss {
  /** The sum over all rows: a scalar in f32 (f64 for f64), with a gradient. */
  readonly loss: Tensor;
  /** Every row's part of it: [N], without history. */
  readonly rows: Tensor;
  /** [N, divergenceFields.length] as `divergenceStats` gives it, without history; undefined unless asked for. */
  readonly stats: Tensor | undefined;
}

/** Rows come in multiples of this, so that parts of a tensor begin where WebGPU can bind them: 64 numbers of f32 are 256 bytes. */
const rowStep = 64;

/** Bytes of logits that are formed at once without a thought, and the most that a chunk is given of its own accord. */
const chunkBytes = 2 ** 25;
/** Fewer rows make products slow, whose work per weight they are: see the head of this file. */
const leastRows = 128;

/**
 * Rows whose logits a loss of a linear head forms at once: all, where those of all rows take no more than 32 MiB (in f32); else the largest
 * power of two of which that is true, but at least 128, and no more than fit into one buffer of the device.
 */
export function lossChunkRows(
  rows: number,
  vocabulary: number,
  { maxBufferBytes }: Pick<Capabilities, 'maxBufferBytes'>,
): number {
  const rowsIn = (bytes: number) => 2 ** Math.floor(Math.log2(bytes / (4 * vocabulary)));
  const all = Math.max(rowStep, Math.ceil(rows / rowStep) * rowStep);
  const wanted = 4 * rows * vocabulary <= chunkBytes ? all : Math.max(leastRows, rowsIn(chunkBytes));
  const possible = Math.max(rowStep, rowsIn((8 / 9) * maxBufferBytes)); // buffers are up to an eighth larger than asked for
  return Math.min(all, wanted, possible);
}

/** `LinearLossOptions`, and where the losses of rows go. */
export interface LinearLossAttributes {
  readonly chunkRows?: number | undefined;
  readonly gradientScale?: Tensor | undefined;
  /** Takes the losses of the rows: [N]. */
  readonly rowLosses?: Tensor | undefined;
}

/** Likewise of a divergence. */
export interface LinearDivergenceAttributes extends LinearLossAttributes {
  readonly floor: Tensor;
  readonly beta?: number | undefined;
  readonly tokens?: Tensor | undefined;
  /** Takes the statistics of `tokens`: [N, fields]. */
  readonly stats?: Tensor | undefined;
}

/** Rows `from` to `from + count` of a tensor that lies in order. */
type Part = (tensor: Tensor) => Tensor;

/** A chunk of n rows: logits (n, V) and weight (n) to read; loss (n) and grad (n, V), with the weight in both, to write. */
interface Chunk {
  readonly logits: Tensor;
  readonly weight: Tensor;
  readonly loss: Tensor;
  readonly grad: Tensor;
}

type LossOfChunk = (chunk: Chunk, part: Part) => void;

function requireHead(what: string, x: Tensor, w: Tensor, bias: Tensor): void {
  requireSameDType(what, [x, w]);
  requireSameOrWide(what, x, 'bias', bias);
  if (x.rank !== 2 || w.rank !== 2 || x.shape[1] !== w.shape[0] || bias.rank !== 1 || bias.size !== w.shape[1])
    throw new Error(
      `${what}: x ${formatShape(x.shape)}, w ${formatShape(w.shape)} and bias ${formatShape(bias.shape)} must be [rows, width], ` +
        '[width, vocabulary] and [vocabulary]',
    );
}

function requireRows(what: string, rows: number, weight: Tensor, tokens: Tensor | undefined): void {
  if (weight.rank !== 1 || weight.size !== rows)
    throw new Error(`${what}: weight ${formatShape(weight.shape)} must be [${rows}], one number per row`);
  if (tokens && (tokens.dtype !== 'i32' || tokens.rank !== 1 || tokens.size !== rows))
    throw new Error(`${what}: tokens must be i32 [${rows}], not ${tokens.dtype} ${formatShape(tokens.shape)}`);
}

function requireOptions(
  what: string,
  { x, w, bias }: LinearHead,
  { chunkRows, gradientScale }: LinearLossAttributes,
): void {
  if (chunkRows !== undefined && !(Number.isInteger(chunkRows / rowStep) && chunkRows > 0))
    throw new Error(`${what}: chunkRows is ${chunkRows}; it must be a multiple of ${rowStep}`);
  if (gradientScale && gradientScale.size !== 1)
    throw new Error(`${what}: gradientScale ${formatShape(gradientScale.shape)} must be one number on the device`);
  if (x.dtype === 'f16' && !gradientScale && willRecord([x, w, bias]))
    throw new Error(
      `${what}: gradients of f16 operands are formed here, before backward(), and would vanish: pass { gradientScale: optimizer.lossScale }`,
    );
}

/**
 * The loss of all rows, summed; saved are its gradients to x, w (turned like w) and bias, times `gradientScale`.
 * @param lossOfChunk writes losses and gradient of the logits that it is given
 */
function runChunks(
  what: string,
  { x, w, bias }: LinearHead,
  weight: Tensor,
  attributes: LinearLossAttributes,
  lossOfChunk: LossOfChunk,
): ForwardResult {
  const { device } = x;
  const wide = wideDType(x);
  const [rows, cols] = [x.shape[0]!, w.shape[1]!];
  const { gradientScale: scale, rowLosses } = attributes;
  const chunkRows = attributes.chunkRows ?? lossChunkRows(rows, cols, device.capabilities);
  const trained = willRecord([x, w, bias]);
  const source = contiguous(x); // (N, D)
  const weights = contiguous(scale ? binary('mul', weight, scale.view([1])) : weight); // (N)
  const label = `${what} gradient`;
  const sumOverRows = (shape: Shape) =>
    rows > 0 ? device.empty(shape, wide, label) : device.zeros(shape, { dtype: wide });
  const losses = device.empty([rows], wide, what); // (N)
  const dx = trained ? device.empty(x.shape, wide, label) : undefined; // (N, D)
  const dw = trained ? sumOverRows(isTransposed(w) ? transposeView(w).shape : w.shape) : undefined; // (D, V) or (V, D)
  let dBias = trained ? sumOverRows([1, cols]) : undefined; // (1, V)

  for (let from = 0; from < rows; from += chunkRows) {
    const count = Math.min(chunkRows, rows - from);
    const part: Part = tensor => {
      const [, ...rest] = tensor.shape;
      return tensor.view([count, ...rest], undefined, tensor.offset + from * sizeOf(rest));
    };
    const sums = device.scope(() => {
      const logits = matmulRaw(part(source), w, { bias, dtype: wide }); // (n, V)
      const grad = device.empty(logits.shape, x.dtype, label); // (n, V)
      lossOfChunk({ logits, weight: part(weights), loss: part(losses), grad }, part);
      if (!dx || !dw || !dBias) return undefined;
      matmulRaw(grad, transposeView(w), { into: part(dx) });
      const [left, right] = isTransposed(w) ? [grad, part(source)] : [part(source), grad];
      matmulRaw(transposeView(left), right, { into: dw, accumulate: from > 0 });
      const sum = reduceAxis('sum', grad, 0, wide); // (1, V)
      return from > 0 ? binary('add', dBias, sum) : sum;
    });
    if (!dBias || !sums) continue;
    device.free(dBias);
    dBias = sums;
  }

  const unscaled = scale ? binary('div', losses, scale.view([1])) : losses; // (N)
  if (rowLosses) assign(rowLosses, unscaled);
  return { output: reduceAxis('sum', unscaled, 0).view([]), saved: dx && dw && dBias ? [dx, dw, dBias] : [] };
}

/** The saved gradients times what flows in from above. */
function scaleSaved({
  grad,
  inputs,
  saved,
  wanted,
  attributes,
}: GradientContext<LinearLossAttributes>): (Tensor | undefined)[] {
  const { gradientScale: scale } = attributes;
  const above = contiguous(grad).view([1]);
  const factor = scale ? binary('div', above, scale.view([1])) : above;
  const [x, w, bias] = inputs as readonly [Tensor, Tensor, Tensor];
  const times = (tensor: Tensor, input: Tensor) => converted(binary('mul', tensor, factor), gradientDType(input));
  return inputs.map((_, i) => {
    if (!wanted[i]) return undefined;
    if (i === 0) return times(saved[0]!, x);
    if (i === 1) return isTransposed(w) ? transposeView(times(saved[1]!, w)) : times(saved[1]!, w);
    return i === 2 ? times(saved[2]!, bias).view(bias.shape) : undefined;
  });
}

/** Attributes for a test case: several chunks for more than 64 rows, a scale or none. */
function exampleAttributes(draw: Draw, device: Device): LinearLossAttributes {
  const scale = draw.pick([1, 16]);
  return {
    chunkRows: rowStep,
    ...(scale > 1 && { gradientScale: device.tensor([scale], [1], { dtype: 'f64' }) }),
  };
}

function exampleSizes(draw: Draw) {
  return { N: draw.pick([1, 5, 70, 130]), D: draw.pick([1, 2, 4]), V: draw.pick([2, 7]) };
}

function linearDivergenceOp(divergence: 'reverse_kl' | 'forward_kl' | 'jsd'): OpRow<LinearDivergenceAttributes> {
  const name = `linear ${divergence}`;
  return defineOp<LinearDivergenceAttributes>({
    name,
    shape([x, w, bias, teacherX, teacherW, teacherBias, weight], attributes) {
      const { beta = 0.5, tokens } = attributes;
      requireHead(name, x!, w!, bias!);
      requireHead(`${name}, teacher`, teacherX!, teacherW!, teacherBias!);
      const [rows, cols] = [x!.shape[0]!, w!.shape[1]!];
      if (teacherX!.shape[0] !== rows || teacherW!.shape[1] !== cols)
        throw new Error(
          `${name}: the teacher's head gives ${formatShape([teacherX!.shape[0]!, teacherW!.shape[1]!])} logits, the student's ` +
            `${formatShape([rows, cols])}; rows and vocabulary must agree`,
        );
      requireRows(name, rows, weight!, tokens);
      requireOptions(name, { x: x!, w: w!, bias: bias! }, attributes);
      if (!(beta > 0 && beta < 1))
        throw new Error(`${name}: beta is ${beta}, but must lie between 0 (forward KL) and 1 (reverse KL)`);
      return [];
    },
    forward([x, w, bias, teacherX, teacherW, teacherBias, weight], attributes) {
      const { device } = x!;
      const { floor, beta = 0.5, tokens, stats } = attributes;
      const [sourceT, tokensInOrder] = [contiguous(teacherX!), tokens && contiguous(tokens)];
      return runChunks(name, { x: x!, w: w!, bias: bias! }, weight!, attributes, ({ logits, ...buffers }, part) => {
        const params = { rows: logits.shape[0]!, cols: logits.shape[1]! };
        const teacher = matmulRaw(part(sourceT), teacherW!, { bias: teacherBias!, dtype: logits.dtype }); // (n, V)
        const operands = { student: logits, teacher, floor, ...buffers };
        if (divergence === 'jsd') device.launch(jsdKernel, operands, { ...params, beta });
        else device.launch(divergence === 'reverse_kl' ? reverseKlKernel : forwardKlKernel, operands, params);
        if (!tokensInOrder || !stats) return;
        const measured = { student: logits, teacher, tokens: part(tokensInOrder), floor, stats: part(stats) };
        device.launch(divergenceStatsKernel, measured, params);
      });
    },
    gradient: scaleSaved,
    tolerance: 1e-5,
    example(draw, device) {
      const { N, D, V } = exampleSizes(draw);
      const teacherD = draw.pick([1, 3]);
      const floor = device.tensor([draw.pick([-1000, -2.5])], [1], { dtype: 'f64' });
      const beta = divergence === 'jsd' ? { beta: draw.pick([0.1, 0.5, 0.9]) } : {};
      const constant = (...shape: number[]) => ({ shape, constant: true });
      return {
        inputs: [
          ...[{ shape: [N, D] }, { shape: [D, V] }, { shape: [V] }],
          ...[constant(N, teacherD), constant(teacherD, V), constant(V)],
          { shape: [N], range: [0, 1], constant: true },
        ],
        attributes: { floor, ...beta, ...exampleAttributes(draw, device) },
      };
    },
  });
}

/** Rows of the losses of linear heads: a scalar each. */
export const linearLossOps = {
  /** Inputs x[N, D], w[D, V], bias[V], tokens i32 [N], weight[N]. */
  linearCrossEntropy: defineOp<LinearLossAttributes>({
    name: 'linear cross-entropy',
    shape([x, w, bias, tokens, weight], attributes) {
      const name = 'linear cross-entropy';
      requireHead(name, x!, w!, bias!);
      requireRows(name, x!.shape[0]!, weight!, tokens);
      requireOptions(name, { x: x!, w: w!, bias: bias! }, attributes);
      return [];
    },
    forward([x, w, bias, tokens, weight], attributes) {
      const tokensInOrder = contiguous(tokens!);
      return runChunks(
        'linear cross-entropy',
        { x: x!, w: w!, bias: bias! },
        weight!,
        attributes,
        ({ logits, ...buffers }, part) => {
          const [rows, cols] = logits.shape as [number, number];
          const operands = { logits, tokens: part(tokensInOrder), ...buffers };
          x!.device.launch(crossEntropyTokensKernel, operands, { rows, cols });
        },
      );
    },
    gradient: scaleSaved,
    tolerance: 1e-5,
    example(draw, device) {
      const { N, D, V } = exampleSizes(draw);
      const values = Array.from({ length: N }, (_, i) => ((i * 5) % (V + 1)) - 1);
      return {
        inputs: [
          ...[{ shape: [N, D] }, { shape: [D, V] }, { shape: [V] }],
          { shape: [N], dtype: 'i32', values, constant: true },
          { shape: [N], range: [-1, 1], constant: true },
        ],
        attributes: exampleAttributes(draw, device),
      };
    },
  }),
  linearReverseKl: linearDivergenceOp('reverse_kl'),
  linearForwardKl: linearDivergenceOp('forward_kl'),
  linearJsd: linearDivergenceOp('jsd'),
} as const;

/**
 * The sum of `tokenCrossEntropy` over the rows of a linear head's logits, which are never all in memory.
 * @param tokens i32 [N]; one outside the vocabulary counts nothing
 * @param weight f32 (f64) [N]: 1 / N for a mean
 * @throws Error for shapes and dtypes that do not fit, and for trainable f16 operands without `gradientScale`
 */
export function linearCrossEntropy(
  { x, w, bias }: LinearHead,
  tokens: Tensor,
  weight: Tensor,
  options: LinearLossOptions = {},
): LinearLoss {
  const rowLosses = rowTensor(x);
  const loss = applyOp(linearLossOps.linearCrossEntropy, [x, w, bias, tokens, weight], { ...options, rowLosses });
  return { loss, rows: rowLosses, stats: undefined };
}

function linearDivergence(
  row: OpRow<LinearDivergenceAttributes>,
  { x, w, bias }: LinearHead,
  teacher: LinearHead,
  weight: Tensor,
  attributes: LinearDivergenceAttributes,
): LinearLoss {
  const rowLosses = rowTensor(x);
  const { tokens } = attributes;
  const fields = [x.shape[0]!, divergenceFields.length];
  const stats = tokens && x.device.empty(fields, wideDType(x), 'divergenceStats'); // (N, fields)
  const inputs = [x, w, bias, teacher.x, teacher.w, teacher.bias, weight];
  return { loss: applyOp(row, inputs, { ...attributes, rowLosses, stats }), rows: rowLosses, stats };
}

function rowTensor(x: Tensor): Tensor {
  return x.device.empty([x.shape[0]!], wideDType(x), 'losses of rows');
}

/**
 * The sum of `reverseKl` over the rows of two linear heads' logits, of which neither the student's nor the teacher's are ever all in
 * memory. No gradient flows into the teacher, whose width may be another.
 * @param weight f32 (f64) [N] @param floor [1], see `reverseKl`
 */
export const linearReverseKl = (
  student: LinearHead,
  teacher: LinearHead,
  weight: Tensor,
  floor: Tensor,
  options: LinearDivergenceOptions = {},
): LinearLoss => linearDivergence(linearLossOps.linearReverseKl, student, teacher, weight, { ...options, floor });

/** The sum of `forwardKl`; otherwise like `linearReverseKl`. */
export const linearForwardKl = (
  student: LinearHead,
  teacher: LinearHead,
  weight: Tensor,
  floor: Tensor,
  options: LinearDivergenceOptions = {},
): LinearLoss => linearDivergence(linearLossOps.linearForwardKl, student, teacher, weight, { ...options, floor });

/** The sum of `jsd`; otherwise like `linearReverseKl`. @param beta between 0 and 1, both excluded */
export const linearJsd = (
  student: LinearHead,
  teacher: LinearHead,
  weight: Tensor,
  floor: Tensor,
  beta: number,
  options: LinearDivergenceOptions = {},
): LinearLoss => linearDivergence(linearLossOps.linearJsd, student, teacher, weight, { ...options, floor, beta });
