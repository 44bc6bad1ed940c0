/**
 * The training step for comparing engines: a GPT-like decoder of 0.84 million parameters (width 128, 4 layers, 4 heads,
 * vocabulary 128) on 16 sequences of 128 tokens, f32, AdamW without clipping. Weights and tokens come from our
 * counter-based random numbers, so every engine starts from the same ones and must print the same losses.
 */
import {
  add,
  AdamW,
  attention,
  crossEntropy,
  gatherRows,
  gelu,
  layerNorm,
  linear,
  matmul,
  Parameters,
  Random,
  Recorder,
  reshape,
  SequenceTable,
  sum,
} from '../core/index.js';
import type { Device, ParameterSpec, Tensor } from '../core/index.js';

export interface Sizes {
  readonly batch: number;
  readonly length: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocabulary: number;
}

/** Sizes of the comparison. */
export const sizes: Sizes = { batch: 16, length: 128, width: 128, layers: 4, heads: 4, vocabulary: 128 };
export const adamw = { learningRate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.01 } as const;

/** All weights: matrices are normal with standard deviation 0.02, as in GPT-2. */
export function transformerSpecs({ width: d, layers, vocabulary, length }: Sizes = sizes): ParameterSpec[] {
  const spec = (name: string, shape: readonly number[], init: ParameterSpec['init']): ParameterSpec => ({
    name,
    shape,
    init,
    group: 'all',
  });
  const normal = { normal: 0.02 } as const;
  const [ones, zeros] = [{ constant: 1 }, { constant: 0 }] as const;
  return [
    spec('token', [vocabulary, d], normal),
    spec('position', [length, d], normal),
    ...Array.from({ length: layers }, (_, l) => [
      spec(`blocks.${l}.norm1Gain`, [d], ones),
      spec(`blocks.${l}.norm1Bias`, [d], zeros),
      spec(`blocks.${l}.qkv`, [d, 3 * d], normal),
      spec(`blocks.${l}.qkvBias`, [3 * d], zeros),
      spec(`blocks.${l}.out`, [d, d], normal),
      spec(`blocks.${l}.outBias`, [d], zeros),
      spec(`blocks.${l}.norm2Gain`, [d], ones),
      spec(`blocks.${l}.norm2Bias`, [d], zeros),
      spec(`blocks.${l}.up`, [d, 4 * d], normal),
      spec(`blocks.${l}.upBias`, [4 * d], zeros),
      spec(`blocks.${l}.down`, [4 * d, d], normal),
      spec(`blocks.${l}.downBias`, [d], zeros),
    ]).flat(),
    spec('normGain', [d], ones),
    spec('normBias', [d], zeros),
    spec('head', [d, vocabulary], normal),
  ];
}

/**
 * The fixed batch: each token determines the next with chance 3/4, so that there is something to learn. (B * T) each.
 */
export function transformerTokens({ batch, length, vocabulary }: Sizes = sizes): {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
} {
  const random = new Random(1, 2);
  const [inputs, targets] = [new Int32Array(batch * length), new Int32Array(batch * length)];
  for (let b = 0; b < batch; b++) {
    let token = random.integer(vocabulary);
    for (let t = 0; t < length; t++) {
      inputs[b * length + t] = token;
      token = random.uniform() < 0.75 ? (5 * token + 3) % vocabulary : random.integer(vocabulary);
      targets[b * length + t] = token;
    }
  }
  return { inputs, targets };
}

/** The model, its optimiser and its batch on a device. */
export class Transformer {
  readonly sizes: Sizes;
  readonly parameters: Parameters;
  readonly #optimizer: AdamW;
  readonly #recorder: Recorder;
  readonly #device: Device;
  readonly #kept: Tensor[] = [];
  readonly #inputs: Tensor;
  readonly #positions: Tensor;
  readonly #targets: Tensor;
  readonly #weights: Tensor;
  readonly #table: Tensor;

  constructor(device: Device, chosen: Sizes = sizes) {
    const { batch, length, vocabulary } = chosen;
    const rows = batch * length;
    this.sizes = chosen;
    const { beta1, beta2, epsilon, decay } = adamw;
    this.#device = device;
    this.#recorder = new Recorder(device);
    this.parameters = new Parameters(device, transformerSpecs(chosen));
    this.parameters.initialize(new Random(1, 1));
    this.#optimizer = new AdamW(this.parameters, { beta1, beta2, epsilon, weightDecay: decay, maxNorm: 0 });
    const { inputs, targets } = transformerTokens(chosen);
    const oneHot = new Float32Array(rows * vocabulary);
    targets.forEach((token, i) => (oneHot[i * vocabulary + token] = 1));
    const positions = Int32Array.from({ length: rows }, (_, i) => i % length);
    const table = new SequenceTable(Array.from({ length: batch }, () => ({ length, prefix: 0 })));
    const keep = (tensor: Tensor) => {
      this.#kept.push(tensor);
      return device.keep(tensor);
    };
    this.#inputs = keep(device.tensor(inputs, [rows], { dtype: 'i32' }));
    this.#positions = keep(device.tensor(positions, [rows], { dtype: 'i32' }));
    this.#targets = keep(device.tensor(oneHot, [rows, vocabulary]));
    this.#weights = keep(device.full([rows], 1 / rows));
    this.#table = keep(table.toTensor(device));
  }

  /** Mean cross-entropy of the batch: a scalar. */
  loss(): Tensor {
    const { batch, heads, layers, length, vocabulary } = this.sizes;
    const sequences = { heads, table: this.#table, maxLength: length };
    const w = (name: string) => this.parameters.get(name);
    let x = add(gatherRows(w('token'), this.#inputs), gatherRows(w('position'), this.#positions)); // (R, d)
    for (let l = 0; l < layers; l++) {
      const p = (name: string) => w(`blocks.${l}.${name}`);
      const normed = layerNorm(x, p('norm1Gain'), p('norm1Bias')); // (R, d)
      const y = attention(linear(normed, p('qkv'), p('qkvBias')), sequences); // (R, d)
      x = linear(y, p('out'), p('outBias'), { residual: x }); // (R, d)
      const hidden = gelu(linear(layerNorm(x, p('norm2Gain'), p('norm2Bias')), p('up'), p('upBias'))); // (R, 4d)
      x = linear(hidden, p('down'), p('downBias'), { residual: x }); // (R, d)
    }
    const logits = matmul(layerNorm(x, w('normGain'), w('normBias')), w('head')); // (R, V)
    return sum(crossEntropy(reshape(logits, [batch * length, vocabulary]), this.#targets, this.#weights)); // scalar
  }

  /** One training step. @returns its loss, as soon as it is known */
  step(): Promise<number> {
    this.#optimizer.setRates({ all: adamw.learningRate });
    return this.#device.scope(() => {
      const { loss } = this.#recorder.run('step', {}, () => {
        const loss = this.loss();
        this.#optimizer.backward(loss);
        this.#optimizer.update();
        return { loss };
      });
      return loss.item();
    });
  }

  /** Frees everything; nothing may be called afterwards. */
  dispose(): void {
    this.#recorder.dispose();
    this.#optimizer.dispose();
    this.parameters.dispose();
    for (const tensor of this.#kept) this.#device.free(tensor);
    this.#device.trim();
  }
}

/** Floating-point operations of a step: 6 per weight of a matrix and row, and the two products of attention. */
export function transformerFlops({ batch, width, layers, vocabulary, length }: Sizes = sizes): number {
  const rows = batch * length;
  const matrices = layers * 12 * width ** 2 + width * vocabulary;
  return 6 * rows * matrices + 3 * layers * 4 * rows * length * width;
}
