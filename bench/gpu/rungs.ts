/**
 * The matrix multiplication ladder on this adapter, from one lane per element to matrix units. Each rung stands beside
 * its roofline: what the machine can do at that ratio of arithmetic to traffic (Williams et al. 2009, CACM 52(4)).
 */
import { Device } from '../../core/index.js';
import { openDevice } from '../../core/backends/webgpu/device.js';
import { WebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { checkCase, conformanceCase, tilesOf } from '../../kernels/cases.js';
import { defineMatmul } from '../../kernels/index.js';
import type { Kernel, Tile, WgslMachine, WgslProfile } from '../../kernels/index.js';
import { lanePass } from '../../kernels/wgsl.js';
import { attempt } from './attempt.js';
import { measureLimits } from './limits.js';
import type { Limits } from './limits.js';
import type { GpuScale } from './scale.js';
import { random, timeOf } from './sweep.js';

export interface RungRow {
  readonly rung: string;
  readonly dtype: 'f32' | 'f16';
  /** Side of the square matrices. */
  readonly n: number;
  readonly milliseconds: number;
  readonly gflops: number;
  /** GFLOP/s of the roof above it: registers, or memory times operations per byte, whichever is lower. */
  readonly roof: number;
}

export interface Ladder {
  readonly adapter: string;
  readonly limits: Limits;
  readonly rows: readonly RungRow[];
  /** Rungs that do not run here or compute something else; the others went on. */
  readonly problems: readonly string[];
}

const plain = { layout: 'nn', bias: false, activation: 'none', residual: false } as const;

/** Rung 0: one lane per element of C, every operand read from memory. */
function naive(): Kernel {
  const kernel = defineMatmul(plain);
  const wgsl: (typeof kernel)['wgsl'] = target => [
    lanePass(
      target,
      ({ m, n }) => m! * n!,
      'params.m * params.n',
      `let row = i / params.n;
  let column = i % params.n;
  var sum = 0.0;
  for (var l = 0u; l < params.k; l++) { sum += load_a(row * params.k + l) * load_b(l * params.n + column); }
  store_c(i, sum);`,
    ),
  ];
  return { ...kernel, name: 'matmul_naive', wgsl };
}

interface Rung {
  readonly name: string;
  readonly profile: WgslProfile;
  readonly kernel: Kernel;
}

const tiled = (machine: WgslMachine, tile: Tile) =>
  defineMatmul(plain, [{ adapter: machine.adapter, bucket: 'any', tile }]) as unknown as Kernel;

const words = (tile: Tile) =>
  tile.kind === 'alu'
    ? `workgroup memory, ${tile.m} x ${tile.n} tiles, ${tile.rows} x ${tile.columns} per lane`
    : `matrix units, ${tile.kind === 'direct' ? 'operands from storage' : 'operands staged'}, ${tile.m} x ${tile.n} tiles`;

/** Simplest first; matrix units only where the adapter has them. */
function rungsOf(machine: WgslMachine, profile: WgslProfile): Rung[] {
  const alu = { kind: 'alu', m: 64, n: 64, depth: 16, rows: 4, columns: 4 } as const;
  const matrix = tilesOf({ profile, machine }).filter(({ kind }) => kind !== 'alu');
  return [
    { name: 'a lane per element', profile: 'alu', kernel: naive() },
    { name: 'registers alone, 8 x 8 per lane', profile: 'software', kernel: defineMatmul(plain) },
    { name: words(alu), profile: 'alu', kernel: tiled(machine, alu) },
    ...(profile === 'sgmat'
      ? matrix.map((tile): Rung => ({ name: words(tile), profile: 'sgmat', kernel: tiled(machine, tile) }))
      : []),
  ];
}

/** Times every rung, after checking it against the reference. @param known limits of this machine, if measured */
export async function climb(scale: GpuScale, known: Limits | undefined, onLadder: (ladder: Ladder) => void) {
  const { device: probe, machine, profile, capabilities } = await openDevice();
  probe.destroy();
  const limits = known?.adapter === capabilities.name ? known : await measureLimits(scale);
  const rows: RungRow[] = [];
  const problems: string[] = [];
  const backends = new Map<WgslProfile, WebGpuBackend>();
  for (const rung of rungsOf(machine, profile)) {
    const backend = backends.get(rung.profile) ?? new WebGpuBackend(await openDevice({ profile: rung.profile }));
    backends.set(rung.profile, backend);
    for (const dtype of rung.profile === 'sgmat' ? (['f16'] as const) : (['f32', 'f16'] as const)) {
      if (!backend.capabilities.dtypes.includes(dtype)) continue;
      const measured = await attempt(`${rung.name} in ${dtype}`, problems, () => timesOf(backend, rung, dtype, scale));
      const isMatrix = rung.profile === 'sgmat';
      for (const { n, milliseconds } of measured ?? []) {
        const bytes = 3 * n * n * (dtype === 'f16' ? 2 : 4);
        const arithmetic = 1000 * (isMatrix ? Math.max(...Object.values(limits.matrix)) : (limits.f32 ?? NaN));
        const roof = Math.min(arithmetic, ((limits.copy ?? NaN) * 2 * n ** 3) / bytes);
        rows.push({ rung: rung.name, dtype, n, milliseconds, gflops: (2 * n ** 3) / milliseconds / 1e6, roof });
      }
      onLadder({ adapter: capabilities.name, limits, rows, problems });
    }
  }
  for (const backend of backends.values()) await backend.close();
}

/** Milliseconds of a rung at every size. @throws Error if it computes something else, or not at all */
async function timesOf(backend: WebGpuBackend, { kernel }: Rung, dtype: 'f32' | 'f16', scale: GpuScale) {
  const example = {
    params: { m: 64, n: 64, k: 64, batch: 1, strideA: 0, strideB: 0 },
    lengths: { a: 4096, b: 4096, bias: 64, residual: 4096, c: 4096 },
  };
  const problem = await checkCase(backend, kernel, conformanceCase(kernel, example, dtype, 1, 1));
  if (problem !== undefined && !scale.isRehearsal) throw new Error(problem);
  const device = new Device(backend);
  const times: { readonly n: number; readonly milliseconds: number }[] = [];
  for (const n of scale.ladder) {
    const milliseconds = await device.scope(async () => {
      const [a, b, c] = [1, 2, 3].map(() => random(device, n * n, dtype));
      const tensors = { a: a!, b: b!, bias: a!, residual: a!, c: c! };
      const params = { m: n, n, k: n, batch: 1, strideA: 0, strideB: 0 };
      return await timeOf(device, () => {
        device.launch(kernel, tensors, params);
      });
    });
    device.trim();
    times.push({ n, milliseconds });
  }
  return times;
}
