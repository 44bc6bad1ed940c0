/** What networks are made of: matrix products, normalisation, softmax, attention, rows by index. */
import {
  attentionGradKernel,
  attentionKernel,
  gatherRowsKernel,
  layerNormGradInputKernel,
  layerNormGradInputResidualKernel,
  layerNormGradParamsKernel,
  layerNormKernel,
  logSoftmaxGradKernel,
  logSoftmaxKernel,
  scatterAddRowsKernel,
  sequenceFields,
  softmaxGradKernel,
  softmaxKernel,
} from '../../kernels/index.js';
import type { Draw, DType } from '../../kernels/index.js';
import { gradientDType } from '../gradients.js';
import { applyOp, defineOp, requireSameDType, requireSameOrWide } from '../op.js';
import type { OpRow } from '../op.js';
import { binary, contiguous, converted, matmulRaw, sumTo, transposeView, wideDType } from '../primitives.js';
import { formatShape, rowsAndCols, sizeAt } from '../shape.js';
import { SequenceTable } from '../sequences.js';
import type { Tensor } from '../tensor.js';

function softmaxOp(name: 'softmax' | 'logSoftmax'): OpRow<[x: Tensor]> {
  const [forwardKernel, gradientKernel] =
    name === 'softmax' ? [softmaxKernel, softmaxGradKernel] : [logSoftmaxKernel, logSoftmaxGradKernel];
  return defineOp({
    name,
    shape([x]) {
      if (x.rank < 1) throw new Error(`${name}: needs at least one dimension, got a scalar`);
      return x.shape;
    },
    forward([x], _, shape) {
      const output = x.device.empty(shape, x.dtype, name);
      x.device.launch(forwardKernel, { x: contiguous(x), y: output }, rowsAndCols(x.shape));
      return { output };
    },
    gradient({ grad, output }) {
      const dx = output.device.empty(output.shape, output.dtype, `${name} gradient`);
      output.device.launch(gradientKernel, { y: output, dy: contiguous(grad), dx }, rowsAndCols(output.shape));
      return [dx];
    },
    tolerance: 1e-6,
    example: draw => ({ inputs: [{ shape: draw.pick([[5], [3, 1], [3, 7], [2, 3, 5]]) }], attributes: {} }),
  });
}

/**
 * Ops that multiply matrices or normalise write their result in another dtype on demand, at no cost: f32 sums are
 * rounded once.
 */
export interface OutputOptions {
  /** Of the result; default that of the first operand. */
  readonly dtype?: DType;
}

export interface LinearOptions extends OutputOptions {
  /** Default `none`. */
  readonly activation?: 'none' | 'relu';
  /** [rows, out] in the dtype of the result, added after the activation. */
  readonly residual?: Tensor;
}

/** All rows of `x` [..., cols], as a matrix. */
function asMatrix(x: Tensor): Tensor {
  const { rows, cols } = rowsAndCols(x.shape);
  return x.rank === 2 ? x : contiguous(x).view([rows, cols]);
}

/** What is known of a gather's index. */
export interface GatherAttributes {
  /**
   * i32 [tableRows]: the place in the index of each row of the table, -1 for a row that it does not name. Only for an
   * index that names no row twice.
   */
  readonly inverse?: Tensor | undefined;
}

/** Heads, and where the sequences lie in the packed rows. */
export interface AttentionAttributes {
  readonly heads: number;
  /**
   * i32 [sequences, 6] on the device; see kernels/attention. A sequence that does not lie in the rows, or is longer
   * than `maxLength`, is passed over: its rows are not written.
   */
  readonly table: Tensor;
  /** Longest sequence in rows. */
  readonly maxLength: number;
}

/** Sequences of queries and of keys, as the attention kernel takes them. */
export interface AttendOptions {
  readonly heads: number;
  /** i32 [sequences, 6]; see kernels/attention. */
  readonly table: Tensor;
  /** The most queries and keys of a sequence. */
  readonly maxQueries: number;
  readonly maxKeys: number;
}

/**
 * qkv[rows, 3 width], kv[keys, ... width of k, width of v], which may be qkv itself -> out[rows, width], stats[rows,
 * heads, 2].
 */
export function attend(qkv: Tensor, kv: Tensor, { heads, ...options }: AttendOptions): Record<'out' | 'stats', Tensor> {
  const { device } = qkv;
  const { rows, cols } = rowsAndCols(qkv.shape);
  const width = cols / 3;
  const headDim = width / heads;
  const { table, maxQueries, maxKeys } = options;
  const out = device.empty([rows, width], qkv.dtype, 'attention');
  const stats = device.empty([rows, heads, 2], wideDType(qkv), 'attention statistics');
  const strideKv = sizeAt(kv.shape, -1);
  const offsets = { offsetK: strideKv - 2 * width, offsetV: strideKv - width };
  const scale = 1 / Math.sqrt(headDim);
  const params = { sequences: sizeAt(table.shape, 0), heads, headDim, strideQ: cols, strideKv, ...offsets, scale };
  const bounds = { queryRows: rows, keyRows: sizeAt(kv.shape, 0), maxQueries, maxKeys };
  device.launch(attentionKernel, { q: qkv, kv, table, out, stats }, { ...params, ...bounds });
  return { out, stats };
}

/** Rows of the ops that layers are made of: products, norms, softmax, attention, gathers. */
export const networkOps = {
  matmul: defineOp<[a: Tensor, b: Tensor], OutputOptions>({
    name: 'matmul',
    shape([a, b]) {
      requireSameDType('matmul', [a, b]);
      const batched = b.rank > 2;
      const fits =
        a.rank >= 2 &&
        b.rank >= 2 &&
        a.shape.at(-1) === b.shape.at(-2) &&
        (!batched || (a.rank === b.rank && a.shape.slice(0, -2).every((n, k) => n === b.shape[k])));
      if (!fits)
        throw new Error(
          `matmul: ${formatShape(a.shape)} times ${formatShape(b.shape)} is not defined: the last dimension of the first must equal the ` +
            'second last of the second, and leading (batch) dimensions must agree unless the second is a matrix',
        );
      return [...a.shape.slice(0, -1), sizeAt(b.shape, -1)];
    },
    forward: ([a, b], { dtype }) => ({ output: matmulRaw(a, b, { dtype }) }),
    // C = A B  =>  dA = dC B^T, dB = A^T dC; dC is an operand now, so it takes their dtype
    gradient({ grad, inputs: [a, b], wanted, room }) {
      const g = converted(contiguous(grad), a.dtype);
      const [left, right] = b.rank === 2 ? [asMatrix(a), asMatrix(g)] : [a, g]; // a shared b sums over all batches
      return [
        wanted[0] ? matmulRaw(g, transposeView(b), { into: room(0) }) : undefined,
        wanted[1] ? matmulRaw(transposeView(left), right, { into: room(1) }) : undefined,
      ];
    },
    tolerance: 1e-6,
    example: draw => {
      const [m, k, n] = [draw.pick([1, 3, 4]), draw.pick([1, 2, 5]), draw.pick([1, 3, 6])];
      const batch = draw.pick([[], [2]]);
      return { inputs: [{ shape: [...batch, m, k] }, { shape: [...draw.pick([batch, []]), k, n] }], attributes: {} };
    },
  }),
  /** Inputs x[rows, in], w[in, out], b[out] and perhaps residual[rows, out]. */
  linear: defineOp<
    [x: Tensor, w: Tensor, b: Tensor, ...residual: Tensor[]],
    { activation: 'none' | 'relu'; dtype?: DType }
  >({
    name: 'linear',
    shape([x, w, b, residual], { activation, dtype = x.dtype }) {
      if (!(b as Tensor | undefined))
        throw new Error('linear: there is no bias; pass zeros [out], or use matmul(x, w)');
      requireSameDType('linear', [x, w]);
      requireSameOrWide('linear', x, 'b', b);
      if (residual && residual.dtype !== dtype)
        throw new Error(`linear: residual is ${residual.dtype}, but must be ${dtype} like the result`);
      const [rows = 0] = x.shape;
      const [, out = 0] = w.shape;
      if (x.rank !== 2 || w.rank !== 2 || x.shape[1] !== w.shape[0] || b.size !== out)
        throw new Error(
          `linear: x ${formatShape(x.shape)}, w ${formatShape(w.shape)}, b ${formatShape(b.shape)} must be [rows, in], [in, out], [out]`,
        );
      if (residual && (residual.shape[0] !== rows || residual.shape[1] !== out))
        throw new Error(`linear: residual ${formatShape(residual.shape)} must be ${formatShape([rows, out])}`);
      if (residual && activation !== 'none')
        throw new Error('linear: activation and residual do not go together; add the residual yourself');
      return [rows, out];
    },
    forward: ([x, w, b, residual], { activation, dtype }) => ({
      output: matmulRaw(x, w, { bias: b, activation, residual, dtype }),
    }),
    gradient({ grad, inputs: [x, w, b, residual], output, wanted, room, attributes: { activation } }) {
      const g = activation === 'relu' ? binary('relu_grad', contiguous(grad), output) : contiguous(grad);
      const operand = wanted[0] || wanted[1] ? converted(g, x.dtype) : g;
      return [
        wanted[0] ? matmulRaw(operand, transposeView(w), { into: room(0) }) : undefined,
        wanted[1] ? matmulRaw(transposeView(x), operand, { into: room(1) }) : undefined,
        wanted[2] ? sumTo(g, b.shape, gradientDType(b), () => room(2)) : undefined,
        residual && wanted[3] ? g : undefined,
      ];
    },
    tolerance: 1e-6,
    example: draw => {
      const [rows, i, o] = [draw.pick([1, 5, 9]), draw.pick([1, 3, 8]), draw.pick([1, 4, 7])];
      const more = draw.pick(['nothing', 'residual', 'relu']);
      const bias = more === 'relu' ? ([20, 30] as const) : ([-1, 1] as const); // far from relu's kink
      return {
        inputs: [
          { shape: [rows, i] },
          { shape: [i, o] },
          { shape: [o], range: bias },
          ...(more === 'residual' ? [{ shape: [rows, o] }] : []),
        ],
        attributes: { activation: more === 'relu' ? 'relu' : 'none' },
      };
    },
  }),
  softmax: softmaxOp('softmax'),
  logSoftmax: softmaxOp('logSoftmax'),
  /** Inputs x[..., cols], gamma[cols], beta[cols]. */
  layerNorm: defineOp<[x: Tensor, gamma: Tensor, beta: Tensor], { eps: number; dtype?: DType }, [stats: Tensor]>({
    name: 'layerNorm',
    shape([x, gamma, beta], { eps }) {
      if (!(eps >= 0 && eps < Infinity)) throw new Error(`layerNorm: eps is ${eps}; it must be a number from 0 on`);
      requireSameOrWide('layerNorm', x, 'gamma', gamma);
      requireSameOrWide('layerNorm', x, 'beta', beta);
      if (x.rank < 1 || gamma.size !== x.shape.at(-1) || beta.size !== gamma.size)
        throw new Error(
          `layerNorm: gamma ${formatShape(gamma.shape)} and beta ${formatShape(beta.shape)} must be as long as the rows of x ${formatShape(x.shape)}`,
        );
      return x.shape;
    },
    forward([x, gamma, beta], { eps, dtype = x.dtype }, shape) {
      const { device } = x;
      const { rows, cols } = rowsAndCols(x.shape);
      const y = device.empty(shape, dtype, 'layerNorm');
      const stats = device.empty([rows, 2], wideDType(x), 'layerNorm statistics');
      device.launch(
        layerNormKernel,
        { x: contiguous(x), gamma: contiguous(gamma), beta: contiguous(beta), y, stats },
        { rows, cols, eps },
      );
      return { output: y, saved: [stats] };
    },
    addsArrived: true,
    gradient({ grad, inputs: [x, gamma], saved: [stats], wanted, arrived, room }) {
      const { device } = x;
      const { rows, cols } = rowsAndCols(x.shape);
      const dy = contiguous(grad);
      const source = contiguous(x);
      const dx = device.empty(x.shape, gradientDType(x), 'layerNorm gradient');
      if (wanted[0])
        device.launch(
          arrived ? layerNormGradInputResidualKernel : layerNormGradInputKernel,
          { x: source, gamma: contiguous(gamma), stats, dy, residual: arrived ? contiguous(arrived) : dy, dx },
          { rows, cols },
        );
      if (!wanted[1] && !wanted[2]) return [dx, undefined, undefined];
      const [dgamma, dbeta] = [room(1), room(2)];
      device.launch(layerNormGradParamsKernel, { x: source, stats, dy, dgamma, dbeta }, { rows, cols });
      return [dx, dgamma, dbeta];
    },
    tolerance: 1e-5,
    example: draw => {
      const [rows, cols] = [draw.pick([1, 3, 40]), draw.pick([2, 5, 8])];
      return { inputs: [{ shape: [rows, cols] }, { shape: [cols] }, { shape: [cols] }], attributes: { eps: 1e-5 } };
    },
  }),
  /** Input qkv[rows, 3 * width]; output [rows, width]. */
  attention: defineOp<[qkv: Tensor], AttentionAttributes, [stats: Tensor]>({
    name: 'attention',
    shape([qkv], { heads, table }) {
      const width = (qkv.shape[1] ?? 0) / 3;
      if (qkv.rank !== 2 || !Number.isInteger(width / heads))
        throw new Error(
          `attention: qkv ${formatShape(qkv.shape)} must be [rows, 3 * heads * headDim] with ${heads} heads`,
        );
      if (table.dtype !== 'i32' || table.rank !== 2 || table.shape[1] !== sequenceFields)
        throw new Error(
          `attention: the table must be i32 [sequences, ${sequenceFields}], not ${table.dtype} ${formatShape(table.shape)}`,
        );
      return [sizeAt(qkv.shape, 0), width];
    },
    forward([qkv], { heads, table, maxLength }) {
      const source = contiguous(qkv);
      const { out, stats } = attend(source, source, { heads, table, maxQueries: maxLength, maxKeys: maxLength });
      return { output: out, saved: [stats] };
    },
    gradient({ grad, inputs: [qkv], output, saved: [stats], attributes: { heads, table, maxLength } }) {
      const { device } = qkv;
      const { rows: queryRows, cols: width } = rowsAndCols(output.shape);
      const headDim = width / heads;
      const dqkv = device.empty(qkv.shape, qkv.dtype, 'attention gradient');
      const operands = { qkv: contiguous(qkv), table, out: output, stats, dout: contiguous(grad), dqkv };
      const params = { sequences: sizeAt(table.shape, 0), heads, headDim, queryRows, maxQueries: maxLength };
      device.launch(attentionGradKernel, operands, { ...params, scale: 1 / Math.sqrt(headDim) });
      return [dqkv];
    },
    tolerance: 1e-5,
    example(draw, device) {
      const heads = draw.pick([1, 2]);
      const headDim = draw.pick([1, 4]);
      const lengths = draw.pick([[1], [5], [3, 1, 4]]);
      const table = new SequenceTable(lengths.map(length => ({ length, prefix: draw.integer(0, length) })));
      const attributes = { heads, table: table.toTensor(device), maxLength: table.maxLength };
      return { inputs: [{ shape: [table.rows, 3 * heads * headDim] }], attributes };
    },
  }),
  /** Inputs table[tableRows, cols], index i32[rows]; output [rows, cols]. */
  gatherRows: defineOp<[table: Tensor, index: Tensor], GatherAttributes>({
    name: 'gatherRows',
    shape([table, index], { inverse }) {
      if (table.rank !== 2 || index.rank !== 1 || index.dtype !== 'i32')
        throw new Error(
          `gatherRows: needs a table [rows, cols] and an i32 index [n], got ${formatShape(table.shape)} and ${index.dtype} ${formatShape(index.shape)}`,
        );
      if (inverse && (inverse.dtype !== 'i32' || inverse.size !== table.shape[0]))
        throw new Error(
          `gatherRows: the inverse of the index must be i32 with an entry for each of the table's ${table.shape[0]} rows, got ${inverse.dtype} ${formatShape(inverse.shape)}`,
        );
      return [index.size, sizeAt(table.shape, 1)];
    },
    forward([table, index], _, shape) {
      const y = table.device.empty(shape, table.dtype, 'gatherRows');
      const { rows, cols } = rowsAndCols(shape);
      const tableRows = sizeAt(table.shape, 0);
      if (rows > 0)
        table.device.launch(gatherRowsKernel, { table: contiguous(table), index: index, y }, { rows, cols, tableRows });
      return { output: y };
    },
    gradient({ grad, inputs: [table, index], room, attributes: { inverse } }) {
      const { rows: tableRows, cols } = rowsAndCols(table.shape);
      const dTable = room(0);
      const x = contiguous(grad);
      const scattered = { rows: index.size, cols, tableRows };
      const gathered = { rows: tableRows, cols, tableRows: index.size };
      if (inverse) table.device.launch(gatherRowsKernel, { table: x, index: inverse, y: dTable }, gathered);
      else table.device.launch(scatterAddRowsKernel, { x, index: index, table: dTable }, scattered);
      return [dTable, undefined];
    },
    tolerance: 1e-6,
    example: (draw: Draw, device) => {
      const values = draw.pick([[2], [3, -1, 0, 4], [4, 4, 1, -1, 0, 2, 4, 3, 3]]);
      const unique = values.length < 9;
      const inverse = Array.from({ length: 5 }, (_, row) => values.indexOf(row));
      return {
        inputs: [{ shape: [5, 3] }, { shape: [values.length], dtype: 'i32', values, constant: true }],
        attributes:
          unique && draw.pick([true, false]) ? { inverse: device.tensor(inverse, [5], { dtype: 'i32' }) } : {},
      };
    },
  }),
} as const;

/** a[..., m, k] times b[k, n] or b[..., k, n]; transposed views cost nothing. Same float dtype. */
export const matmul = (a: Tensor, b: Tensor, options: OutputOptions = {}): Tensor =>
  applyOp(networkOps.matmul, [a, b], options);
/**
 * activation(x w + b) + residual in one kernel: x[rows, in], w[in, out], b[out] -> [rows, out]. x and w have the same
 * float dtype; b may be f32 beside f16; the residual has the dtype of the result.
 */
export const linear = (
  x: Tensor,
  w: Tensor,
  b: Tensor,
  { activation = 'none', residual, dtype = x.dtype }: LinearOptions = {},
): Tensor => applyOp(networkOps.linear, residual ? [x, w, b, residual] : [x, w, b], { activation, dtype });
/** Softmax over the last dimension. */
export const softmax = (x: Tensor): Tensor => applyOp(networkOps.softmax, [x], {});
/** Logarithm of softmax over the last dimension. */
export const logSoftmax = (x: Tensor): Tensor => applyOp(networkOps.logSoftmax, [x], {});
/**
 * Layer normalisation over the last dimension (arXiv 1607.06450): x[..., cols], gamma[cols], beta[cols], eps 1e-5 by
 * default. Statistics are f32; gamma and beta may be f32 beside an f16 x.
 */
export const layerNorm = (
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  { eps = 1e-5, dtype = x.dtype }: OutputOptions & { readonly eps?: number } = {},
): Tensor => applyOp(networkOps.layerNorm, [x, gamma, beta], { eps, dtype });
/**
 * Multi-head self-attention over packed sequences with a prefix mask: qkv[rows, 3 * width] -> [rows, width]. Every
 * row must belong to exactly one sequence of the table (see `SequenceTable`).
 */
export const attention = (qkv: Tensor, attributes: AttentionAttributes): Tensor =>
  applyOp(networkOps.attention, [qkv], attributes);
/**
 * Rows of table[tableRows, cols] by index i32[rows]; zeros, and no gradient, where the table has no such row. The
 * gradient sums in a fixed order; where the index names no row twice, and its `inverse` is given, there is nothing to
 * sum, and it is a gather too.
 */
export const gatherRows = (table: Tensor, index: Tensor, attributes: GatherAttributes = {}): Tensor =>
  applyOp(networkOps.gatherRows, [table, index], attributes);
