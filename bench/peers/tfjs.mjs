// TensorFlow.js on one of its backends: `node tfjs.mjs TASK BACKEND THREADS`, BACKEND wasm, webgpu or cpu. More than
// one thread needs the help of tfjs-threads.mjs.
import { createRequire } from 'node:module';
import path from 'node:path';
import { lendThreads } from './tfjs-threads.mjs';
import { lendWebGpu } from './webgpu.mjs';
import { loadTask, runTask } from './task.mjs';

const [folder = '', backend = 'wasm', threads = '1'] = process.argv.slice(2);
if (backend === 'webgpu') await lendWebGpu();
const require = createRequire(import.meta.url);
console.warn = () => {}; // "Hi there": it suggests a package that cannot be installed everywhere
if (backend === 'wasm' && Number(threads) > 1) lendThreads(Number(threads));
const tf = require('@tensorflow/tfjs');
if (backend === 'wasm') {
  const wasm = require('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + path.sep);
  if (Number(threads) > 1) {
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true);
    wasm.setThreadsCount(Number(threads));
  }
}
if (backend === 'webgpu') require('@tensorflow/tfjs-backend-webgpu');
await tf.setBackend(backend);
await tf.ready();

const task = loadTask(folder);
const { batch, length, width, layers, heads, vocabulary } = task;
const w = task.flat((values, shape) => tf.variable(tf.tensor(values, shape)));
const zeros = () => task.flat((values, shape) => tf.variable(tf.zeros(shape)));
const [m, v] = [zeros(), zeros()];
const inputs = tf.tensor(task.oneHot(task.inputs), [batch * length, vocabulary]);
const targets = tf.tensor(task.oneHot(task.targets), [batch * length, vocabulary]);
const mask = tf.linalg
  .bandPart(tf.ones([length, length]), -1, 0)
  .sub(1)
  .mul(1e9); // 0 for the past, -1e9 for the future

const layerNorm = (x, gain, bias) => {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).div(variance.add(1e-5).sqrt()).mul(gain).add(bias);
};
const gelu = x =>
  x.mul(0.5).mul(
    x
      .add(x.mul(x).mul(x).mul(0.044715))
      .mul(Math.sqrt(2 / Math.PI))
      .tanh()
      .add(1),
  );

function loss() {
  let x = tf
    .matMul(inputs, w.token)
    .reshape([batch, length, width])
    .add(w.position)
    .reshape([batch * length, width]);
  for (let l = 0; l < layers; l++) {
    const p = name => w[`blocks.${l}.${name}`];
    const qkv = tf.matMul(layerNorm(x, p('norm1Gain'), p('norm1Bias')), p('qkv')).add(p('qkvBias'));
    x = x.add(tf.matMul(attention(qkv), p('out')).add(p('outBias')));
    const hidden = gelu(tf.matMul(layerNorm(x, p('norm2Gain'), p('norm2Bias')), p('up')).add(p('upBias')));
    x = x.add(tf.matMul(hidden, p('down')).add(p('downBias')));
  }
  const logits = tf.matMul(layerNorm(x, w.normGain, w.normBias), w.head);
  return tf
    .logSoftmax(logits)
    .mul(targets)
    .sum()
    .div(-batch * length);
}

const { learningRate, beta1, beta2, epsilon, decay } = task.adamw;
let count = 0;
const variables = Object.values(w);
const names = new Map(Object.entries(w).map(([name, variable]) => [variable.name, name]));

function attention(qkv) {
  const [q, k, value] = tf
    .split(qkv, 3, -1)
    .map(part => part.reshape([batch, length, heads, width / heads]).transpose([0, 2, 1, 3]));
  const scores = tf
    .matMul(q, k, false, true)
    .div(Math.sqrt(width / heads))
    .add(mask);
  return tf
    .matMul(tf.softmax(scores), value)
    .transpose([0, 2, 1, 3])
    .reshape([batch * length, width]);
}
const entropy = (logits, oneHot) =>
  tf
    .logSoftmax(logits)
    .mul(oneHot)
    .sum()
    .div(-batch * length);

/** Each with what the training step wants of it: its value, and gradients at dy. */
const kernels = {
  nn: (x, y) => [tf.matMul(x, y)],
  nt: (x, y) => [tf.matMul(x, y, false, true)],
  tn: (x, y) => [tf.matMul(x, y, true, false)],
  softmax: x => [tf.softmax(x)],
  layerNorm: (dy, x, g, b) => withGradients(layerNorm, [x, g, b], dy),
  gelu: (dy, x) => withGradients(gelu, [x], dy),
  attention: (dy, qkv) => withGradients(attention, [qkv], dy),
  crossEntropy: (logits, oneHot) => {
    const { value: mean, grad } = tf.valueAndGrad(x => entropy(x, oneHot))(logits);
    return [mean, grad];
  },
  adamw: (p, g, first, second) => {
    const a = first.mul(beta1).add(g.mul(1 - beta1));
    const b = second.mul(beta2).add(g.square().mul(1 - beta2));
    const update = a.div(1 - beta1).div(
      b
        .div(1 - beta2)
        .sqrt()
        .add(epsilon),
    );
    return [p.sub(update.add(p.mul(decay)).mul(learningRate)), a, b];
  },
};

function withGradients(f, inputs, dy) {
  const { value: y, grads } = tf.valueAndGrads(f)(inputs, dy);
  return [y, ...grads];
}

await runTask(task, {
  name: `tfjs ${backend}`,
  async step() {
    count++;
    const value = tf.tidy(() => {
      const { value: mean, grads } = tf.variableGrads(loss, variables);
      for (const [variable, grad] of Object.entries(grads)) {
        const name = names.get(variable);
        m[name].assign(m[name].mul(beta1).add(grad.mul(1 - beta1)));
        v[name].assign(v[name].mul(beta2).add(grad.square().mul(1 - beta2)));
        const update = m[name].div(1 - beta1 ** count).div(
          v[name]
            .div(1 - beta2 ** count)
            .sqrt()
            .add(epsilon),
        );
        w[name].assign(w[name].sub(update.add(w[name].mul(decay)).mul(learningRate)));
      }
      return mean;
    });
    const [result] = await value.data();
    value.dispose();
    return result;
  },
  operand: (values, shape) => tf.tensor(values, shape),
  run: (kind, operands) => tf.tidy(() => kernels[kind]?.(...operands)),
  async finish(results) {
    if (backend !== 'webgpu') return void (await results.at(-1).data());
    const gpu = tf.backend();
    gpu.endComputePassEncoder?.();
    gpu.submitQueue();
    await gpu.device.queue.onSubmittedWorkDone();
  },
  read: async result => await result.data(),
  release: result => result.dispose(),
  drop: operand => operand.dispose(),
});
process.exit(0);
