/**
 * Times kernels at the shapes of the default training run and at square ones: GFLOP/s and GB/s (least traffic) beside the
 * median time. `npm run bench -- --device wasm --json bench/results/kernels-wasm.json`
 */
import { bytesPerElement, kernels } from '../kernels/index.js';
import type { Kernel } from '../kernels/index.js';
import { benchOptions, openBenchDevice, time, writeResult } from './harness.js';
import type { Timing } from './harness.js';
import type { Device, Tensor } from '../core/index.js';

interface BenchCase {
  readonly kernel: string;
  readonly params: Readonly<Record<string, number>>;
  /** Elements of every buffer. */
  readonly lengths: Readonly<Record<string, number>>;
  /** Content of integer buffers. */
  readonly values?: Readonly<Record<string, ArrayLike<number>>>;
}

function matmulCase(layout: string, m: number, n: number, k: number): BenchCase {
  return {
    kernel: `matmul_${layout}`,
    params: { m, n, k, batch: 1, strideA: 0, strideB: 0 },
    lengths: { a: m * k, b: k * n, bias: n, residual: m * n, c: m * n },
  };
}

/** 64 image sequences of stage 2: 38 prompt tokens and about 18 of a response, 4 heads of 16. */
const sequences = 64;
const length = 56;
const rows = sequences * length;
const width = 64;
const heads = 4;
const headDim = width / heads;

function sequenceTable(): number[] {
  return Array.from({ length: sequences }, (_, s) => [s * length, length, s * length, length, 38, 0]).flat();
}

const ramp = (n: number, modulo: number) => Array.from({ length: n }, (_, i) => i % modulo);

const rowParams = { rows, cols: width };
const lossRows = 18 * sequences;
const vocabulary = 128;

const cases: readonly BenchCase[] = [
  ...[256, 512, 1024].flatMap(n => ['nn', 'nt', 'tn'].map(layout => matmulCase(layout, n, n, n))),
  matmulCase('nn', rows, 3 * width, width),
  matmulCase('nn', rows, 4 * width, width),
  matmulCase('nn', rows, width, 4 * width),
  matmulCase('nt', rows, width, 4 * width),
  matmulCase('tn', 4 * width, width, rows),
  matmulCase('nn', sequences, 3 * width, width),
  {
    kernel: 'attention',
    params: { sequences, heads, headDim, strideQ: 3 * width, strideKv: 3 * width, offsetK: width, offsetV: 2 * width, maxQueries: length, maxKeys: length, scale: 0.25 }, // prettier-ignore
    lengths: { q: rows * 3 * width, kv: rows * 3 * width, table: 6 * sequences, out: rows * width, lse: rows * heads },
    values: { table: sequenceTable() },
  },
  {
    kernel: 'attention_grad',
    params: { sequences, heads, headDim, maxQueries: length, scale: 0.25 },
    lengths: {
      qkv: rows * 3 * width,
      table: 6 * sequences,
      out: rows * width,
      lse: rows * heads,
      dout: rows * width,
      dqkv: rows * 3 * width,
    },
    values: { table: sequenceTable() },
  },
  { kernel: 'softmax', params: { rows: 2048, cols: 512 }, lengths: { x: 2048 * 512, y: 2048 * 512 } },
  {
    kernel: 'layer_norm',
    params: { rows: 2048, cols: 512, eps: 1e-5 },
    lengths: { x: 2048 * 512, gamma: 512, beta: 512, y: 2048 * 512, stats: 4096 },
  },
  {
    kernel: 'layer_norm',
    params: { ...rowParams, eps: 1e-5 },
    lengths: { x: rows * width, gamma: width, beta: width, y: rows * width, stats: 2 * rows },
  },
  {
    kernel: 'layer_norm_grad_input',
    params: rowParams,
    lengths: { x: rows * width, gamma: width, stats: 2 * rows, dy: rows * width, dx: rows * width },
  },
  {
    kernel: 'reduce_sum',
    params: { outer: 1, axis: rows, inner: 4 * width },
    lengths: { x: rows * 4 * width, y: 4 * width },
  },
  { kernel: 'unary_gelu', params: { n: rows * 4 * width }, lengths: { x: rows * 4 * width, y: rows * 4 * width } },
  { kernel: 'binary_relu_grad', params: { n: rows * 4 * width }, lengths: { a: rows * 4 * width, b: rows * 4 * width, y: rows * 4 * width } }, // prettier-ignore
  {
    kernel: 'gather_rows',
    params: rowParams,
    lengths: { table: 272 * width, index: rows, y: rows * width },
    values: { index: ramp(rows, 272) },
  },
  {
    kernel: 'scatter_add_rows',
    params: { ...rowParams, tableRows: vocabulary },
    lengths: { x: rows * width, index: rows, table: vocabulary * width },
    values: { index: ramp(rows, vocabulary) },
  },
  {
    kernel: 'cross_entropy',
    params: { rows: lossRows, cols: vocabulary },
    lengths: { logits: lossRows * vocabulary, target: lossRows * vocabulary, weight: lossRows, loss: lossRows, grad: lossRows * vocabulary }, // prettier-ignore
  },
  {
    kernel: 'distillation_reverse_kl',
    params: { rows: lossRows, cols: vocabulary },
    lengths: { student: lossRows * vocabulary, teacher: lossRows * vocabulary, weight: lossRows, floor: 1, loss: lossRows, grad: lossRows * vocabulary }, // prettier-ignore
  },
  {
    kernel: 'adamw',
    params: { offset: 0, n: 2 ** 20 },
    lengths: { param: 2 ** 20, grad: 2 ** 20, m: 2 ** 20, v: 2 ** 20, hyper: 6, state: 7 },
  },
];

interface Row {
  readonly kernel: string;
  readonly params: Readonly<Record<string, number>>;
  readonly timing: Timing;
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
}

function operands(device: Device, kernel: Kernel, test: BenchCase): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  for (const [name, { kind }] of Object.entries(kernel.buffers)) {
    const n = test.lengths[name]!;
    const values = test.values?.[name] ?? Float32Array.from({ length: n }, (_, i) => ((i * 7919) % 1000) / 1000);
    tensors[name] = device.tensor(values, [n], { dtype: kind === 'index' ? 'i32' : 'f32' });
  }
  return tensors;
}

async function run(device: Device, test: BenchCase): Promise<Row> {
  const kernel = kernels.find(({ name }) => name === test.kernel);
  if (!kernel) throw new Error(`no kernel is called ${test.kernel}`);
  const { flops, elements } = kernel.cost(test.params);
  return await device.scope(async () => {
    const tensors = operands(device, kernel, test);
    const launch = () => {
      device.launch(kernel, tensors, test.params);
    };
    const timing = await time(device, launch, Math.max(1, Math.min(50, Math.round(2e7 / Math.max(flops, 1e5)))));
    const perSecond = 1e-6 / timing.median;
    return {
      kernel: test.kernel,
      params: test.params,
      timing,
      gflops: flops * perSecond,
      gigabytesPerSecond: elements * bytesPerElement.f32 * perSecond,
    };
  });
}

const options = benchOptions();
const device = await openBenchDevice(options);
console.log('kernel                    shape                                        ms   GFLOP/s    GB/s');
const results: Row[] = [];
for (const test of cases) {
  const row = await run(device, test);
  results.push(row);
  const shape = ['m', 'n', 'k', 'sequences', 'outer', 'axis', 'inner', 'rows', 'cols']
    .filter(name => name in row.params)
    .map(name => `${name} ${row.params[name]}`)
    .join(' ');
  const number = (value: number, digits: number) => value.toFixed(digits).padStart(9);
  console.log(
    row.kernel.padEnd(25),
    shape.padEnd(38),
    number(row.timing.median, 3),
    number(row.gflops, 1),
    number(row.gigabytesPerSecond, 2),
  );
}
writeResult(options.json, device, results);
await device.close();
