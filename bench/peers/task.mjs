// What every engine does, and how it is timed. bench/peers.ts writes the task: sizes, weights, tokens and matrices in
// one folder.

/** The task of a folder: sizes, and typed arrays by name. */
export function loadTask(folder) {
  const { readFileSync } = process.getBuiltinModule('node:fs'); // bench:tab bundles this file for a browser
  const task = JSON.parse(readFileSync(`${folder}/task.json`, 'utf8'));
  const bytes = readFileSync(`${folder}/data.bin`);
  return readTask(task, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
}

/** The task from its two files, wherever they were read. */
export function readTask(task, floats) {
  const weight = name => {
    const { offset, shape } = task.weights[name];
    return [floats.subarray(offset, offset + shape.reduce((a, b) => a * b, 1)), shape];
  };
  return {
    ...task,
    /** Weights as a nested object, made by `make(values, shape)`. */
    tree(make) {
      const root = { blocks: Array.from({ length: task.layers }, () => ({})) };
      for (const name of Object.keys(task.weights)) {
        const [, layer, own] = /^blocks\.(\d+)\.(.*)$/.exec(name) ?? [];
        if (layer === undefined) root[name] = make(...weight(name));
        else root.blocks[layer][own] = make(...weight(name));
      }
      return root;
    },
    /** Weights by name. */
    flat: make => Object.fromEntries(Object.keys(task.weights).map(name => [name, make(...weight(name))])),
    oneHot(tokens) {
      const out = new Float32Array(tokens.length * task.vocabulary);
      tokens.forEach((token, i) => (out[i * task.vocabulary + token] = 1));
      return out;
    },
  };
}

const median = values => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/**
 * Milliseconds of one call: the median of samples of `repeat` calls and a fence, the same number for every engine, for
 * about `seconds`. All results of a sample are held until the fence: engines that compute lazily never do what nobody
 * can read any more.
 */
async function timed(engine, call, repeat, seconds) {
  const sample = async () => {
    const results = [];
    const start = performance.now();
    for (let i = 0; i < repeat; i++) results.push(...(await call()));
    await engine.finish(results);
    const milliseconds = (performance.now() - start) / repeat;
    for (const result of results) engine.release(result);
    return milliseconds;
  };
  await sample();
  await sample();
  const times = [];
  for (const end = performance.now() + 1000 * seconds; performance.now() < end || times.length < 3;)
    times.push(await sample());
  return median(times);
}

/**
 * Numbers that do not depend on an engine's random numbers, in (-1, 1), other ones for each operand; none is 0, so that
 * AdamW's moments stay normal numbers.
 */
const ramp = (n, operand) =>
  Float32Array.from({ length: n }, (_, i) => ((((i + 31 * operand) * 7919) % 1000) - 499.5) / 500);

/** One operand's values. `fill`: what they must be, where any would not do. */
function valuesOf([rows, columns], operand, fill) {
  const values = ramp(rows * columns, operand);
  if (fill === 'squares') return values.map(x => x * x);
  if (fill === 'oneHot') return values.map((_, i) => Number(i % columns === (Math.floor(i / columns) * 37) % columns));
  return values;
}

/** Largest difference from a product computed here in f64 on a few elements. */
function productError({ kind, m, n, k }, a, b, c) {
  let worst = 0;
  for (let s = 0; s < 32; s++) {
    const [i, j] = [(s * 37) % m, (s * 101) % n];
    let sum = 0;
    for (let l = 0; l < k; l++)
      sum += a[kind === 'tn' ? l * m + i : i * k + l] * b[kind === 'nt' ? j * k + l : l * n + j];
    worst = Math.max(worst, Math.abs(sum - c[i * n + j]));
  }
  return worst;
}

/** A few elements of a result, to be compared between engines. */
const sampleOf = values => Array.from({ length: 64 }, (_, i) => values[Math.floor((i / 64) * values.length)]);

/**
 * Does what the task asks for and prints one line of JSON: losses, milliseconds per step, milliseconds per kernel.
 *
 * engine.step(): one training step, resolving to its loss; engines without it show their kernels alone.
 * engine.operand(values, shape); engine.run(kind, operands): a list of results, or undefined for what it does not
 * offer; finish(results): resolves when all of them are computed; read(result), release(result).
 */
export async function runTask(task, engine) {
  const out = { name: engine.name, losses: [], stepMilliseconds: [], kernels: {} };
  if (task.parts.includes('train') && engine.step) {
    for (let i = 0; i < task.checkedSteps; i++) out.losses.push(await engine.step());
    const end = performance.now() + 1000 * task.seconds;
    while (performance.now() < end || out.stepMilliseconds.length < 3) {
      const start = performance.now();
      await engine.step();
      out.stepMilliseconds.push(performance.now() - start);
    }
  }
  if (task.parts.includes('kernels'))
    for (const kernel of task.kernels) {
      const { name, kind, operands: specs, repeat } = kernel;
      const values = specs.map(({ shape, fill }, i) => valuesOf(shape, i, fill));
      const operands = values.map((array, i) => engine.operand(array, specs[i].shape));
      const call = async () => await engine.run(kind, operands, kernel);
      const first = await call();
      if (first === undefined) continue;
      await engine.finish(first);
      const read = [];
      for (const result of first) read.push(await engine.read(result));
      const error = kernel.k === undefined ? 0 : productError(kernel, ...values, read[0]);
      for (const result of first) engine.release(result);
      const milliseconds = await timed(engine, call, repeat, task.kernelSeconds);
      out.kernels[name] = { milliseconds, error, samples: read.map(sampleOf) };
      for (const operand of operands) engine.drop?.(operand);
    }
  console.log(JSON.stringify(out));
}
