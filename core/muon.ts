/**
 * Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for weight matrices, AdamW for all other parameters. A
 * matrix moves by the nearest orthogonal one to its momentum, in which all directions count alike:
 *
 *     m <- beta m + (1 - beta) g,  u = beta m + (1 - beta) g        momentum, by Nesterov's rule
 *     x = orthogonalize(u / |u|)                                    five Newton-Schulz steps
 *     w <- w - matrixRate * rate * (0.2 sqrt(max(rows, cols)) x + weightDecay w)
 *
 * An orthogonal x has 1 / max(rows, cols) as its mean square, so the root makes that 1. Steps of AdamW have about 0.2
 * (Liu et al. 2025, arXiv 2502.16982): one learning rate serves both.
 */
import { muonMomentumKernel, muonStepKernel, newtonSchulzKernel } from '../kernels/index.js';
import { AdamW, requireNumbers } from './optimizer.js';
import type { AdamWOptions } from './optimizer.js';
import type { Parameters, ParameterSpec } from './parameters.js';
import { matmulRaw, transposeView } from './primitives.js';
import type { Tensor } from './tensor.js';

/** Numbers of Muon, and of the AdamW beside it; the learning rate is given to `step`. */
export interface MuonOptions extends AdamWOptions {
  /** Default 0.95. */
  readonly momentum?: number;
  /** Learning rate of the matrices, as a multiple of that of their group. Default 3. */
  readonly matrixRate?: number;
}

/** Root mean square of an update, per unit of learning rate. */
const updateSize = 0.2;
/** Of x <- a x + b (x x^T) x + c (x x^T)^2 x: as steep at 0 as it can be while 1 stays near 1 (Jordan et al.). */
const coefficients = { a: 3.4445, b: -4.775, c: 2.0315 };
const newtonSchulzSteps = 5;

/**
 * The nearest orthogonal matrix, roughly: U S V^T becomes U S' V^T with singular values S' from 0.7 to 1.2, where those
 * of S are above 0.002. Zeros stay zeros.
 * @param x f32, [count, rows, cols], each matrix of norm 1 at most
 */
export function orthogonalize(x: Tensor): Tensor {
  const [count, rows, cols] = x.shape as [number, number, number];
  const wide = rows <= cols; // (x x^T) x = x (x^T x): the smaller square is cheaper
  const n = wide ? rows : cols;
  const step = (y: Tensor) =>
    y.device.scope(() => {
      const gram = wide ? matmulRaw(y, transposeView(y)) : matmulRaw(transposeView(y), y);
      const p = y.device.empty(gram.shape, gram.dtype, 'newton_schulz');
      y.device.launch(newtonSchulzKernel, { gram, square: matmulRaw(gram, gram), p }, { n, count, ...coefficients });
      return wide ? matmulRaw(p, y) : matmulRaw(y, p);
    });
  let y = x;
  for (let i = 0; i < newtonSchulzSteps; i++) y = step(y);
  return y;
}

/** Matrices of one group and shape, which are orthogonalised together. */
interface Stack {
  readonly group: string;
  readonly rows: number;
  readonly cols: number;
  readonly count: number;
  /** i32 [count, 2]: where a matrix begins in the flat buffer, and how far its rows lie apart. */
  readonly places: Tensor;
}

/** Muon on the matrices that `ParameterSpec.muonParts` marks, AdamW on the rest. */
export class Muon extends AdamW {
  protected override readonly matrixNumbers: readonly number[];
  readonly #stacks: readonly Stack[];

  /** @throws Error as AdamW does, and if a marked parameter is no matrix of so many parts, or none is marked */
  constructor(parameters: Parameters, { momentum = 0.95, matrixRate = 3, ...options }: MuonOptions = {}) {
    requireNumbers('Muon', { momentum }, [0, 1 - 2 ** -24]);
    requireNumbers('Muon', { matrixRate }, [0, 2 ** 126]);
    const marked = parameters.specs.filter(spec => spec.muonParts !== undefined);
    if (marked.length === 0) throw new Error('Muon: no parameter has muonParts, which marks its matrices: take AdamW');
    marked.forEach(requireMatrix);
    super(parameters, options, ({ muonParts }) => muonParts === undefined);
    this.matrixNumbers = [momentum, matrixRate];
    this.#stacks = stacksOf(parameters, marked);
  }

  protected override updateGroup(group: string): void {
    super.updateGroup(group);
    const { device, flat } = this.parameters;
    const { grads: grad, m, state } = this;
    const hyper = this.hyper.get(group)!;
    for (const { group: of, places, ...stack } of this.#stacks) {
      if (of !== group) continue;
      const shape = { ...stack, total: flat.size };
      device.scope(() => {
        const u = device.empty([shape.count, shape.rows, shape.cols], flat.dtype, 'Muon');
        device.launch(muonMomentumKernel, { grad, m, places, hyper, state, x: u }, shape);
        const scale = updateSize * Math.sqrt(Math.max(shape.rows, shape.cols));
        device.launch(muonStepKernel, { param: flat, x: orthogonalize(u), places, hyper, state }, { ...shape, scale });
      });
    }
    this.parameters.refreshGroup(group);
  }

  override dispose(): void {
    super.dispose();
    for (const { places } of this.#stacks) this.parameters.device.free(places);
  }
}

function requireMatrix({ name, shape, muonParts: parts = NaN }: ParameterSpec): void {
  const [rows = 0, cols = 0] = shape;
  if (shape.length !== 2 || !(rows > 0 && cols > 0) || !(Number.isInteger(parts) && parts > 0 && cols % parts === 0))
    throw new Error(
      `Muon: ${name} is [${shape.join(', ')}] with muonParts ${parts}; it takes matrices whose columns fall into so many equal parts`,
    );
}

function stacksOf({ device, ranges }: Parameters, matrices: readonly ParameterSpec[]): readonly Stack[] {
  const stacks = new Map<string, Pick<Stack, 'group' | 'rows' | 'cols'> & { readonly places: number[] }>();
  for (const { name, shape, group, muonParts: parts = 1 } of matrices) {
    const [rows, width] = shape as [number, number];
    const cols = width / parts;
    const key = [group, rows, cols].join(' ');
    const stack = stacks.get(key) ?? { group, rows, cols, places: [] };
    stacks.set(key, stack);
    for (let part = 0; part < parts; part++) stack.places.push(ranges.get(name)!.offset + part * cols, width);
  }
  return [...stacks.values()].map(({ places, ...stack }) => ({
    ...stack,
    count: places.length / 2,
    places: device.keep(device.tensor(places, [places.length], { dtype: 'i32' })),
  }));
}
