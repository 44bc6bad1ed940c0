/**
 * Gain of WebAssembly over the references, kernel by kernel: both run the same call in turns on one thread each, and
 * must agree. Times are CPU times of this process, so that other load on the machine counts little. Kernel headers that
 * name this file quote its figures; products have more rungs, see ladder.ts.
 *
 *   node dist/bench/reference.js --json bench/results/reference-wasm.json
 */
import { checkCase, conformanceCase } from '../kernels/cases.js';
import { openDevice } from '../core/index.js';
import { bytesPerElement, encodeElements, kernels } from '../kernels/index.js';
import type { Example, Kernel, NumberArray } from '../kernels/index.js';
import { median } from './gpu/format.js';
import { commaList, oneOf, option } from '../mgsd/cli/options.js';
import { benchCommand, jsonOption, wrapped } from './command.js';
import { writeResult } from './harness.js';

/** 64 sequences of 56 rows, 38 of them prompt, 4 heads of 16; 18 response tokens each over a vocabulary of 128. */
const [sequences, length, heads, headDim, vocabulary] = [64, 56, 4, 16, 128];
const width = heads * headDim;
const rows = sequences * length;
const lossRows = 18 * sequences;
const logits = lossRows * vocabulary;
const table = Array.from({ length: sequences }, (_, s) => [s * length, length, s * length, length, 38, 0]).flat();
const tableFill = { table: { kind: 'values', values: table } } as const;
const floorFill = { floor: { kind: 'values', values: [-12] } } as const;
const distillation = { student: logits, teacher: logits, weight: lossRows, floor: 1, loss: lossRows, grad: logits };
const size = 2 ** 20;
const statsFill = { stats: { kind: 'uniform', minimum: 0.1, maximum: 2 } } as const;

const cases: Readonly<Record<string, Example<string, string>>> = {
  matmul_nn: {
    params: { m: rows, n: 4 * width, k: width, batch: 1, strideA: 0, strideB: 0 },
    lengths: { a: rows * width, b: 4 * width ** 2, bias: 4 * width, residual: 1, c: rows * 4 * width },
  },
  attention: {
    params: {
      sequences,
      heads,
      headDim,
      strideQ: 3 * width,
      strideKv: 3 * width,
      offsetK: width,
      offsetV: 2 * width,
      maxQueries: length,
      maxKeys: length,
      scale: 0.25,
    },
    lengths: {
      q: rows * 3 * width,
      kv: rows * 3 * width,
      table: table.length,
      out: rows * width,
      stats: 2 * rows * heads,
    },
    fills: tableFill,
  },
  softmax: { params: { rows: 2048, cols: 512 }, lengths: { x: size, y: size } },
  layer_norm: {
    params: { rows, cols: width, eps: 1e-5 },
    lengths: { x: rows * width, gamma: width, beta: width, y: rows * width, stats: 2 * rows },
  },
  layer_norm_grad_input_residual: {
    params: { rows, cols: width },
    lengths: {
      x: rows * width,
      gamma: width,
      stats: 2 * rows,
      dy: rows * width,
      residual: rows * width,
      dx: rows * width,
    },
    fills: statsFill,
  },
  layer_norm_grad_params: {
    params: { rows, cols: width },
    lengths: { x: rows * width, stats: 2 * rows, dy: rows * width, dgamma: width, dbeta: width },
    fills: statsFill,
  },
  cross_entropy: {
    params: { rows: lossRows, cols: vocabulary },
    lengths: { logits, target: logits, weight: lossRows, loss: lossRows, grad: logits },
    fills: { target: { kind: 'uniform', minimum: 0, maximum: 1 / 64 } },
  },
  cross_entropy_tokens: {
    params: { rows: lossRows, cols: vocabulary },
    lengths: { logits, tokens: lossRows, weight: lossRows, loss: lossRows, grad: logits },
    fills: { tokens: { kind: 'values', values: Array.from({ length: lossRows }, (_, i) => (i * 37) % vocabulary) } },
  },
  distillation_reverse_kl: { params: { rows: lossRows, cols: vocabulary }, lengths: distillation, fills: floorFill },
  distillation_forward_kl: { params: { rows: lossRows, cols: vocabulary }, lengths: distillation, fills: floorFill },
  sum_squares: { params: { n: size, chunk: 4096 }, lengths: { x: size, partial: size / 4096 } },
  adamw: {
    params: { n: size },
    lengths: { param: size, grad: size, m: size, v: size, hyper: 10, state: 9 },
    fills: {
      v: { kind: 'uniform', minimum: 0, maximum: 1 },
      hyper: { kind: 'values', values: [1e-2, 0.9, 0.98, 1e-8, 0.01, 1, 0, 1, 0, 0] },
      state: { kind: 'values', values: [3, 0, 1, 2, 0.5, 0.9 ** 3, 0.98 ** 3, 1, 0] },
    },
  },
};

/** Least CPU time of a sample. */
const leastMilliseconds = 20;

const options = benchCommand({
  command: 'node dist/bench/reference.js',
  about: 'Kernels on wasm beside their references, one thread each, by processor time.',
  measures: wrapped(Object.keys(cases)),
  takes: 'half a minute; each line is printed as soon as it is known',
  options: {
    kernels: option('--kernels <list>', 'only these', commaList(oneOf(Object.keys(cases)))),
    json: jsonOption,
  },
  examples: [['--kernels softmax,adamw', 'two kernels']],
});
const device = await openDevice('wasm', { threads: 1 });

/** Median milliseconds of the reference and of WebAssembly, in alternating samples. */
async function compare(kernel: Kernel, example: Example<string, string>) {
  const test = conformanceCase(kernel, example, 'f32', 1, 1);
  const problem = await checkCase(device.backend, kernel, test);
  if (problem !== undefined) throw new Error(problem);
  return await device.scope(async () => {
    const host: Record<string, NumberArray> = {};
    const tensors = Object.fromEntries(
      Object.entries(test.inputs).map(([name, values]) => {
        const dtype = test.dtypes[name]!;
        host[name] = dtype === 'i32' ? Int32Array.from(values) : Float32Array.from(values);
        const tensor = device.empty([values.length], dtype);
        device.backend.write(device.operand(tensor).allocation, 0, new Uint8Array(encodeElements(values, dtype)));
        return [name, tensor];
      }),
    );
    const milliseconds = (body: () => void) => {
      const start = process.cpuUsage();
      let [calls, spent] = [0, 0];
      for (; spent < leastMilliseconds; calls++) {
        body();
        const { user, system } = process.cpuUsage(start);
        spent = (user + system) / 1000;
      }
      return spent / calls;
    };
    const [reference, wasm]: [number[], number[]] = [[], []];
    for (let round = -2; round < 7; round++) {
      const slow = milliseconds(() => {
        kernel.reference(host, example.params);
      });
      const fast = milliseconds(() => {
        device.launch(kernel, tensors, example.params);
      });
      if (round < 0) continue; // warming up
      reference.push(slow);
      wasm.push(fast);
    }
    await device.finish();
    return { reference: median(reference), wasm: median(wasm) };
  });
}

const results = [];
for (const name of options.kernels ?? Object.keys(cases)) {
  const example = cases[name]!;
  const kernel = kernels.find(one => one.name === name)!;
  const { reference, wasm } = await compare(kernel, example);
  const { flops, elements } = kernel.cost(example.params);
  const [gflops, gigabytes] = [flops / wasm / 1e6, (elements * bytesPerElement.f32) / wasm / 1e6];
  console.log(
    `${name.padEnd(32)} reference ${reference.toFixed(2).padStart(8)} ms, wasm ${wasm.toFixed(3).padStart(7)} ms, ` +
      `${(reference / wasm).toFixed(1).padStart(5)} times as fast, ${gflops.toFixed(1)} GFLOP/s, ${gigabytes.toFixed(1)} GB/s`,
  );
  results.push({ kernel: name, params: example.params, reference, wasm, gain: reference / wasm, gflops, gigabytes });
}
writeResult(options.json, device, results);
await device.close();
