/**
 * The tape. Every op on a tensor that needs a gradient leaves a node with its inputs and what it saved. `backward`
 * visits the nodes in reverse order of creation, which is a topological order, and asks each op for the gradients of
 * its inputs.
 */
import { gradientDType, Gradients } from './gradients.js';
import type { AnyOp } from './op.js';
import { contiguous, converted } from './primitives.js';
import { formatShape, sameShape } from './shape.js';
import type { Tensor } from './tensor.js';

export interface TapeNode {
  /** Increases with creation. */
  readonly id: number;
  readonly op: AnyOp;
  readonly attributes: unknown;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  /** What the forward pass kept for the gradient; undefined once the graph is freed. */
  saved: readonly Tensor[] | undefined;
}

let nextId = 0;
let recording = true;
let running = 'no op';

/**
 * Runs `body` without recording: its results have no history. @throws Error for an async body, which would end later
 */
export function noGrad<T>(body: () => T): T {
  const before = recording;
  recording = false;
  try {
    const result = body();
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw new Error(
        'noGrad() takes no async function: it would record again while that waits; wrap the calls between',
      );
    }
    return result;
  } finally {
    recording = before;
  }
}

/** Runs `body` under the name of an op. */
export function asOp<T>(name: string, body: () => T): T {
  const before = running;
  running = name;
  try {
    return body();
  } finally {
    running = before;
  }
}

/** The op being computed, or `gradient of` one, for those who observe launches. */
export function runningOp(): string {
  return running;
}

/** True if `tensor` is a trainable leaf or depends on one. */
export function needsGrad(tensor: Tensor): boolean {
  return tensor.requiresGrad || tensor.node !== undefined;
}

/** Notes how `output` was computed, if a gradient may be wanted. */
export function record(
  op: AnyOp,
  attributes: unknown,
  inputs: readonly Tensor[],
  output: Tensor,
  saved: readonly Tensor[],
): void {
  if (recording && inputs.some(needsGrad)) output.node = { id: nextId++, op, attributes, inputs, output, saved };
}

/** Where a backward pass begins, and what it leaves. */
export interface BackwardOptions {
  /** d(loss)/d(this tensor); default 1, for a scalar. */
  readonly grad?: Tensor;
  /**
   * One number on the device that scales all gradients, so that those in f16 do not vanish. `AdamW.backward` passes
   * its own and divides by it in the update. f16 weights require it.
   */
  readonly lossScale?: Tensor;
  /** Keep the graph for another backward; its gradients add up. */
  readonly retain?: boolean;
  /**
   * Where gradients of leaves are written: contiguous tensors of the leaves' shapes, in the dtype of their gradients.
   * `AdamW.backward` gives the places from which it updates, which saves a copy of each.
   */
  readonly places?: ReadonlyMap<Tensor, Tensor> | undefined;
}

/** See `Tensor.backward`. */
export function backward(root: Tensor, options: BackwardOptions = {}): void {
  const nodes = nodesLatestFirst(root);
  const gradients = new Gradients(options.places);
  gradients.set(root, seedOf(root, nodes, options, gradients));
  noGrad(() => {
    for (const node of nodes) {
      const { op, attributes, inputs, output } = node;
      const saved = savedBy(node);
      const wanted = inputs.map(needsGrad);
      const grad = gradients.take(node); // complete: the users of a node's output come before it
      const arrived = op.addsArrived && wanted[0] ? gradients.at(inputs[0]!) : undefined;
      const room = (i: number) => gradients.room(inputs[i]!, `${op.name} gradient`);
      const context = { inputs, output, saved, grad, wanted, arrived, room, attributes };
      const computed = root.device.scope(() => asOp(`gradient of ${op.name}`, () => op.gradient(context)));
      inputs.forEach((input, i) => {
        if (!wanted[i]) return;
        const gradient = checked(node, i, computed[i]);
        if (i === 0 && arrived) gradients.set(input, gradient);
        else gradients.add(input, gradient);
      });
      gradients.release(grad);
      if (!options.retain) node.saved = undefined;
    }
    gradients.separate();
  });
}

/** All nodes that `root` depends on. */
function nodesLatestFirst(root: Tensor): TapeNode[] {
  if (!root.node)
    throw new Error(
      root.requiresGrad
        ? 'backward() on a leaf: nothing was computed from it'
        : 'backward() on a tensor without history: no input is trainable(), or it was computed in noGrad(), or it was ' +
            'detached',
    );
  const seen = new Set<TapeNode>();
  const stack = [root.node];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const input of node.inputs) if (input.node) stack.push(input.node);
  }
  return [...seen].sort((a, b) => b.id - a.id);
}

/** The gradient that a pass starts from, which stays the caller's if the caller gave it. */
function seedOf(
  root: Tensor,
  nodes: readonly TapeNode[],
  { grad, lossScale }: BackwardOptions,
  gradients: Gradients,
): Tensor {
  const { device, dtype, shape } = root;
  if (grad && lossScale)
    throw new Error('backward: { grad } and { lossScale } do not go together; scale the gradient yourself');
  if (grad && !sameShape(grad.shape, shape))
    throw new Error(
      `backward: the gradient ${formatShape(grad.shape)} must have the tensor's shape ${formatShape(shape)}`,
    );
  if (!grad && root.size !== 1)
    throw new Error(`backward() starts from one number, not from ${formatShape(shape)}: sum it, or pass { grad }`);
  if (!grad && !lossScale && nodes.some(({ inputs }) => inputs.some(x => x.requiresGrad && x.dtype === 'f16')))
    throw new Error(
      'backward: there are f16 weights, whose gradients vanish without loss scaling: call optimizer.backward(loss) ' +
        'instead of loss.backward(), or pass { lossScale } and divide the gradients by it',
    );
  const given = grad ?? lossScale;
  if (given) gradients.hold(given);
  if (grad) return grad;
  return lossScale ? converted(contiguous(lossScale.view(shape)), dtype) : device.full(shape, 1, { dtype });
}

function savedBy({ op, saved }: TapeNode): readonly Tensor[] {
  if (saved) return saved;
  throw new Error(
    `backward: the graph was freed by an earlier backward() (at op ${op.name}); compute the loss again, or pass ` +
      '{ retain: true } the first time',
  );
}

/**
 * The gradient of input `i` as its op computed it, in the dtype it should have.
 * @throws Error if the op broke its contract
 */
function checked({ op, inputs }: TapeNode, i: number, gradient: Tensor | undefined): Tensor {
  const input = inputs[i]!;
  const broken = (what: string) => new Error(`op ${op.name}: the gradient of input ${i} ${what}`);
  if (!gradient) throw broken('is missing');
  if (!sameShape(gradient.shape, input.shape))
    throw broken(`is ${formatShape(gradient.shape)}, the input ${formatShape(input.shape)}`);
  const dtype = gradientDType(input);
  if (input.node && gradient.dtype !== dtype && gradient.dtype !== input.dtype)
    throw broken(`is ${gradient.dtype}, the input ${input.dtype}; it must be ${dtype}`);
  return converted(gradient, dtype);
}
