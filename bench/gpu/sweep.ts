/** Our products and attention, timed one by one: dependent launches, enough of them that the fence is negligible. */
import { Device } from '../../core/index.js';
import type { Tensor } from '../../core/index.js';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { attentionGradKernel, attentionKernel, kernels, randomUniformKernel } from '../../kernels/index.js';
import type { Kernel } from '../../kernels/index.js';
import { countWays, attempt } from './attempt.js';
import type { Ways } from './attempt.js';
import { median } from './format.js';
import { flopsOf, nameOf, workOf } from './products.js';
import type { Attention, Product, Work } from './products.js';
import type { GpuScale } from './scale.js';

/** Rows, and what could not be measured. */
export interface Sweep {
  readonly rows: readonly SweepRow[];
  readonly problems: readonly string[];
}

export interface SweepRow {
  readonly name: string;
  /** Which variants of the kernel ran, and how often. */
  readonly ways: Ways;
  readonly dtype: 'f32' | 'f16';
  /** Milliseconds: median of several samples. */
  readonly milliseconds: number;
  readonly teraflops: number;
}

type Half = 'f32' | 'f16';

function kernelNamed(name: string): Kernel {
  const kernel = kernels.find(candidate => candidate.name === name);
  if (!kernel) throw new Error(`no kernel is called ${name}`);
  return kernel;
}

/** Random numbers, generated on the device: large matrices take long to upload. */
export function random(device: Device, length: number, dtype: Half): Tensor {
  const y = device.empty([length], dtype, 'benchmark');
  const control = device.tensor([1, 2, 3, 2, 0], [5], { dtype: 'i32' });
  device.launch(randomUniformKernel, { control, y }, { n: length });
  return y;
}

function launchProduct(device: Device, { layout, m, n, k }: Product, dtype: Half): () => void {
  const [a, b, c] = [m * k, k * n, m * n].map(length => random(device, length, dtype));
  const kernel = kernelNamed(`matmul_${layout}`);
  const tensors = { a: a!, b: b!, bias: a!, residual: a!, c: c! };
  return () => {
    device.launch(kernel, tensors, { m, n, k, batch: 1, strideA: 0, strideB: 0 });
  };
}

function launchAttention(device: Device, work: Attention, dtype: Half): () => void {
  const { sequences, length, heads, headDim } = work;
  const rows = sequences * length;
  const width = heads * headDim;
  // every query sees every key, as with the image tokens of a prompt
  const spans = Array.from({ length: sequences }, (_, s) => [s * length, length, s * length, length, length, 0]);
  const table = device.tensor(spans.flat(), [sequences * 6], { dtype: 'i32' });
  const qkv = random(device, rows * 3 * width, dtype);
  const out = random(device, rows * width, dtype);
  const stats = random(device, 2 * rows * heads, 'f32');
  const scale = 1 / Math.sqrt(headDim);
  const forward = () => {
    const params = {
      sequences,
      heads,
      headDim,
      strideQ: 3 * width,
      strideKv: 3 * width,
      offsetK: width,
      offsetV: 2 * width,
      queryRows: rows,
      keyRows: rows,
      maxQueries: length,
      maxKeys: length,
      scale,
    };
    device.launch(attentionKernel, { q: qkv, kv: qkv, table, out, stats }, params);
  };
  if (work.kind === 'attention') return forward;
  forward();
  const dout = random(device, rows * width, dtype);
  const dqkv = random(device, rows * 3 * width, dtype);
  return () => {
    const params = { sequences, heads, headDim, queryRows: rows, maxQueries: length, scale };
    device.launch(attentionGradKernel, { qkv, table, out, stats, dout, dqkv }, params);
  };
}

/** A sample lasts about this long, in milliseconds. */
const sampleMilliseconds = 15;

/** Milliseconds of one launch: the median over samples, each with enough launches that the fence is negligible. */
export async function timeOf(device: Device, launch: () => void): Promise<number> {
  const sample = async (repeat: number) => {
    const start = performance.now();
    for (let i = 0; i < repeat; i++) launch();
    await device.finish();
    return (performance.now() - start) / repeat;
  };
  await sample(1); // compiles
  const first = await sample(1);
  const repeat = Math.max(1, Math.min(200, Math.ceil(sampleMilliseconds / first)));
  const times: number[] = [];
  for (let i = 0; i < 5; i++) times.push(await sample(repeat));
  return median(times);
}

/** Times everything in f16, and the square products in f32 too. */
export async function sweep(scale: GpuScale, onSweep: (sweep: Sweep) => void): Promise<void> {
  const backend = await openWebGpuBackend();
  const device = new Device(backend);
  const rows: SweepRow[] = [];
  const problems: string[] = [];
  const isWanted = (work: Work, dtype: Half) => dtype === 'f16' || (work.kind === 'matmul' && work.what === 'square');
  for (const work of workOf(scale))
    for (const dtype of ['f16', 'f32'] as const) {
      if (!isWanted(work, dtype) || !device.capabilities.dtypes.includes(dtype)) continue;
      const name = nameOf(work);
      const kernel = work.kind === 'matmul' ? `matmul_${work.layout}` : work.kind;
      const run = () =>
        device.scope(() =>
          timeOf(
            device,
            work.kind === 'matmul' ? launchProduct(device, work, dtype) : launchAttention(device, work, dtype),
          ),
        );
      const measured = await attempt(`${name} in ${dtype}`, problems, () => countWays(backend, kernel, run));
      device.trim();
      if (measured) {
        const { result: milliseconds, ways } = measured;
        rows.push({ name, dtype, ways, milliseconds, teraflops: flopsOf(work) / milliseconds / 1e9 });
      }
      onSweep({ rows, problems });
    }
  await device.close();
}
