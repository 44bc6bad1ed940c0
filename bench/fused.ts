/**
 * Loss kernels by row length, and the gain from fusing: layer norm's gradient plus the residual's in one kernel,
 * interleaved with the same in two.
 *
 *   node dist/bench/fused.js --device wasm --threads 1 --json bench/results/fused-wasm.json
 */
import { Device, Random } from '../core/index.js';
import type { Tensor } from '../core/index.js';
import {
  binaryKernels,
  crossEntropyTokensKernel,
  reverseKlKernel,
  layerNormGradInputKernel,
  layerNormGradInputResidualKernel,
} from '../kernels/index.js';
import { median } from './gpu/format.js';
import { benchCommand, resultOptions } from './command.js';
import { openBenchDevice, writeResult } from './harness.js';

const options = benchCommand({
  command: 'node dist/bench/fused.js',
  about: 'Loss kernels by the length of a row, and what fusing gains.',
  measures: [
    'cross-entropy and reverse KL over rows of 128 to 151,936 logits',
    "layer norm's gradient with the residual's added, in one kernel and in two",
  ],
  takes: 'a minute on two cores; each line is printed as soon as it is known',
  options: resultOptions,
  examples: [['--device wasm --threads 1', 'by processor time, which a busy machine disturbs little']],
});
const opened = await openBenchDevice(options);

/** Milliseconds of CPU time where one thread does all the work, so that other load counts little; else of wall time. */
const cpuAlone = opened.capabilities.threads === 1 && !opened.capabilities.asynchronous;
function now(): number {
  const { user, system } = process.cpuUsage();
  return cpuAlone ? (user + system) / 1000 : performance.now();
}

function values(device: Device, shape: readonly number[], scale: number, seed: number): Tensor {
  const random = new Random(2, seed);
  const size = shape.reduce((a, b) => a * b, 1);
  const drawn = Float32Array.from({ length: Math.min(size, 2 ** 16) }, () => scale * random.normal());
  return device.tensor(
    Float32Array.from({ length: size }, (_, i) => drawn[(i * 7919) % drawn.length]!),
    shape,
  );
}

/** Nanoseconds per logit of a loss kernel over 2^21 logits in rows of this length. */
async function rowTime(kernel: 'cross_entropy_tokens' | 'distillation_reverse_kl', cols: number): Promise<number> {
  const device = new Device(opened.backend);
  const rows = Math.max(8, Math.round(2 ** 21 / cols));
  return await device
    .scope(async () => {
      const [student, teacher, grad] = [
        values(device, [rows, cols], 2, 1),
        values(device, [rows, cols], 2, 2),
        device.empty([rows, cols]),
      ];
      const [weight, floor, loss] = [device.full([rows], 1), device.tensor([-12], [1]), device.empty([rows])];
      const tokens = device.tensor(new Int32Array(rows), [rows], { dtype: 'i32' });
      const launch = () => {
        if (kernel === 'cross_entropy_tokens')
          device.launch(crossEntropyTokensKernel, { logits: student, tokens, weight, loss, grad }, { rows, cols });
        else device.launch(reverseKlKernel, { student, teacher, weight, floor, loss, grad }, { rows, cols });
      };
      const times = [];
      for (let round = -1; round < 5; round++) {
        const start = now();
        launch();
        await device.finish();
        if (round >= 0) times.push(now() - start);
      }
      return (1e6 * median(times)) / (rows * cols);
    })
    .finally(() => {
      device.trim();
    });
}

const rowTimes = [];
console.log('\nloss kernels by length of a row, ns per logit');
for (const cols of [128, 2048, 32768, 151936]) {
  const tokens = await rowTime('cross_entropy_tokens', cols);
  const reverse = await rowTime('distillation_reverse_kl', cols);
  console.log(`${String(cols).padStart(7)} cross-entropy ${tokens.toFixed(2)}, reverse KL ${reverse.toFixed(2)}`);
  rowTimes.push({ cols, crossEntropyTokens: tokens, reverseKl: reverse });
}

/** Layer norm's gradient plus the residual's: one fused kernel against the norm's kernel and an addition. */
async function normGradient(rows: number, cols: number) {
  const device = new Device(opened.backend);
  return await device.scope(async () => {
    const [x, dy, residual] = [1, 2, 3].map(seed => values(device, [rows, cols], 1, seed)) as [Tensor, Tensor, Tensor];
    const gamma = values(device, [cols], 1, 4);
    const stats = device.full([rows, 2], 1);
    const [dx, alone] = [device.empty([rows, cols]), device.empty([rows, cols])];
    const params = { rows, cols };
    const fused = () => {
      device.launch(layerNormGradInputResidualKernel, { x, gamma, stats, dy, residual, dx }, params);
    };
    const inPieces = () => {
      device.launch(layerNormGradInputKernel, { x, gamma, stats, dy, residual: dy, dx: alone }, params);
      device.launch(binaryKernels.add, { a: residual, b: alone, y: dx }, { n: rows * cols });
    };
    const repeat = 20;
    const times = { fused: [] as number[], inPieces: [] as number[] };
    for (let round = -2; round < 25; round++)
      for (const [name, body] of Object.entries({ fused, inPieces })) {
        const start = now();
        for (let i = 0; i < repeat; i++) body();
        await device.finish();
        if (round >= 0) times[name as keyof typeof times].push((now() - start) / repeat);
      }
    return { rows, cols, fused: median(times.fused), inPieces: median(times.inPieces) };
  });
}

const norms = [];
console.log('\nlayer norm, gradient to the input, with the residual stream’s');
for (const [rows, cols] of [
  [1408, 96],
  [1408, 128],
  [8192, 256],
  [8192, 512],
] as const) {
  const result = await normGradient(rows, cols);
  const { fused, inPieces } = result;
  console.log(
    `${rows} x ${cols}: one kernel ${(1e3 * fused).toFixed(0)} us, norm and addition ${(1e3 * inPieces).toFixed(0)} us, ratio ${(inPieces / fused).toFixed(2)}`,
  );
  norms.push(result);
}

writeResult(options.json, opened, { rowTimes, norms });
await opened.close();
