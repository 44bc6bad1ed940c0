/**
 * The tape. Every op on a tensor that needs a gradient leaves a node with its inputs and what it saved; `backward` visits
 * the nodes in reverse order of creation, which is a topological order, and asks each op for the gradients of its inputs.
 */
import { asOp, gradientDType } from './op.js';
import type { AnyOp } from './op.js';
import { binary, contiguous, converted } from './primitives.js';
import { formatShape, sameShape } from './shape.js';
import type { Storage } from './device.js';
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

/** Runs `body` without recording: its results have no history. */
export function noGrad<T>(body: () => T): T {
  const before = recording;
  recording = false;
  try {
    return body();
  } finally {
    recording = before;
  }
}

/** True if `tensor` is a trainable leaf or depends on one. */
export function needsGrad(tensor: Tensor): boolean {
  return tensor.requiresGrad || tensor.node !== undefined;
}

/** Notes how `output` came about, if anybody will want to know. */
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
   * One number on the device that all gradients are to be multiplied by, so that those that pass through f16 do not vanish
   * there; `AdamW.backward` gives its own, and divides by it later. f16 weights ask for it.
   */
  readonly lossScale?: Tensor;
  /** Keep the graph for another backward; its gradients add up. */
  readonly retain?: boolean;
}

/** See `Tensor.backward`. */
export function backward(root: Tensor, { grad, lossScale, retain = false }: BackwardOptions): void {
  const { device } = root;
  if (!root.node)
    throw new Error(
      root.requiresGrad
        ? 'backward() on a leaf: nothing was computed from it'
        : 'backward() on a tensor without history: no input is trainable(), or it was computed in noGrad(), or it was detached',
    );
  if (grad && !sameShape(grad.shape, root.shape))
    throw new Error(
      `backward: the gradient ${formatShape(grad.shape)} must have the tensor's shape ${formatShape(root.shape)}`,
    );
  if (!grad && root.size !== 1)
    throw new Error(`backward() starts from one number, not from ${formatShape(root.shape)}: sum it, or pass { grad }`);

  if (grad && lossScale)
    throw new Error('backward: { grad } and { lossScale } do not go together; scale the gradient yourself');

  const order = reachableNodes(root);
  if (!grad && !lossScale && order.some(({ inputs }) => inputs.some(x => x.requiresGrad && x.dtype === 'f16')))
    throw new Error(
      'backward: there are f16 weights, whose gradients vanish without loss scaling: call optimizer.backward(loss) instead of ' +
        'loss.backward(), or pass { lossScale } and divide the gradients by it',
    );
  const pending = new Map<TapeNode, Tensor>();
  const uses = new Map<Storage, number>(); // gradients may share memory: free it when the last one is consumed
  const hold = (tensor: Tensor) => uses.set(tensor.storage, (uses.get(tensor.storage) ?? 0) + 1);
  const release = (tensor: Tensor) => {
    const left = uses.get(tensor.storage)! - 1;
    uses.set(tensor.storage, left);
    const given = tensor.storage === grad?.storage || tensor.storage === lossScale?.storage;
    if (left === 0 && !given) device.free(tensor.storage);
  };
  const scale = lossScale && converted(contiguous(lossScale.view(root.shape)), root.dtype);
  const seed = grad ?? scale ?? device.full(root.shape, 1, { dtype: root.dtype });
  hold(seed);
  pending.set(root.node, seed);

  noGrad(() => {
    for (const node of order) {
      const outputGrad = pending.get(node);
      if (!outputGrad) continue;
      pending.delete(node);
      const wanted = node.inputs.map(needsGrad);
      const arrivedAt = (input: Tensor) => (input.node ? pending.get(input.node) : input.grad);
      const arrived = node.op.addsArrived && wanted[0] ? arrivedAt(node.inputs[0]!) : undefined;
      const gradients = device.scope(() =>
        asOp(`gradient of ${node.op.name}`, () => node.op.gradient(gradientContext(node, outputGrad, wanted, arrived))),
      );
      node.inputs.forEach((input, i) => {
        const gradient = gradients[i];
        if (!wanted[i]) return;
        if (!gradient) throw new Error(`op ${node.op.name} returned no gradient for input ${i}, which needs one`);
        if (!sameShape(gradient.shape, input.shape))
          throw new Error(
            `op ${node.op.name}: the gradient of input ${i} is ${formatShape(gradient.shape)}, the input ${formatShape(input.shape)}`,
          );
        const dtype = gradientDType(input);
        if (input.node && gradient.dtype !== dtype && gradient.dtype !== input.dtype)
          throw new Error(
            `op ${node.op.name}: the gradient of input ${i} is ${gradient.dtype}, the input ${input.dtype}; it must be ${dtype}`,
          );
        const previous = arrivedAt(input);
        const own = converted(gradient, dtype);
        const isAdded = i === 0 && arrived !== undefined;
        const sum = previous && !isAdded ? binary('add', previous, own) : own;
        hold(sum);
        if (input.node) pending.set(input.node, sum);
        else input.grad = sum;
        if (previous && input.node) release(previous);
      });
      release(outputGrad);
      if (!retain) node.saved = undefined;
    }
  });
}

function gradientContext(node: TapeNode, grad: Tensor, wanted: readonly boolean[], arrived: Tensor | undefined) {
  if (!node.saved)
    throw new Error(
      `backward: the graph was freed by an earlier backward() (at op ${node.op.name}); compute the loss again, or pass { retain: true } the first time`,
    );
  const { inputs, output, saved } = node;
  return { inputs, output, saved, grad, wanted, arrived, attributes: node.attributes as never };
}

/** All nodes that `root` depends on, latest first. */
function reachableNodes(root: Tensor): TapeNode[] {
  const seen = new Set<TapeNode>();
  const stack = [root.node!];
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    for (const input of node.inputs) if (input.node) stack.push(input.node);
  }
  return [...seen].sort((a, b) => b.id - a.id);
}
