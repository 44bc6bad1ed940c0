/** The pre-norm transformer block that the vision encoder and the decoder are made of. */
import { layerNorm, linear } from '../core/index.js';
import type { Parameters, Tensor } from '../core/index.js';

/**
 * Attention over a block's queries, keys and values: (R, 3C) -> (R, C). Keys and values come from `qkv` itself,
 * or from a cache.
 */
export type Attend = (qkv: Tensor, layer: number) => Tensor;

/**
 * x + attention(norm(x)), then x + mlp(norm(x)) with ReLU.
 * @param x (R, C), R packed rows: the residual stream, which keeps its dtype. Everything in between has the dtype of
 *   the weights
 * @param name prefix of the parameters, as `decoder.block`
 */
export function transformerBlock(
  parameters: Parameters,
  name: string,
  layer: number,
  x: Tensor,
  attend: Attend,
): Tensor {
  const p = (suffix: string) => parameters.get(`${name}.${layer}.${suffix}`);
  const { dtype } = p('attention.qkv.weight');
  const normed = layerNorm(x, p('attention.norm.gain'), p('attention.norm.bias'), { dtype }); // (R, C)
  const qkv = linear(normed, p('attention.qkv.weight'), p('attention.qkv.bias')); // (R, 3C)
  const attended = attend(qkv, layer); // (R, C)
  const wide = { dtype: x.dtype };
  const y = linear(attended, p('attention.out.weight'), p('attention.out.bias'), { residual: x, ...wide }); // (R, C)
  const normedY = layerNorm(y, p('mlp.norm.gain'), p('mlp.norm.bias'), { dtype }); // (R, C)
  const hidden = linear(normedY, p('mlp.in.weight'), p('mlp.in.bias'), { activation: 'relu' }); // (R, 4C)
  return linear(hidden, p('mlp.out.weight'), p('mlp.out.bias'), { residual: y, ...wide }); // (R, C)
}
