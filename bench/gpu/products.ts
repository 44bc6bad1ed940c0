/**
 * Matrix products and attention, at square shapes and at those of our models: the same list for our kernels and for
 * PyTorch.
 */
import type { GpuScale } from './scale.js';

export interface Product {
  readonly kind: 'matmul';
  readonly layout: 'nn' | 'nt' | 'tn';
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Which product of a training step this is. */
  readonly what: string;
}

export interface Attention {
  readonly kind: 'attention' | 'attention_grad';
  readonly sequences: number;
  readonly length: number;
  readonly heads: number;
  readonly headDim: number;
}

export type Work = Product | Attention;

export function workOf({ squares, rows, widths, attention }: GpuScale): Work[] {
  const layouts = ['nn', 'nt', 'tn'] as const;
  return [
    ...squares.flatMap(n => layouts.map<Work>(layout => ({ kind: 'matmul', layout, m: n, n, k: n, what: 'square' }))),
    ...rows.flatMap(r =>
      widths.flatMap<Work>(d => [
        { kind: 'matmul', layout: 'nn', m: r, n: 3 * d, k: d, what: 'q, k, v' },
        { kind: 'matmul', layout: 'nn', m: r, n: 4 * d, k: d, what: 'mlp in' },
        { kind: 'matmul', layout: 'nn', m: r, n: d, k: 4 * d, what: 'mlp out' },
        { kind: 'matmul', layout: 'nt', m: r, n: d, k: 4 * d, what: 'gradient of an input' },
        { kind: 'matmul', layout: 'tn', m: d, n: 4 * d, k: r, what: 'gradient of a weight' },
      ]),
    ),
    ...attention.flatMap(({ sequences, length }) =>
      [16, 32, 64].flatMap<Work>(headDim =>
        (['attention', 'attention_grad'] as const).map(kind => ({ kind, sequences, length, heads: 8, headDim })),
      ),
    ),
  ];
}

/** Names a piece of work the same way everywhere. */
export function nameOf(work: Work): string {
  return work.kind === 'matmul'
    ? `matmul ${work.layout} ${work.m} x ${work.n} x ${work.k}`
    : `${work.kind.replace('_grad', ' gradient')} ${work.sequences} x ${work.length}, ${work.heads} heads of ${work.headDim}`;
}

/**
 * Floating-point operations: two per multiply-add; attention with a full mask, its gradient counted as 2.5 times
 * forward.
 */
export function flopsOf(work: Work): number {
  if (work.kind === 'matmul') return 2 * work.m * work.n * work.k;
  const forward = 4 * work.sequences * work.length ** 2 * work.heads * work.headDim;
  return work.kind === 'attention' ? forward : 2.5 * forward;
}
