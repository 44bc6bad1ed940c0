/** Kernels for comparing engines: those of the training step in transformer.ts, and square products. */
import { sizes } from './transformer.js';

export interface PeerKernel {
  readonly name: string;
  readonly kind: string;
  /** Of products. */
  readonly m?: number;
  readonly n?: number;
  readonly k?: number;
  readonly operands: readonly { readonly shape: readonly [number, number]; readonly fill?: 'squares' | 'oneHot' }[];
  /** Calls per sample, equal for every engine: enough that the fence is negligible. */
  readonly repeat: number;
  /** Operations, or the least bytes to read and write. */
  readonly work: number;
  readonly unit: 'GFLOP/s' | 'GB/s';
}

function product(kind: string, m: number, n: number, k: number, flopsPerSample: number): PeerKernel {
  const work = 2 * m * n * k;
  const a = kind === 'tn' ? ([k, m] as const) : ([m, k] as const);
  const b = kind === 'nt' ? ([n, k] as const) : ([k, n] as const);
  return {
    name: m === n && n === k ? `${kind} ${n}` : `${kind} ${m}x${n}x${k}`,
    kind,
    m,
    n,
    k,
    work,
    unit: 'GFLOP/s',
    operands: [{ shape: a }, { shape: b }],
    repeat: Math.max(1, Math.min(24, Math.round(flopsPerSample / work))),
  };
}

/** @param isSoftwareGpu fewer calls per sample, for adapters that are a processor */
export function peerKernels(isSoftwareGpu: boolean): PeerKernel[] {
  const { batch, length, width, heads, vocabulary } = sizes;
  const rows = batch * length;
  const flopsPerSample = isSoftwareGpu ? 3e8 : 1.5e9;
  const repeat = isSoftwareGpu ? 4 : 12;
  const x = { shape: [rows, width] } as const;
  const mlp = { shape: [rows, 4 * width] } as const;
  const wide = { shape: [2048, 512] } as const;
  const vector = { shape: [1, width] } as const;
  const flat = [Math.floor((12 * sizes.layers * width ** 2 + 2 * vocabulary * width) / 128), 128] as const;
  const bytes = (elements: number) => ({ work: 4 * elements, unit: 'GB/s', repeat }) as const;
  const pairs = (batch * length * (length + 1)) / 2;
  return [
    ...[256, 512, 1024].flatMap(n => ['nn', 'nt', 'tn'].map(kind => product(kind, n, n, n, flopsPerSample))),
    product('nn', rows, 4 * width, width, flopsPerSample),
    product('nn', rows, width, 4 * width, flopsPerSample),
    product('nt', rows, width, 4 * width, flopsPerSample),
    product('tn', width, 4 * width, rows, flopsPerSample),
    { name: 'softmax 2048x512', kind: 'softmax', operands: [wide], ...bytes(2 * 2048 * 512) },
    // the rest forward and backward, as in a training step: operands are dy and the inputs
    {
      name: `layer norm and gradients ${rows}x${width}`,
      kind: 'layerNorm',
      operands: [x, x, vector, vector],
      ...bytes(5 * rows * width),
    },
    {
      name: `GELU and gradient ${rows}x${4 * width}`,
      kind: 'gelu',
      operands: [mlp, mlp],
      ...bytes(5 * 4 * rows * width),
    },
    {
      name: `attention and gradient ${batch}x${heads}x${length}x${width / heads}`,
      kind: 'attention',
      repeat: Math.ceil(repeat / 3),
      operands: [x, { shape: [rows, 3 * width] }],
      work: 14 * pairs * width,
      unit: 'GFLOP/s',
    },
    {
      name: `cross-entropy and gradient ${rows}x${vocabulary}`,
      kind: 'crossEntropy',
      operands: [{ shape: [rows, vocabulary] }, { shape: [rows, vocabulary], fill: 'oneHot' }],
      ...bytes(3 * rows * vocabulary),
    },
    {
      name: `AdamW ${flat[0] * flat[1]}`,
      kind: 'adamw',
      operands: [{ shape: flat }, { shape: flat }, { shape: flat }, { shape: flat, fill: 'squares' }],
      ...bytes(7 * flat[0] * flat[1]),
    },
  ];
}
