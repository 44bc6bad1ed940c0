/**
 * What fusing is worth, in turns with the same thing in pieces: losses of a linear head in chunks of rows (time and memory by rows of a
 * chunk and by vocabulary; the choice of `lossChunkRows` rests on it), the loss kernels by length of a row, and layer norm's gradient
 * with the residual's.
 *
 *   node dist/bench/fused.js --device wasm --threads 1 --json bench/results/fused-wasm.json
 */
import {
  add,
  Device,
  linearCrossEntropy,
  linearReverseKl,
  lossChunkRows,
  matmul,
  Random,
  reverseKl,
  sum,
  tokenCrossEntropy,
} from '../core/index.js';
import type { Tensor } from '../core/index.js';
import {
  binaryKernels,
  crossEntropyTokensKernel,
  reverseKlKernel,
  layerNormGradInputKernel,
  layerNormGradInputResidualKernel,
} from '../kernels/index.js';
import { benchOptions, openBenchDevice, writeResult } from './harness.js';

const options = benchOptions();
const opened = await openBenchDevice(options);
const rounds = 3;

/** Milliseconds: of the processor where one thread does all the work, so that others on the machine count little; else of the clock. */
const cpuAlone = opened.capabilities.threads === 1 && opened.capabilities.backend !== 'webgpu';
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

const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!;

interface Result {
  readonly milliseconds: number;
  /** Largest sum of live tensors beyond those that were there before, in MB. */
  readonly peakMegabytes: number;
  readonly loss: number;
}

/** Runs `step` once, on a device of its own over the same backend, so that its peak of memory is its own. */
async function once(make: (device: Device) => () => Tensor): Promise<Result> {
  const device = new Device(opened.backend);
  return await device
    .scope(async () => {
      const step = make(device);
      const before = device.memory().liveBytes;
      await device.finish();
      const start = now();
      const loss = await device.scope(async () => {
        const value = step();
        value.backward();
        await device.finish();
        return await value.item();
      });
      const milliseconds = now() - start;
      return { milliseconds, peakMegabytes: (device.memory().peakBytes - before) / 1e6, loss };
    })
    .finally(() => {
      device.trim();
    });
}

type Way = (device: Device) => () => Tensor;

/** All ways in turns; the median of each. */
async function inTurns(ways: Readonly<Record<string, Way>>): Promise<Record<string, Result>> {
  const results: Record<string, Result[]> = {};
  for (let round = -1; round < rounds; round++)
    for (const name of Object.keys(ways)) {
      const result = await once(ways[name]!);
      if (round >= 0) (results[name] ??= []).push(result); // the first round warms up
    }
  return Object.fromEntries(
    Object.entries(results).map(([name, list]) => [
      name,
      { ...list[0]!, milliseconds: median(list.map(({ milliseconds }) => milliseconds)) },
    ]),
  );
}

interface HeadCase {
  readonly loss: 'cross-entropy' | 'reverse KL';
  readonly rows: number;
  readonly width: number;
  readonly vocabulary: number;
}

/** Cross-entropy, or reverse KL to a teacher of the same size, forward and backward. */
function headWays({ loss, rows, width, vocabulary }: HeadCase): Record<string, Way> {
  const inputs = (device: Device, seed: number) => ({
    x: values(device, [rows, width], 1, seed),
    w: values(device, [width, vocabulary], 1 / Math.sqrt(width), seed + 1),
    bias: values(device, [vocabulary], 0.1, seed + 2),
  });
  const way = (chunkRows: number | undefined): Way => {
    return device => {
      const head = inputs(device, 1);
      for (const tensor of Object.values(head)) tensor.trainable();
      const teacher = loss === 'reverse KL' ? inputs(device, 4) : undefined;
      const weight = device.full([rows], 1 / rows);
      const floor = device.tensor([-12], [1]);
      const tokens = device.tensor(
        Int32Array.from({ length: rows }, (_, i) => (i * 7919) % vocabulary),
        [rows],
        {
          dtype: 'i32',
        },
      );
      const logits = ({ x, w, bias }: typeof head) => add(matmul(x, w), bias);
      return () => {
        if (chunkRows === undefined)
          return sum(
            teacher
              ? reverseKl(logits(head), logits(teacher), weight, floor)
              : tokenCrossEntropy(logits(head), tokens, weight),
          );
        return teacher
          ? linearReverseKl(head, teacher, weight, floor, { chunkRows }).loss
          : linearCrossEntropy(head, tokens, weight, { chunkRows }).loss;
      };
    };
  };
  const chunks = [64, 128, 256, 512].filter(chunk => chunk <= rows);
  const fits = 4 * rows * vocabulary <= opened.capabilities.maxBufferBytes / 1.125;
  return {
    ...(fits && { 'all logits': way(undefined) }),
    ...Object.fromEntries(chunks.map(chunk => [`${chunk} rows`, way(chunk)])),
  };
}

const software = opened.capabilities.software;
const headCases: readonly HeadCase[] = software
  ? [
      { loss: 'cross-entropy', rows: 256, width: 64, vocabulary: 32768 },
      { loss: 'reverse KL', rows: 256, width: 64, vocabulary: 151936 },
    ]
  : [
      { loss: 'cross-entropy', rows: 1024, width: 256, vocabulary: 32768 },
      { loss: 'reverse KL', rows: 256, width: 128, vocabulary: 151936 },
    ];
const heads = [];
for (const shape of headCases) {
  const { loss, rows, width, vocabulary } = shape;
  const chosen = lossChunkRows(rows, vocabulary, opened.capabilities);
  const liger = 2 ** Math.ceil(Math.log2(Math.ceil(rows / Math.ceil(vocabulary / width))));
  console.log(
    `\n${loss}, ${rows} rows, width ${width}, vocabulary ${vocabulary}; chosen ${chosen} rows, Liger's rule ${liger}`,
  );
  const ways = await inTurns(headWays(shape));
  for (const [name, { milliseconds, peakMegabytes, loss: value }] of Object.entries(ways))
    console.log(`${name.padStart(12)} ${milliseconds.toFixed(0).padStart(7)} ms ${peakMegabytes.toFixed(0).padStart(6)} MB  loss ${value.toFixed(5)}`); // prettier-ignore
  heads.push({ ...shape, chosen, liger, ways });
}

/** A loss kernel over 2^21 logits in rows of this length: nanoseconds per logit. */
async function rowTime(kernel: 'cross_entropy_tokens' | 'distillation_reverse_kl', cols: number): Promise<number> {
  const device = new Device(opened.backend);
  const rows = Math.max(8, Math.round(2 ** 21 / cols));
  return await device
    .scope(async () => {
      const [student, teacher, grad] = [values(device, [rows, cols], 2, 1), values(device, [rows, cols], 2, 2), device.empty([rows, cols])]; // prettier-ignore
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

/** Layer norm's gradient and the residual's: one kernel, or that of the norm and an addition. */
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
  // prettier-ignore
  const result = await normGradient(rows, cols);
  const { fused, inPieces } = result;
  console.log(`${rows} x ${cols}: one kernel ${(1e3 * fused).toFixed(0)} us, norm and addition ${(1e3 * inPieces).toFixed(0)} us, ratio ${(inPieces / fused).toFixed(2)}`); // prettier-ignore
  norms.push(result);
}

writeResult(options.json, opened, { heads, rowTimes, norms });
await opened.close();
