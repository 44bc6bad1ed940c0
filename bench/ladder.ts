/**
 * Matrix multiplication from naive to fast, one rung at a time: `npm run bench:ladder`. Each rung is checked against
 * the first. The lesson is kernels/matmul/lesson.md.
 */
import fs from 'node:fs';
import os from 'node:os';
import { benchCommand, jsonOption, progress } from './command.js';
import { matmul, openDevice } from '../core/index.js';
import type { Device } from '../core/index.js';

const size = 256;

const options = benchCommand({
  command: 'npm run bench:ladder --',
  about: `Matrix multiplication from naive to fast, ${size} x ${size} x ${size} in f32, each rung checked.`,
  measures: ['naive loops', 'rows as they lie', 'register tile', 'wasm SIMD on one thread, and on all'],
  takes: 'ten seconds',
  options: { json: jsonOption },
  examples: [['--json FILE', 'kept as JSON']],
});

type Multiply = (a: Float32Array, b: Float32Array, c: Float32Array, n: number) => void;

/** Rung 1: the definition. B is read down its columns, a new cache line for every element. */
const naive: Multiply = (a, b, c, n) => {
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < n; l++) sum += a[i * n + l]! * b[l * n + j]!;
      c[i * n + j] = sum;
    }
};

/** Rung 2: the inner loop runs along rows of B and C, as they lie in memory. */
const rowwise: Multiply = (a, b, c, n) => {
  c.fill(0);
  for (let i = 0; i < n; i++)
    for (let l = 0; l < n; l++) {
      const factor = a[i * n + l]!;
      for (let j = 0; j < n; j++) c[i * n + j] = c[i * n + j]! + factor * b[l * n + j]!;
    }
};

/**
 * Rung 3: a register tile. Four rows and two columns of C stay in variables: eight products for six loads, no store.
 */
const tiled: Multiply = (a, b, c, n) => {
  for (let i = 0; i < n; i += 4)
    for (let j = 0; j < n; j += 2) {
      let [s00, s01, s10, s11, s20, s21, s30, s31] = [0, 0, 0, 0, 0, 0, 0, 0];
      for (let l = 0; l < n; l++) {
        const [b0, b1] = [b[l * n + j]!, b[l * n + j + 1]!];
        const a0 = a[i * n + l]!;
        const a1 = a[(i + 1) * n + l]!;
        const a2 = a[(i + 2) * n + l]!;
        const a3 = a[(i + 3) * n + l]!;
        s00 += a0 * b0;
        s01 += a0 * b1;
        s10 += a1 * b0;
        s11 += a1 * b1;
        s20 += a2 * b0;
        s21 += a2 * b1;
        s30 += a3 * b0;
        s31 += a3 * b1;
      }
      c.set([s00, s01], i * n + j);
      c.set([s10, s11], (i + 1) * n + j);
      c.set([s20, s21], (i + 2) * n + j);
      c.set([s30, s31], (i + 3) * n + j);
    }
};

interface Rung {
  readonly name: string;
  readonly gflops: number;
  readonly milliseconds: number;
}

/** Best of several runs: what the code can do on an idle machine. */
async function best(body: () => Promise<void> | void, runs: number): Promise<number> {
  let least = Infinity;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await body();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

const flops = 2 * size ** 3;

function requireEqual(name: string, got: ArrayLike<number>, right: Float32Array): void {
  const worst = right.reduce((most, value, k) => Math.max(most, Math.abs(value - got[k]!)), 0);
  if (!(worst < 1e-3)) throw new Error(`${name} is off by ${worst}`);
}

async function onDevice(
  name: string,
  device: Device,
  a: Float32Array,
  b: Float32Array,
  right: Float32Array,
): Promise<Rung> {
  const [x, y] = [device.keep(device.tensor(a, [size, size])), device.keep(device.tensor(b, [size, size]))];
  requireEqual(name, await device.scope(() => matmul(x, y).read()), right);
  const repeats = 20; // launches are queued; one fence for all of them
  const milliseconds = await best(async () => {
    device.scope(() => {
      for (let k = 0; k < repeats; k++) matmul(x, y);
    });
    await device.finish();
  }, 25);
  return { name, milliseconds: milliseconds / repeats, gflops: (flops * repeats) / milliseconds / 1e6 };
}

async function main(): Promise<void> {
  const values = (factor: number) => Float32Array.from({ length: size * size }, (_, k) => Math.sin(factor * k));
  const [a, b] = [values(0.37), values(0.73)];
  const counts = [...new Set([1, os.availableParallelism()])];
  const right = new Float32Array(size * size);
  const rungs: Rung[] = [];
  progress.begin('rungs', 3 + counts.length);
  for (const [name, multiply] of [
    ['naive loops', naive],
    ['rows as they lie', rowwise],
    ['register tile', tiled],
  ] as const) {
    const c = multiply === naive ? right : new Float32Array(size * size);
    const milliseconds = await best(() => multiply(a, b, c, size), 25);
    requireEqual(name, c, right);
    rungs.push({ name, milliseconds, gflops: flops / milliseconds / 1e6 });
    progress.update(rungs.length, name);
  }
  for (const threads of counts) {
    const device = await openDevice('wasm', { threads });
    rungs.push(await onDevice(`wasm SIMD, ${threads} thread${threads > 1 ? 's' : ''}`, device, a, b, right));
    await device.close();
    progress.update(rungs.length);
  }
  progress.end();
  const result = {
    command: 'npm run bench:ladder',
    what: `C = A B, ${size} x ${size} x ${size} in f32, best of several runs`,
    machine: `${os.cpus()[0]?.model ?? 'unknown'}, ${os.availableParallelism()} processors`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    rungs,
  };
  for (const { name, gflops } of rungs) console.log(`${name.padEnd(22)} ${gflops.toFixed(2).padStart(8)} GFLOP/s`);
  if (options.json !== undefined) fs.writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
}

await main();
