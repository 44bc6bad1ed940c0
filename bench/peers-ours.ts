/**
 * Our side of `bench:peers`: every peer's task on one of our backends. `node dist/bench/peers-ours.js --help`
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { matmul, noGrad, openDevice, ops, SequenceTable, softmax, sum, transpose } from '../core/index.js';
import type { AnyOp, Tensor } from '../core/index.js';
import { adamwKernel } from '../kernels/index.js';
import { deviceOptions, required } from '../mgsd/cli/options.js';
import { benchCommand } from './command.js';
import { adamw, sizes, Transformer } from './transformer.js';

interface Engine {
  readonly name: string;
  step(): Promise<number>;
  operand(values: Float32Array, shape: readonly [number, number]): Tensor;
  run(kind: string, operands: readonly Tensor[]): readonly Tensor[] | undefined;
  finish(): Promise<void>;
  read(result: Tensor): Promise<ArrayLike<number>>;
  release(result: Tensor): void;
  drop(operand: Tensor): void;
}

interface Tasks {
  loadTask(folder: string): unknown;
  runTask(task: unknown, engine: Engine): Promise<void>;
}

const {
  task: folder,
  device: backend,
  threads,
} = benchCommand({
  command: 'node dist/bench/peers-ours.js',
  about: 'Our side of bench:peers, which starts it; prints a line of JSON.',
  measures: ["a peer's task: a training step and its kernels"],
  takes: 'as long as the task says',
  options: { task: required('--task <folder>', "the peers' task"), ...deviceOptions },
  examples: [['--task FOLDER --device wasm --threads 2', 'a task that bench:peers has written']],
});
// The peers' programs are not built: they are plain JavaScript with their own packages.
const shared = pathToFileURL(path.resolve(import.meta.dirname, '../../bench/peers/task.mjs')).href;
const peers = (await import(shared)) as Tasks;
readFileSync(path.join(folder, 'task.json')); // fail on a wrong folder before opening a device
const device = await openDevice(backend, threads === undefined ? {} : { threads });
const transformer = new Transformer(device);
const { batch, length, heads } = sizes;
const table = new SequenceTable(Array.from({ length: batch }, () => ({ length, prefix: 0 })));
const sequences = { heads, table: device.keep(table.toTensor(device)), maxLength: length };
const { learningRate, beta1, beta2, epsilon, decay } = adamw;
// learning rate, betas, epsilon, decay, no clipping, no loss scaling; and the state after a first good step
const hyper = device.keep(device.tensor([learningRate, beta1, beta2, epsilon, decay, 0, 0, 1, 0, 0]));
const state = device.keep(device.tensor([1, 0, 1, 1, 1, beta1, beta2, 1, 0]));
const each = device.keep(device.full([batch * length], 1 / (batch * length)));
const ones = device.keep(device.full([batch * length], 1));

/** An op's value and its gradients at dy: the launches that it adds to a training step, forward and backward. */
function withGradients(
  row: AnyOp,
  attributes: object,
  grad: Tensor,
  inputs: readonly Tensor[],
  wanted = inputs.map(() => true),
): Tensor[] {
  const { output, saved = [] } = row.forward(inputs, attributes, row.shape(inputs, attributes));
  const room = (i: number) => device.empty(inputs[i]!.shape, inputs[i]!.dtype);
  const gradients = row.gradient({ inputs, output, saved, grad, wanted, arrived: undefined, room, attributes });
  return [output, ...gradients.filter(gradient => gradient !== undefined)];
}

const flat = (x: Tensor) => x.view([x.size], [1], 0);
const kinds: Readonly<Record<string, (...operands: Tensor[]) => readonly Tensor[]>> = {
  nn: (a, b) => [matmul(a, b)],
  nt: (a, b) => [matmul(a, transpose(b))],
  tn: (a, b) => [matmul(transpose(a), b)],
  softmax: x => [softmax(x)],
  layerNorm: (dy, x, g, b) => withGradients(ops.layerNorm, { eps: 1e-5 }, dy, [x, flat(g), flat(b)]),
  gelu: (dy, x) => withGradients(ops.gelu, {}, dy, [x]),
  attention: (dy, qkv) => withGradients(ops.attention, sequences, dy, [qkv]),
  crossEntropy(logits, oneHot) {
    const inputs = [logits, oneHot, each];
    const [losses, ...gradients] = withGradients(ops.crossEntropy, {}, ones, inputs, [true, false, false]);
    return [sum(losses!), ...gradients];
  },
  adamw(param, grad, m, v) {
    // in place, as in a training step: returns its operands
    device.launch(adamwKernel, { param: param, grad: grad, m: m, v: v, hyper, state }, { n: param.size });
    return [param, m, v];
  },
};

const operands = new Set<Tensor>();
await peers.runTask(peers.loadTask(folder), {
  name: `mgsd-lite ${backend}`,
  step: () => transformer.step(),
  operand(values, shape) {
    const operand = device.keep(device.tensor(values, shape));
    operands.add(operand);
    return operand;
  },
  run(kind, given) {
    const results = noGrad(() => device.scope(() => kinds[kind]?.(...given)));
    for (const result of results ?? []) device.keep(result);
    return results;
  },
  finish: () => device.finish(),
  read: result => result.read(),
  release(result) {
    if (!operands.has(result)) device.free(result);
  },
  drop(operand) {
    operands.delete(operand);
    device.free(operand);
  },
});
await device.close();
