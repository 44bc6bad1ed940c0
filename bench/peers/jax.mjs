// @jax-js/jax on one of its backends: `node jax.mjs TASK BACKEND THREADS`, BACKEND wasm or webgpu.
//
// Its wasm backend shares work between threads only where there is a global Worker; Node has none, so `threads.mjs`
// lends it one.
import { lendWorker } from './threads.mjs';
import { lendWebGpu } from './webgpu.mjs';
import { loadTask, runTask } from './task.mjs';

const [folder = '', backend = 'wasm', threads = '1'] = process.argv.slice(2);
if (backend === 'webgpu') await lendWebGpu();
else if (Number(threads) > 1) lendWorker(Number(threads));

const { blockUntilReady, defaultDevice, init, jit, nn, numpy: np, valueAndGrad, vjp } = await import('@jax-js/jax');
await init(backend);
defaultDevice(backend);
const { array, layerNorm, makeModel } = await import('./jax-model.mjs');

const task = loadTask(folder);
const { batch, length, width, heads } = task;
const model = makeModel(task);
const { mask } = model;
const { learningRate, beta1, beta2, epsilon, decay } = task.adamw;

/** A function and its gradients at dy, compiled together: [y, dx, ...]. */
const withGradients = f =>
  jit((dy, ...inputs) => {
    const [y, pull] = vjp(f, inputs);
    return [y, ...pull(dy)];
  });
const normed = withGradients(layerNorm);
const activated = withGradients(x => nn.gelu(x));
const attended = withGradients(qkv => attention(qkv));
const entropy = jit((logits, oneHot) => {
  const [loss, [grad]] = valueAndGrad((x, t) => np.sum(nn.logSoftmax(x, -1).mul(t)).mul(-1 / (batch * length)), {
    argnums: [0],
  })(logits, oneHot);
  return [loss, grad];
});

function attention(qkv) {
  const [q, k, v] = np
    .split(qkv.reshape([batch, length, 3 * width]), 3, -1)
    .map(part => np.transpose(part.reshape([batch, length, heads, width / heads]), [0, 2, 1, 3]));
  const scores = np.matmul(q, np.matrixTranspose(k)).mul(1 / Math.sqrt(width / heads)); // (B, H, T, T)
  const mixed = np.matmul(nn.softmax(scores.add(mask.ref), -1), v); // (B, H, T, d / H)
  return np.transpose(mixed, [0, 2, 1, 3]).reshape([batch * length, width]);
}

const one = jit(x => nn.softmax(x, -1));
const kernels = {
  nn: (x, y) => [np.matmul(x, y)],
  nt: (x, y) => [np.matmul(x, np.matrixTranspose(y))],
  tn: (x, y) => [np.matmul(np.matrixTranspose(x), y)],
  softmax: x => [one(x)],
  layerNorm: (dy, x, g, b) => normed(dy, x, g.reshape([g.shape[1]]), b.reshape([b.shape[1]])),
  gelu: (dy, x) => activated(dy, x),
  attention: (dy, qkv) => attended(dy, qkv),
  crossEntropy: (logits, oneHot) => entropy(logits, oneHot),
  adamw: (p, g, m, v) => adamw(p, g, m, v),
};
const adamw = jit((p, g, m, v) => {
  const [a, b] = [m.mul(beta1).add(g.ref.mul(1 - beta1)), v.mul(beta2).add(g.ref.mul(g).mul(1 - beta2))];
  const update = a.ref.mul(1 / (1 - beta1)).div(np.sqrt(b.ref.mul(1 / (1 - beta2))).add(epsilon));
  return [p.ref.sub(update.add(p.mul(decay)).mul(learningRate)), a, b];
});

await runTask(task, {
  name: `jax-js ${backend}`,
  step: model.step,
  operand: (values, shape) => array(values, shape),
  async run(kind, operands) {
    return kernels[kind]?.(...operands.map(operand => operand.ref));
  },
  async finish(results) {
    for (const result of results) await blockUntilReady(result);
  },
  read: async result => await result.ref.data(),
  release: result => result.dispose(),
  drop: operand => operand.dispose(),
});
process.exit(0);
