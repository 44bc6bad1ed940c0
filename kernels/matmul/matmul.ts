/**
 * Matrix multiplication C = op(A) op(B) with an epilogue, the kernel in which a transformer spends its time.
 * Variants are named after BLAS: `nn` A[m,k] B[k,n]; `nt` A[m,k] B[n,k]; `tn` A[k,m] B[k,n].
 * The backward pass of Y = X W needs all three: Y is nn, dX = dY W^T is nt, dW = X^T dY is tn.
 */
import { ceilDivide, defineKernel, reads, writes } from '../kernel.js';
import type { Draw } from '../kernel.js';
import { matmulWgsl } from './matmul.wgsl.js';
import type { TuningRow } from './tuning.js';
import { matmulName, matmulVariants } from './variant.js';
import type { MatmulVariant } from './variant.js';

/** Rows of C that one unit of work computes. */
const rowsPerUnit = 64;
/** Columns of a packed panel of B. */
const panelColumns = 8;
/** Copying fewer elements than this is not worth sharing. */
const elementsPerPackUnit = 8192;
/** Where C has few rows, its columns are split too, until there is enough to share. */
const wantedUnits = 16;

/**
 * Buffers that a variant has no use for (`bias`, `residual`) take any other operand; they are never read.
 * @param rows in place of the tuning table: benchmarks and tests choose a tile by this
 */
export function defineMatmul(variant: MatmulVariant, rows?: readonly TuningRow[]) {
  const { layout, bias: hasBias, activation, residual: hasResidual } = variant;
  // flags of the wasm kernel: see Finish in kernels/wasm/tile.as.ts
  const finish = (hasBias ? 2 : 0) + (activation === 'relu' ? 4 : 0) + (hasResidual ? 8 : 0);
  return defineKernel({
    name: matmulName(variant),
    summary:
      `c[batch, m, n] = ${activation === 'relu' ? 'relu' : ''}(op(a) op(b)${hasBias ? ' + bias[n]' : ''})` +
      `${hasResidual ? ' + residual[batch, m, n]' : ''}, layout ${layout}; a batch stride of 0 shares an operand`,
    buffers: { a: reads.float, b: reads.float, bias: reads.float, residual: reads.float, c: writes.float },
    params: { m: 'u32', n: 'u32', k: 'u32', batch: 'u32', strideA: 'u32', strideB: 'u32' },
    reference({ a, b, bias, residual, c }, { m, n, k, batch, strideA, strideB }) {
      for (let z = 0; z < batch; z++)
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let l = 0; l < k; l++) {
              const fromA = a[z * strideA + (layout === 'tn' ? l * m + i : i * k + l)]!;
              const fromB = b[z * strideB + (layout === 'nt' ? j * k + l : l * n + j)]!;
              sum += fromA * fromB;
            }
            const at = (z * m + i) * n + j;
            if (hasBias) sum += bias[j]!;
            if (activation === 'relu') sum = Math.max(sum, 0);
            if (hasResidual) sum += residual[at]!;
            c[at] = sum;
          }
    },
    cost: ({ m, n, k, batch }) => ({ flops: 2 * batch * m * n * k, elements: batch * (m * k + k * n + m * n) }),
    wasm: ({ m, n, k, batch, strideB }) => {
      const panels = ceilDivide(n, panelColumns);
      const matrices = strideB === 0 ? 1 : batch;
      // few rows: B is used so little that it is read where it lies, unless it is transposed
      const packed = layout === 'nt' || m > 3;
      // A^T with long rows is copied too: steps along k would fall on the same few lines of the cache
      const strips = layout === 'tn' && m >= 512;
      const panelElements = packed ? matrices * k * panelColumns * panels : 0;
      const panelsPerPackUnit = ceilDivide(elementsPerPackUnit, panelColumns * Math.max(1, k));
      const rowBlocks = batch * ceilDivide(m, rowsPerUnit);
      const share = ceilDivide(panels, ceilDivide(wantedUnits, rowBlocks));
      // two panels at a time are read where they lie
      const panelsPerUnit = packed ? share : 2 * ceilDivide(share, 2);
      return {
        passes: [
          ...(packed ? [{ fn: 'matmul_pack', units: ceilDivide(matrices * panels, panelsPerPackUnit) }] : []),
          ...(strips ? [{ fn: 'matmul_pack_strips', units: batch * ceilDivide(m, 16) }] : []),
          { fn: 'matmul', units: rowBlocks * ceilDivide(panels, panelsPerUnit) },
        ],
        constants: [
          Number(layout === 'tn'),
          Number(layout === 'nt'),
          finish,
          Number(packed),
          panelsPerPackUnit,
          rowsPerUnit,
          panelsPerUnit,
          strips ? panelElements : 0,
        ],
        sharedScratch: 4 * (panelElements + (strips ? batch * k * 16 * ceilDivide(m, 16) : 0)),
      };
    },
    wgsl: target => matmulWgsl(variant, target, rows),
    example(draw: Draw) {
      const size = () => draw.pick([1, 2, 7, 16, 33, 64, 100]);
      const [m, n, k] = [size(), size(), size()];
      const batch = draw.pick([1, 1, 3]);
      const shared = draw.pick([true, false]);
      return exampleProduct({ m, n, k, batch }, shared);
    },
    tolerance: 2e-6,
  });
}

/** A call for tests; the matrices of a batch have a B each, or share one. */
export function exampleProduct({ m, n, k, batch }: ProductSize, shared: boolean) {
  const [a, b, c] = [batch * m * k, (shared ? 1 : batch) * k * n, batch * m * n];
  return {
    params: { m, n, k, batch, strideA: m * k, strideB: shared ? 0 : k * n },
    lengths: { a, b, bias: n, residual: c, c },
  };
}

/** Sizes of a product: C is (batch, m, n). */
export interface ProductSize {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
}

/** One kernel per variant that the op table uses. */
export const matmulKernels = matmulVariants.map(variant => defineMatmul(variant));
const byName = new Map(matmulKernels.map(kernel => [kernel.name, kernel]));

/** The kernel of a variant. @throws Error for a combination that variant.ts does not list */
export function matmulKernel(variant: MatmulVariant): (typeof matmulKernels)[number] {
  const kernel = byName.get(matmulName(variant));
  if (!kernel)
    throw new Error(`no kernel ${matmulName(variant)}: add the variant to the list in kernels/matmul/variant.ts`);
  return kernel;
}
