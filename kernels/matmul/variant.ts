/** The products that the op table asks for: layouts and epilogues. */

/** Which operands are read transposed, as in BLAS: the first letter is A, the second B. */
export type MatmulLayout = 'nn' | 'nt' | 'tn';

/** A product with its epilogue. */
export interface MatmulVariant {
  readonly layout: MatmulLayout;
  /** Adds `bias[n]` to every row. */
  readonly bias: boolean;
  /** Applied after the bias. */
  readonly activation: 'none' | 'relu';
  /** Adds `residual[batch, m, n]` at the very end. */
  readonly residual: boolean;
}

/** The name of the kernel of a product: its layout, and what is done to its results. */
export function matmulName({ layout, bias, activation, residual }: MatmulVariant): string {
  const parts = [bias && 'bias', activation === 'relu' && 'relu', residual && 'residual'];
  return ['matmul', layout, ...parts.filter(part => part !== false)].join('_');
}

/** All of them. */
export const matmulVariants: readonly MatmulVariant[] = [
  { layout: 'nn', bias: false, activation: 'none', residual: false },
  { layout: 'nn', bias: true, activation: 'none', residual: false },
  { layout: 'nn', bias: true, activation: 'relu', residual: false },
  { layout: 'nn', bias: true, activation: 'none', residual: true },
  { layout: 'nt', bias: false, activation: 'none', residual: false },
  { layout: 'tn', bias: false, activation: 'none', residual: false },
];
