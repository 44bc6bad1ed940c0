/** Trees of plain objects and arrays: how a step's inputs and results are nested. */
import type { HostArray } from './device.js';
import type { Tensor } from './tensor.js';

/**
 * The tree `T` of host arrays with tensors in their place; `undefined` and integers stay. What cannot be uploaded is
 * `never`.
 */
export type Tensors<T> = T extends HostArray
  ? Tensor
  : T extends undefined | number
    ? T
    : T extends object
      ? { readonly [K in keyof T]: Tensors<T[K]> }
      : never;

/**
 * A copy of a tree with its leaves replaced. A leaf is anything that is neither a plain object nor an array, or that
 * `isLeaf` accepts.
 * @param replace is given the leaf and its path, such as `student.tokens` or `images[2]`
 */
export function mapTree(
  tree: unknown,
  replace: (leaf: unknown, path: string) => unknown,
  isLeaf: (node: object) => boolean = () => false,
  path = '',
): unknown {
  if (!isContainer(tree) || isLeaf(tree)) return replace(tree, path);
  if (Array.isArray(tree)) return tree.map((item, i) => mapTree(item, replace, isLeaf, `${path}[${i}]`));
  const prefix = path && `${path}.`;
  return Object.fromEntries(
    Object.entries(tree).map(([name, item]) => [name, mapTree(item, replace, isLeaf, prefix + name)]),
  );
}

/**
 * `mapTree` on trees whose leaves are host arrays, undefined, or integers: sizes that decide what is launched, such
 * as the longest sequence of a batch. Those stay as they are.
 * @throws Error for any other leaf, with its path
 */
export function mapHostArrays(tree: unknown, replace: (array: HostArray) => unknown): unknown {
  const upload = (leaf: unknown, path: string) => {
    if (leaf === undefined || Number.isSafeInteger(leaf)) return leaf;
    if (!isHostArray(leaf))
      throw new Error(
        `input ${path} is ${describe(leaf)}, not an array for the device: pass { values, shape, dtype }, and leave what the host ` +
          'alone needs (lengths, switches) out of the inputs',
      );
    return replace(leaf);
  };
  return mapTree(tree, upload, isHostArray);
}

/** True for `{ values: numbers }`, but not for a tree with a branch that happens to be called `values`. */
export function isHostArray(node: unknown): node is HostArray {
  if (typeof node !== 'object' || node === null || !('values' in node)) return false;
  const { values } = node;
  if (Array.isArray(values)) return values.every(value => typeof value === 'number');
  return ArrayBuffer.isView(values) && !(values instanceof DataView);
}

function isContainer(node: unknown): node is object {
  return (
    Array.isArray(node) ||
    (node !== null && typeof node === 'object' && Object.getPrototypeOf(node) === Object.prototype)
  );
}

function describe(leaf: unknown): string {
  return leaf !== null && typeof leaf === 'object' ? `a ${leaf.constructor.name}` : String(leaf);
}
