// The training step in @jax-js/jax, for jax.mjs and, in a browser, for bench:tab. The backend is chosen already.
import { jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax';

export const array = (values, shape) => np.array(values).reshape(shape);

export const layerNorm = (x, g, b) => {
  const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
  const variance = np.mean(centred.ref.mul(centred.ref), -1, { keepdims: true });
  return centred
    .div(np.sqrt(variance.add(1e-5)))
    .mul(g)
    .add(b);
};

/** Its parts for a task: `step()` resolves to its loss. */
export function makeModel(task) {
  const { batch, length, width, layers, heads, vocabulary } = task;

  /**
   * Weights (tree) and one-hot tokens in, mean cross-entropy out. One-hot products stand for look-ups: the same work, and
   * it has gradients.
   */
  const lossOf = (w, inputs, targets, mask) => {
    let x = np.matmul(inputs, w.token).add(w.position); // (B, T, d)
    for (let l = 0; l < layers; l++) {
      const p = w.blocks[l];
      const normed = layerNorm(x.ref, p.norm1Gain, p.norm1Bias);
      const qkv = np.matmul(normed, p.qkv).add(p.qkvBias); // (B, T, 3d)
      const [q, k, v] = np
        .split(qkv, 3, -1)
        .map(part => np.transpose(part.reshape([batch, length, heads, width / heads]), [0, 2, 1, 3]));
      // its dotProductAttention needs an einsum that Node 20 cannot run
      const scores = np.matmul(q, np.matrixTranspose(k)).mul(1 / Math.sqrt(width / heads)); // (B, H, T, T)
      const mixed = np.matmul(nn.softmax(scores.add(mask.ref), -1), v); // (B, H, T, d / H)
      const y = np.transpose(mixed, [0, 2, 1, 3]).reshape([batch, length, width]);
      x = x.add(np.matmul(y, p.out).add(p.outBias));
      const hidden = nn.gelu(np.matmul(layerNorm(x.ref, p.norm2Gain, p.norm2Bias), p.up).add(p.upBias));
      x = x.add(np.matmul(hidden, p.down).add(p.downBias));
    }
    const logits = np.matmul(layerNorm(x, w.normGain, w.normBias), w.head); // (B, T, V)
    return np.sum(nn.logSoftmax(logits, -1).mul(targets)).mul(-1 / (batch * length));
  };

  const { learningRate, beta1, beta2, epsilon, decay } = task.adamw;
  const step = jit((w, m, v, inputs, targets, mask, correction1, correction2) => {
    const [loss, grads] = valueAndGrad(lossOf)(tree.ref(w), inputs, targets, mask);
    m = tree.map((a, g) => a.mul(beta1).add(g.mul(1 - beta1)), m, tree.ref(grads));
    v = tree.map((a, g) => a.mul(beta2).add(g.ref.mul(g).mul(1 - beta2)), v, grads);
    w = tree.map(
      (p, a, b) => {
        const update = a.mul(correction1.ref).div(np.sqrt(b.mul(correction2.ref)).add(epsilon));
        return p.ref.sub(update.add(p.mul(decay)).mul(learningRate));
      },
      w,
      tree.ref(m),
      tree.ref(v),
    );
    return [loss, w, m, v];
  });

  const weights = task.tree((values, shape) => array(values, shape));
  const zeros = () => task.tree((values, shape) => np.zeros(shape));
  let state = [weights, zeros(), zeros()];
  const inputs = array(task.oneHot(task.inputs), [batch, length, vocabulary]);
  const targets = array(task.oneHot(task.targets), [batch, length, vocabulary]);
  const future = Float32Array.from({ length: length ** 2 }, (_, i) => (i % length > Math.floor(i / length) ? -1e9 : 0));
  const mask = array(future, [length, length]);
  let count = 0;

  return {
    mask,
    async step() {
      count++;
      const corrections = [1 / (1 - beta1 ** count), 1 / (1 - beta2 ** count)].map(x => np.array(x));
      const [loss, ...next] = step(...state, inputs.ref, targets.ref, mask.ref, ...corrections);
      state = next;
      return (await loss.data())[0];
    },
  };
}
