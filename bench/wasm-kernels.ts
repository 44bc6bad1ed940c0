/**
 * Speed of the wasm backend's kernels at the shapes of the default training run: GFLOP/s, best and median over many short samples.
 *
 *   npm run build && node dist/bench/wasm-kernels.js [threads] [relaxed|plain] [part of a name]
 */
import { openWasmBackend } from '../core/backends/wasm/wasm.js';
import type { Operand } from '../core/backend.js';
import { kernels } from '../kernels/index.js';
import type { Kernel } from '../kernels/index.js';

const threads = process.argv[2] ? Number(process.argv[2]) : undefined;
const simd = process.argv[3] === 'plain' || process.argv[3] === 'relaxed' ? process.argv[3] : undefined;
const only = process.argv[4] ?? '';
const backend = await openWasmBackend({
  ...(threads !== undefined && { threads }),
  ...(simd !== undefined && { simd }),
});

interface Workload {
  readonly label: string;
  readonly kernel: string;
  readonly params: readonly number[];
  readonly lengths: readonly number[];
  /** Content of index buffers, by position. */
  readonly indices?: Readonly<Record<number, readonly number[]>>;
}

function matmul(kernel: string, m: number, n: number, k: number): Workload {
  return {
    label: `${kernel} ${m} x ${n} x ${k}`,
    kernel,
    params: [m, n, k, 1, m * k, k * n],
    lengths: [m * k, k * n, n, m * n, m * n],
  };
}

const rows = 2048;
const heads = 4;
const headDim = 16;
const width = heads * headDim;

/** Packed sequences of `length` rows each, half of each a prompt. */
function attention(sequences: number, queries: number, keys: number): Workload[] {
  const table = Array.from({ length: sequences }, (_, s) =>
    queries === keys ? [s * keys, keys, s * keys, keys, keys >> 1, 0] : [s, 1, s * keys, keys, keys >> 1, keys - 1],
  ).flat();
  const [q, kv] = [sequences * queries, sequences * keys];
  const scale = 1 / Math.sqrt(headDim);
  const forward: Workload = {
    label: `attention ${sequences} x ${queries} x ${keys}`,
    kernel: 'attention',
    params: [sequences, heads, headDim, 3 * width, 3 * width, width, 2 * width, queries, keys, scale],
    lengths: [q * 3 * width, kv * 3 * width, table.length, q * width, q * heads],
    indices: { 2: table },
  };
  if (queries !== keys) return [forward];
  const backward: Workload = {
    label: `attention_grad ${sequences} x ${queries}`,
    kernel: 'attention_grad',
    params: [sequences, heads, headDim, queries, scale],
    lengths: [q * 3 * width, table.length, q * width, q * heads, q * width, q * 3 * width],
    indices: { 1: table },
  };
  return [forward, backward];
}

const workloads: readonly Workload[] = [
  ...(['matmul_nn', 'matmul_nt', 'matmul_tn'] as const).flatMap(kernel => [
    ...[64, 192, 256].map(n => matmul(kernel, rows, n, 64)),
    matmul(kernel, rows, 64, 256),
    matmul(kernel, 64, 64, rows),
    matmul(kernel, 64, 256, rows),
    matmul(kernel, 256, 64, rows),
    matmul(kernel, 64, 64, 64),
    matmul(kernel, 64, 256, 64),
    ...[256, 512, 1024].map(n => matmul(kernel, n, n, n)),
  ]),
  matmul('matmul_nn_bias', rows, 192, 64),
  matmul('matmul_nn_bias_relu', rows, 256, 64),
  matmul('matmul_nn_bias_residual', rows, 64, 256),
  matmul('matmul_nn', 1, 512, 512),
  ...attention(64, 32, 32),
  ...attention(64, 50, 50),
  ...attention(64, 1, 50),
  {
    label: `cross_entropy ${rows} x 128`,
    kernel: 'cross_entropy',
    params: [rows, 128],
    lengths: [rows * 128, rows * 128, rows, rows, rows * 128],
  },
  ...(['distillation_reverse_kl', 'distillation_forward_kl'] as const).map(kernel => ({
    label: `${kernel} ${rows} x 128`,
    kernel,
    params: [rows, 128],
    lengths: [rows * 128, rows * 128, rows, 1, rows, rows * 128],
  })),
  {
    label: `softmax ${rows} x 512`,
    kernel: 'softmax',
    params: [rows, 512],
    lengths: [rows * 512, rows * 512],
  },
  {
    label: `layer_norm ${rows} x 64`,
    kernel: 'layer_norm',
    params: [rows, 64, 1e-5],
    lengths: [rows * 64, 64, 64, rows * 64, 2 * rows],
  },
  {
    label: `layer_norm ${rows} x 512`,
    kernel: 'layer_norm',
    params: [rows, 512, 1e-5],
    lengths: [rows * 512, 512, 512, rows * 512, 2 * rows],
  },
  {
    label: `layer_norm_grad_input ${rows} x 64`,
    kernel: 'layer_norm_grad_input',
    params: [rows, 64],
    lengths: [rows * 64, 64, 2 * rows, rows * 64, rows * 64, rows * 64],
  },
  {
    label: `layer_norm_grad_params ${rows} x 64`,
    kernel: 'layer_norm_grad_params',
    params: [rows, 64, 32],
    lengths: [rows * 64, 2 * rows, rows * 64, (2 * rows * 64) / 32],
  },
  ...(['gelu', 'exp', 'tanh', 'relu'] as const).map(name => ({
    label: `unary_${name} ${rows} x 256`,
    kernel: `unary_${name}`,
    params: [rows * 256],
    lengths: [rows * 256, rows * 256],
  })),
  {
    label: `binary_add ${rows} x 64`,
    kernel: 'binary_add',
    params: [rows * 64],
    lengths: [rows * 64, rows * 64, rows * 64],
  },
  {
    label: `binary_gelu_grad ${rows} x 256`,
    kernel: 'binary_gelu_grad',
    params: [rows * 256],
    lengths: [rows * 256, rows * 256, rows * 256],
  },
  {
    label: `reduce_sum [1, ${rows}, 256]`,
    kernel: 'reduce_sum',
    params: [1, rows, 256],
    lengths: [rows * 256, 256],
  },
  {
    label: 'adamw 250000',
    kernel: 'adamw',
    params: [0, 250_000],
    lengths: [250_000, 250_000, 250_000, 250_000, 6, 7],
  },
  {
    label: 'sum_squares 250000',
    kernel: 'sum_squares',
    params: [250_000, 4096],
    lengths: [250_000, 62],
  },
  {
    label: `scatter_add_rows ${rows} x 64 -> 128`,
    kernel: 'scatter_add_rows',
    params: [rows, 64, 128],
    lengths: [rows * 64, rows, 128 * 64],
    indices: { 1: Array.from({ length: rows }, (_, i) => (i * 37) % 128) },
  },
  {
    label: 'sample_tokens 64 x 128',
    kernel: 'sample_tokens',
    params: [64, 128, 0, 1],
    lengths: [64 * 128, 128, 1, 5, 64, 64, 64],
    indices: { 3: [1, 2, 3, 4, 5], 4: Array<number>(64).fill(0) },
  },
  { label: 'launch of nothing', kernel: 'unary_copy', params: [4], lengths: [4, 4] },
];

function measure({ label, kernel: name, params, lengths, indices }: Workload): void {
  const kernel: Kernel | undefined = kernels.find(candidate => candidate.name === name);
  if (!kernel) throw new Error(`no kernel ${name}`);
  const specs = Object.values(kernel.buffers);
  const operands = lengths.map((length, i): Operand => {
    const allocation = backend.allocate(4 * length);
    const dtype = specs[i]!.kind === 'index' ? 'i32' : 'f32';
    const content = indices?.[i]
      ? Int32Array.from(indices[i])
      : Float32Array.from({ length }, (_, j) => (((j * 7919) % 1009) + 1) / 1010);
    backend.write(allocation, 0, content);
    return { allocation, dtype, byteOffset: 0, length };
  });
  const launch = () => {
    backend.launch(kernel, operands, params);
  };
  const warm = performance.now();
  let warmLaunches = 0;
  while (performance.now() - warm < 60 || warmLaunches < 5) {
    launch();
    warmLaunches++;
  }
  const perSample = Math.max(1, Math.round((warmLaunches * 4) / (performance.now() - warm)));
  const samples = Array.from({ length: 25 }, () => {
    const start = performance.now();
    for (let i = 0; i < perSample; i++) launch();
    return (performance.now() - start) / perSample;
  }).sort((a, b) => a - b);
  for (const { allocation } of operands) backend.free(allocation);
  const named = Object.fromEntries(Object.keys(kernel.params).map((key, i) => [key, params[i]!]));
  const { flops, elements } = kernel.cost(named);
  const [best, median] = [samples[0]!, samples[samples.length >> 1]!];
  const rate = (milliseconds: number) =>
    `${(flops / milliseconds / 1e6).toFixed(1).padStart(6)} GFLOP/s ${((4 * elements) / milliseconds / 1e6).toFixed(1).padStart(5)} GB/s`;
  console.log(
    `${label.padEnd(38)} best ${(best * 1e3).toFixed(1).padStart(8)} us ${rate(best)}   median ${rate(median)}`,
  );
}

const { name, driver, features } = backend.capabilities;
console.log(`${name}, ${driver}, ${JSON.stringify(features)}`);
for (const workload of workloads) if (workload.label.includes(only)) measure(workload);
await backend.close();
