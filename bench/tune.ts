/**
 * Measures every matrix multiplication tile that the adapter can run, on shapes of every bucket, and writes the fastest
 * of each into the tuning table: `npm run bench:tune`, then review and commit the difference. Writes nothing on a
 * software adapter or with `--dry`. `--bucket few-rows` measures one bucket, `--profile alu` leaves matrix units out,
 * and `--scale 8` divides all shapes by eight, to try the command out.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { openWebGpuBackend } from '../core/backends/webgpu/webgpu.js';
import type { WebGpuBackend } from '../core/backends/webgpu/webgpu.js';
import { describeDevice, Device } from '../core/index.js';
import type { Tensor } from '../core/index.js';
import { buckets, bucketOf, defineMatmul, tileName, wgslProfiles } from '../kernels/index.js';
import type { AluTile, Bucket, MatmulLayout, MatrixTile, SplitGoal, Tile, TuningRow } from '../kernels/index.js';
import { factor, oneOf, option, toggle } from '../mgsd/cli/options.js';
import { measuredRows } from '../kernels/matmul/tuning-measured.js';
import { benchCommand } from './command.js';
import { time } from './harness.js';

const file = 'kernels/matmul/tuning-measured.ts';

/** Tokens of a batch: 64 sequences of an image and its text. */
const tokens = 11136;
/** m, n, k for each bucket, as in decoding, in decoders of width 256 and 512, and in their weight gradients. */
const shapes: Readonly<Record<Bucket, readonly (readonly [number, number, number])[]>> = {
  'few-rows': [[32, 2048, 512]],
  small: [[1024, 128, 512]],
  'small-deep': [[256, 256, tokens]],
  medium: [[tokens, 256, 256]],
  'medium-deep': [[512, 2048, tokens]],
  large: [
    [tokens, 2048, 512],
    [4096, 4096, 4096],
  ],
};

const alu = (m: number, n: number, depth: number, rows: number, columns: number): AluTile => ({
  kind: 'alu',
  m,
  n,
  depth,
  rows,
  columns,
});
const matrix = (
  kind: MatrixTile['kind'],
  m: number,
  n: number,
  depth: number,
  warpM: number,
  warpN: number,
): MatrixTile => ({ kind, m, n, depth, warpM, warpN });

/** Hand-picked entries of the table, and tiles around them. */
const candidates: readonly Tile[] = [
  alu(16, 64, 32, 4, 4),
  alu(32, 32, 16, 4, 4),
  alu(64, 64, 16, 4, 4),
  alu(64, 64, 16, 8, 4),
  alu(64, 64, 16, 8, 8),
  alu(128, 64, 16, 8, 8),
  alu(128, 128, 8, 8, 8),
  alu(128, 128, 16, 8, 8),
  ...[
    [64, 64, 32, 32],
    [64, 64, 64, 32],
    [64, 128, 32, 64],
    [128, 128, 64, 64],
  ].map(([m, n, warpM, warpN]) => matrix('direct', m!, n!, 16, warpM!, warpN!)),
  matrix('staged', 32, 64, 32, 16, 32),
  matrix('staged', 32, 128, 64, 32, 32),
  matrix('staged', 64, 64, 32, 32, 32),
  matrix('staged', 64, 64, 64, 32, 32),
  matrix('staged', 64, 128, 32, 32, 64),
  matrix('staged', 64, 128, 64, 32, 64),
  matrix('staged', 128, 128, 32, 64, 32),
  matrix('staged', 128, 128, 32, 64, 64),
  matrix('staged', 128, 128, 64, 64, 64),
  matrix('staged', 128, 256, 32, 64, 64),
];
/** For deep buckets only: one, two and four workgroups for each of about 132 processors. */
const splits: readonly (SplitGoal | undefined)[] = [
  undefined,
  ...[64, 132, 264, 528].map(workgroups => ({ workgroups, minDepth: 256 })),
];

const options = benchCommand({
  command: 'npm run bench:tune --',
  about: `Every tile of the matrix product that the adapter can run; the fastest go into ${file}.`,
  measures: [`buckets: ${buckets.join(', ')}; layouts nn, nt, tn; ${candidates.length} tiles`],
  takes: 'half an hour on a GPU; each tile is printed as it is measured',
  options: {
    dry: toggle('--dry', 'write nothing (a software adapter never does)'),
    scale: option('--scale <n>', 'divide all shapes by this, to try the command out', factor(1024), 1),
    profile: option('--profile <name>', 'as a lesser adapter', oneOf(wgslProfiles)),
    bucket: option('--bucket <name>', 'only this bucket', oneOf(buckets)),
  },
  examples: [
    ['--bucket few-rows', 'one bucket'],
    ['--dry --scale 32', 'a trial'],
  ],
});
const { scale } = options;

interface Choice {
  readonly row: TuningRow;
  readonly gflops: number;
}

const known = new Map<string, Record<'a' | 'b' | 'bias' | 'residual' | 'c', Tensor>>();

/** Operands of a shape, cached: filling them on the host takes longer than multiplying them. */
function operandsOf(device: Device, m: number, n: number, k: number, dtype: 'f32' | 'f16') {
  const key = [m, n, k, dtype].join();
  let operands = known.get(key);
  if (!operands) {
    const tensor = (size: number) =>
      device.tensor(
        Float32Array.from({ length: size }, (_, i) => ((i * 7919) % 1000) / 1000 - 0.5),
        [size],
        { dtype },
      );
    const [a, b, c] = [tensor(m * k), tensor(k * n), device.empty([m * n], dtype, 'tune')];
    known.set(key, (operands = { a, b, bias: a, residual: a, c }));
  }
  return operands;
}

/** GFLOP/s of one tile on the shapes of a bucket: operations over summed medians; undefined if another variant ran. */
async function measureRow(
  device: Device,
  backend: WebGpuBackend,
  row: TuningRow,
  dtype: 'f32' | 'f16',
): Promise<number | undefined> {
  const { layout } = row;
  if (layout === undefined || row.bucket === 'any') throw new Error('a row is measured for one layout and one bucket');
  const kernel = defineMatmul({ layout, bias: false, activation: 'none', residual: false }, [
    { ...row, bucket: 'any' },
  ]);
  let [flops, ms] = [0, 0];
  for (const [m, n, k] of shapes[row.bucket].map(shape =>
    shape.map(size => Math.max(16, Math.round(size / scale / 16) * 16)),
  )) {
    const params = { m: m!, n: n!, k: k!, batch: 1, strideA: 0, strideB: 0 };
    if (scale === 1 && bucketOf(params) !== row.bucket) throw new Error(`${m} x ${n} x ${k} is not ${row.bucket}`);
    const passes = kernel.wgsl({
      ...backend.target,
      dtypes: { a: dtype, b: dtype, bias: dtype, residual: dtype, c: dtype },
    });
    const taken = passes.filter(pass => {
      try {
        return pass.workgroups(params)[0] > 0;
      } catch {
        return false; // the tile is for other shapes, or for other machines
      }
    });
    if (!taken.some(({ variant }) => variant?.startsWith(tileName(row.tile)))) return undefined;
    const operands = operandsOf(device, m!, n!, k!, dtype);
    // some 10 ms per sample
    const repeat = Math.max(1, Math.round((backend.capabilities.software ? 1e8 : 1e12) / (2 * m! * n! * k!)));
    const timing = await time(
      device,
      () => {
        device.launch(kernel, operands, params);
      },
      Math.min(repeat, 100),
    );
    flops += kernel.cost(params).flops;
    ms += timing.median;
  }
  return flops / ms / 1e6;
}

/** The fastest row for a bucket and a layout among the candidates of some kinds. */
async function best(
  device: Device,
  backend: WebGpuBackend,
  layout: MatmulLayout,
  bucket: Bucket,
  kinds: readonly Tile['kind'][],
  dtype: 'f32' | 'f16',
): Promise<Choice | undefined> {
  const { machine } = backend.target;
  let winner: Choice | undefined;
  for (const tile of candidates.filter(({ kind }) => kinds.includes(kind)))
    for (const split of bucket.endsWith('-deep') ? splits : [undefined]) {
      const row: TuningRow = { adapter: machine.adapter, layout, bucket, tile, ...(split && { split }) };
      const gflops = await measureRow(device, backend, row, dtype);
      if (gflops === undefined) continue;
      const rounded = String(Number(gflops.toPrecision(4)));
      console.log(
        `${bucket.padEnd(12)} ${layout} ${dtype} ${tileName(tile).padEnd(30)} ${split ? `split ${split.workgroups}` : ''.padEnd(9)} ${rounded.padStart(8)} GFLOP/s`,
      );
      if (!winner || gflops > winner.gflops) {
        const measured = `${machine.adapter === 'software' ? 'software' : backend.capabilities.name}, ${dtype}: ${rounded} GFLOP/s`;
        winner = { row: { ...row, measured }, gflops };
      }
    }
  return winner;
}

const backend = await openWebGpuBackend(options.profile ? { profile: options.profile } : {});
const device = new Device(backend);
console.log(describeDevice(device.capabilities));
const { profile, machine } = backend.target;
const rows: TuningRow[] = [];
for (const bucket of buckets.filter(name => options.bucket === undefined || options.bucket === name))
  for (const layout of ['nn', 'nt', 'tn'] as const) {
    // matrices first: operands that they do not take go on to the next row
    const forMatrices =
      profile === 'sgmat' && (await best(device, backend, layout, bucket, ['direct', 'staged'], 'f16'));
    const forAlu = profile !== 'software' && (await best(device, backend, layout, bucket, ['alu'], 'f32'));
    for (const choice of [forMatrices, forAlu]) if (choice) rows.push(choice.row);
  }
await device.close();

if (rows.length === 0) console.log(`nothing to tune: the ${profile} profile has no choice of tiles`);
else if (options.dry || machine.adapter === 'software')
  console.log(`not written: ${JSON.stringify(rows, undefined, 1)}`);
else {
  const isNew = ({ adapter, layout, bucket }: TuningRow) =>
    rows.some(row => row.adapter === adapter && row.layout === layout && row.bucket === bucket);
  const kept = measuredRows.filter(row => !isNew(row));
  const header = readFileSync(file, 'utf8').split('export const', 1)[0]!;
  const text = `${header}export const measuredRows: readonly TuningRow[] = ${JSON.stringify([...kept, ...rows])};\n`;
  writeFileSync(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
  console.log(`${rows.length} rows written to ${file}`);
}
