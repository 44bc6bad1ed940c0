/** The residual stream and its norms, backward: the norm's kernel adds the gradient that has come along the stream. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { add, applyOp, gradcheck, layerNorm, linear, mul, openDevice, ops, Random, sum } from '../../core/index.js';
import type { Device, DType, Tensor } from '../../core/index.js';
import { cpu } from './devices.js';

let wasm: Device;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
});
afterAll(async () => {
  await wasm.close();
});

const fused = ops.layerNorm;
const unfused: typeof fused = { ...fused, addsArrived: false };

/** Leaves of a pre-norm block without attention: y = x + norm(x) w + b. */
function leaves(device: Device, rows: number, cols: number, dtype: DType): Tensor[] {
  const random = new Random(6, rows, cols);
  const draw = (...shape: number[]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const values = Float64Array.from({ length: size }, () => random.normal());
    return device.tensor(values, shape, { dtype }).trainable();
  };
  return [draw(rows, cols), draw(cols), draw(cols), draw(cols, cols), draw(cols)];
}

/** Two such blocks; the stream itself is computed, so that gradients meet at nodes and not only at leaves. */
function blocks(norm: typeof fused, [x, gain, shift, w, b]: readonly Tensor[]): Tensor {
  let stream = add(x!, b!); // (rows, cols)
  for (let block = 0; block < 2; block++) {
    const normed = applyOp(norm, [stream, gain!, shift!], { eps: 1e-5 }); // (rows, cols)
    stream = linear(normed, w!, b!, { residual: stream }); // (rows, cols)
  }
  return sum(mul(stream, stream));
}

/** Kernels of the backward pass, and the gradients of all leaves. */
async function backwardOf(device: Device, norm: typeof fused, rows: number, cols: number) {
  return await device.scope(async () => {
    const inputs = leaves(device, rows, cols, 'f32');
    const loss = blocks(norm, inputs);
    const launched: string[] = [];
    device.observer = kernel => launched.push(kernel.name);
    loss.backward();
    device.observer = undefined;
    return { launched, gradients: await Promise.all(inputs.map(async ({ grad }) => Array.from(await grad!.read()))) };
  });
}

describe('norm and residual, backward', () => {
  it.each([
    [1, 1],
    [1, 4],
    [3, 5],
    [40, 16],
  ])('rows %i, columns %i: one launch less per norm, and on wasm not a bit of difference', async (rows, cols) => {
    const [one, two] = [await backwardOf(wasm, fused, rows, cols), await backwardOf(wasm, unfused, rows, cols)];
    const count = (launched: readonly string[], name: string) => launched.filter(kernel => kernel === name).length;
    expect(count(one.launched, 'layer_norm_grad_input_residual')).toBe(2);
    expect(count(one.launched, 'layer_norm_grad_input')).toBe(0);
    expect(count(two.launched, 'layer_norm_grad_input')).toBe(2);
    expect(two.launched.length - one.launched.length).toBe(2);
    expect(one.gradients).toEqual(two.gradients);
  });

  it('passes the gradient check, where the stream is a leaf with a gradient too', async () => {
    for (const [rows, cols] of [
      [1, 2],
      [3, 5],
    ] as const) {
      const { ok } = await gradcheck((...inputs) => blocks(fused, inputs), leaves(cpu, rows, cols, 'f64'));
      expect(ok).toBe(true);
    }
    const x = cpu.tensor([1, -2, 0.5, 3], [2, 2], { dtype: 'f64' }).trainable();
    const constant = (...values: number[]) => cpu.tensor(values, [2], { dtype: 'f64' });
    const f = (input: Tensor) => {
      const normed = layerNorm(input, constant(2, -1), constant(0, 1));
      // the leaf's own use comes first in the backward pass
      return add(sum(mul(normed, normed)), sum(mul(input, input)));
    };
    expect(await gradcheck(f, [x])).toMatchObject({ ok: true });
  });

  it('a gradient that the stream does not have is not looked for', async () => {
    const x = cpu.tensor([1, 2, 4], [1, 3]).trainable();
    const one = cpu.tensor([1, 1, 1]);
    const launched: string[] = [];
    cpu.observer = kernel => launched.push(kernel.name);
    sum(mul(layerNorm(x, one, one), cpu.tensor([1, 0, 0], [1, 3]))).backward();
    cpu.observer = undefined;
    expect(launched).toContain('layer_norm_grad_input');
    expect(launched).not.toContain('layer_norm_grad_input_residual');
    expect(await x.grad!.read()).toHaveLength(3);
  });
});
