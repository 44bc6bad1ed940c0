// What every engine does, and how it is timed. bench/peers.ts writes the task: sizes, weights, tokens and matrices in one folder.
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The task of a folder: sizes, and typed arrays by name. */
export function loadTask(folder) {
  const task = JSON.parse(readFileSync(path.join(folder, 'task.json'), 'utf8'));
  const bytes = readFileSync(path.join(folder, 'data.bin'));
  const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
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
 * Milliseconds of one call: the median of samples of as many calls as make the fence not count, for about `seconds`. All results of a
 * sample are held until the fence: engines that compute lazily never do what nobody can read any more.
 */
async function timed(engine, call, seconds) {
  const sample = async repeat => {
    const results = [];
    const start = performance.now();
    for (let i = 0; i < repeat; i++) results.push(await call());
    await engine.finish(results);
    const milliseconds = (performance.now() - start) / repeat;
    for (const result of results) engine.release(result);
    return milliseconds;
  };
  await sample(1);
  const repeat = Math.max(1, Math.min(50, Math.round(20 / (await sample(1)))));
  const times = [];
  for (const end = performance.now() + 1000 * seconds; performance.now() < end || times.length < 3;)
    times.push(await sample(repeat));
  return median(times);
}

/** Numbers that do not depend on an engine's random numbers. */
const ramp = n => Float32Array.from({ length: n }, (_, i) => (((i * 7919) % 1000) - 500) / 500);

/** Largest difference from a product computed here in f64 on a few elements. */
function productError({ kind, n }, a, b, c) {
  let worst = 0;
  for (let s = 0; s < 32; s++) {
    const [i, j] = [(s * 37) % n, (s * 101) % n];
    let sum = 0;
    for (let l = 0; l < n; l++)
      sum += a[kind === 'tn' ? l * n + i : i * n + l] * b[kind === 'nt' ? j * n + l : l * n + j];
    worst = Math.max(worst, Math.abs(sum - c[i * n + j]));
  }
  return worst;
}

/**
 * Does what the task asks for and prints one line of JSON: losses, milliseconds per step, milliseconds per kernel.
 *
 * engine.step(): one training step, resolving to its loss. engine.operand(values, shape), engine.run(kind, a, b), finish(results),
 * read(result), release(result): single kernels.
 */
export async function runTask(task, engine) {
  const out = { name: engine.name, losses: [], stepMilliseconds: [], kernels: {} };
  if (task.parts.includes('train')) {
    for (let i = 0; i < task.checkedSteps; i++) out.losses.push(await engine.step());
    const end = performance.now() + 1000 * task.seconds;
    while (performance.now() < end || out.stepMilliseconds.length < 3) {
      const start = performance.now();
      await engine.step();
      out.stepMilliseconds.push(performance.now() - start);
    }
  }
  if (task.parts.includes('kernels'))
    for (const { kind, n, rows, columns } of task.kernels) {
      const isProduct = rows === undefined;
      const [height, width] = isProduct ? [n, n] : [rows, columns];
      const values = ramp(height * width);
      const a = engine.operand(values, [height, width]);
      const b = isProduct ? engine.operand(values, [n, n]) : undefined;
      const milliseconds = await timed(engine, () => engine.run(kind, a, b), task.kernelSeconds);
      const result = await engine.run(kind, a, b);
      const error = isProduct ? productError({ kind, n }, values, values, await engine.read(result)) : 0;
      out.kernels[isProduct ? `${kind} ${n}` : `${kind} ${rows}x${columns}`] = { milliseconds, error };
    }
  console.log(JSON.stringify(out));
}
