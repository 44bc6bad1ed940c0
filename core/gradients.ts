/**
 * Gradients under way in a backward pass: for each node of the tape, the sum of what its users have sent so far.
 * Gradients may share memory (views, and ops that hand theirs on), so the pass counts them, and frees memory with the
 * last one in it.
 */
import type { DType } from '../kernels/index.js';
import type { Storage } from './device.js';
import { accumulate, binary, contiguous, unary, wideDType } from './primitives.js';
import type { TapeNode } from './tape.js';
import type { Tensor } from './tensor.js';

/**
 * The dtype of d(loss)/d(`tensor`): that of the tensor, with two exceptions. At a trainable leaf in f16 it is f32,
 * since the gradient is a sum over rows and goes to an optimiser with f32 weights. At the result of a cast it is that
 * of the cast's source, which the cast would convert it to anyway.
 */
export function gradientDType(tensor: Tensor): DType {
  const { node } = tensor;
  if (node?.op.name === 'cast') return node.inputs[0]!.dtype;
  return node ? tensor.dtype : wideDType(tensor);
}

/** The gradients of one backward pass; see the head of this file. */
export class Gradients {
  readonly #pending = new Map<TapeNode, Tensor>();
  readonly #inStorage = new Map<Storage, number>();
  readonly #leaves = new Set<Tensor>();
  readonly #places: Map<Tensor, Tensor>;
  readonly #inPlace: ReadonlySet<Storage>;

  /** @param places see `BackwardOptions` */
  constructor(places: ReadonlyMap<Tensor, Tensor> = new Map()) {
    this.#places = new Map(places);
    this.#inPlace = new Set([...places.values()].map(({ storage }) => storage));
    for (const place of places.values()) this.hold(place); // it is never freed here
  }

  /** Memory for a gradient of `x`: its place for the first one of a leaf that has one, else new memory. */
  room(x: Tensor, label: string): Tensor {
    const place = x.grad ? undefined : this.#places.get(x);
    this.#places.delete(x);
    return place ?? x.device.empty(x.shape, gradientDType(x), label);
  }

  /** Keeps the memory of `tensor` alive until as many calls of `release`. */
  hold({ storage }: Tensor): void {
    this.#inStorage.set(storage, (this.#inStorage.get(storage) ?? 0) + 1);
  }

  /** Frees the memory of `tensor` if nothing else holds it. */
  release({ storage }: Tensor): void {
    const left = this.#inStorage.get(storage)! - 1;
    this.#inStorage.set(storage, left);
    if (left === 0) storage.device.free(storage);
  }

  /** Removes the gradient of a node's output; the caller releases it after use. */
  take(node: TapeNode): Tensor {
    const gradient = this.#pending.get(node)!;
    this.#pending.delete(node);
    return gradient;
  }

  /** What has arrived at `x` so far. */
  at(x: Tensor): Tensor | undefined {
    return x.node ? this.#pending.get(x.node) : x.grad;
  }

  /** Makes `gradient` the gradient of `x`. */
  set(x: Tensor, gradient: Tensor): void {
    const before = this.at(x);
    this.hold(gradient);
    if (!x.node) {
      x.grad = gradient;
      this.#leaves.add(x);
    } else {
      this.#pending.set(x.node, gradient);
      if (before) this.release(before);
    }
  }

  /** Adds `gradient` to the gradient of `x`. */
  add(x: Tensor, gradient: Tensor): void {
    const before = this.at(x);
    if (before && this.#inPlace.has(before.storage)) accumulate(before, gradient);
    else this.set(x, before ? binary('add', before, gradient) : gradient);
  }

  /**
   * At the end of the pass: a gradient that lies in memory of others becomes a copy, so that its leaf may write and
   * free it.
   */
  separate(): void {
    for (const leaf of this.#leaves) {
      const shared = leaf.grad!;
      if (this.#inPlace.has(shared.storage)) continue;
      if (shared.isContiguous && this.#inStorage.get(shared.storage) === 1) continue;
      const copy = contiguous(shared);
      leaf.grad = copy === shared ? unary('copy', shared) : copy;
      this.release(shared);
    }
  }
}
