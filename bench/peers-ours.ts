/** Our part of `bench:peers`: the same task as every peer's, on one of our backends. `node dist/bench/peers-ours.js TASK BACKEND THREADS` */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { layerNorm, matmul, noGrad, openDevice, softmax, transpose } from '../core/index.js';
import type { DeviceChoice, Tensor } from '../core/index.js';
import { Transformer } from './transformer.js';

interface Engine {
  readonly name: string;
  step(): Promise<number>;
  operand(values: Float32Array, shape: readonly [number, number]): Tensor;
  run(kind: string, a: Tensor, b?: Tensor): Tensor;
  finish(): Promise<void>;
  read(result: Tensor): Promise<ArrayLike<number>>;
  release(result: Tensor): void;
}

interface Tasks {
  loadTask(folder: string): unknown;
  runTask(task: unknown, engine: Engine): Promise<void>;
}

const [folder = '', backend = 'wasm', threads = '1'] = process.argv.slice(2);
// The peers' programs are no part of the build: they are plain JavaScript with packages of their own.
const shared = pathToFileURL(path.resolve(import.meta.dirname, '../../bench/peers/task.mjs')).href;
const peers = (await import(shared)) as Tasks;
readFileSync(path.join(folder, 'task.json')); // a wrong folder: said before a device is opened
const device = await openDevice(backend as DeviceChoice, { threads: Number(threads) });
const transformer = new Transformer(device);
const [one, zero] = [device.keep(device.full([512], 1)), device.keep(device.full([512], 0))];

const kinds: Readonly<Record<string, (a: Tensor, b: Tensor | undefined) => Tensor>> = {
  nn: (a, b) => matmul(a, b!),
  nt: (a, b) => matmul(a, transpose(b!)),
  tn: (a, b) => matmul(transpose(a), b!),
  softmax: a => softmax(a),
  layerNorm: a => layerNorm(a, one, zero),
};

await peers.runTask(peers.loadTask(folder), {
  name: `mgsd-lite ${backend}`,
  step: () => transformer.step(),
  operand: (values, shape) => device.keep(device.tensor(values, shape)),
  run: (kind, a, b) => device.keep(noGrad(() => device.scope(() => kinds[kind]!(a, b)))),
  finish: () => device.finish(),
  read: result => result.read(),
  release: result => {
    device.free(result);
  },
});
await device.close();
