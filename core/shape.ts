/**
 * Shapes, strides and broadcasting. Sizes and strides count elements; dimensions are listed slowest first
 * (row-major).
 */

export type Shape = readonly number[];

/** Number of elements; 1 for a scalar (`[]`). */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Entry of a dimension (from the front, or negative from the back). @throws Error if there is no such dimension */
export function sizeAt(shape: Shape, axis: number): number {
  const size = shape.at(axis);
  if (size === undefined) throw new Error(`${formatShape(shape)} has no dimension ${axis}`);
  return size;
}

/** Size of the last dimension, and the product of all others: a tensor as a list of its rows. */
export function rowsAndCols(shape: Shape): { rows: number; cols: number } {
  return { rows: sizeOf(shape.slice(0, -1)), cols: sizeAt(shape, -1) };
}

/** Row-major strides of a contiguous tensor. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let k = shape.length - 1; k >= 0; k--) {
    strides[k] = step;
    step *= shape[k]!;
  }
  return strides;
}

/** True if elements lie one after another in row-major order; dimensions of size 1 may have any stride. */
export function isContiguous(shape: Shape, strides: Shape): boolean {
  const expected = contiguousStrides(shape);
  return shape.every((n, k) => n === 1 || strides[k] === expected[k]);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, k) => n === b[k]);
}

/** `[2, 3]`, for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/**
 * The common shape of two operands by NumPy's rule: aligned at the last dimension, sizes equal or one of them 1.
 * @throws Error that names the dimension that does not fit.
 */
export function broadcastShapes(a: Shape, b: Shape, what: string): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, k) => {
    const m = a[k - rank + a.length] ?? 1;
    const n = b[k - rank + b.length] ?? 1;
    if (m !== n && m !== 1 && n !== 1)
      throw new Error(
        `${what}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast: dimension ${k - rank} is ${m} against ${n}; ` +
          'sizes must be equal or 1 (reshape or transpose one of them)',
      );
    return m === 1 ? n : m;
  });
}

/**
 * Strides that read a tensor of `shape` and `strides` as if it had the broadcast shape `to`: 0 along repeated
 * dimensions.
 */
export function broadcastStrides(shape: Shape, strides: Shape, to: Shape): number[] {
  const shift = to.length - shape.length;
  return to.map((n, k) => (k < shift || (shape[k - shift] === 1 && n !== 1) ? 0 : strides[k - shift]!));
}

/** Sizes or strides of the dimensions that strided kernels know. */
export type Four = readonly [number, number, number, number];

/**
 * Merges neighbouring dimensions that can be walked as one by all stride lists, and pads with leading ones to rank 4.
 * @throws Error if more than four dimensions remain: strided kernels know four.
 */
export function collapseDimensions<const Lists extends readonly Shape[]>(
  shape: Shape,
  strideLists: Lists,
  what: string,
): { shape: Four; strides: { [L in keyof Lists]: Four } } {
  const sizes: number[] = [];
  const merged: number[][] = strideLists.map(() => []);
  shape.forEach((n, k) => {
    if (n === 1) return;
    const last = sizes.length - 1;
    const joins = last >= 0 && strideLists.every((list, s) => merged[s]![last] === list[k]! * n);
    if (joins) {
      sizes[last]! *= n;
      strideLists.forEach((list, s) => (merged[s]![last] = list[k]!));
    } else {
      sizes.push(n);
      strideLists.forEach((list, s) => merged[s]!.push(list[k]!));
    }
  });
  if (sizes.length > 4)
    throw new Error(
      `${what}: shape ${formatShape(shape)} has more than four dimensions that cannot be merged; reshape it first`,
    );
  while (sizes.length < 4) {
    sizes.unshift(1);
    for (const list of merged) list.unshift(0);
  }
  return { shape: sizes as unknown as Four, strides: merged as unknown as { [L in keyof Lists]: Four } };
}

/** `axis` counted from the front; negative ones count from the back. */
export function normalizeAxis(axis: number, rank: number, what: string): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank)
    throw new Error(`${what}: axis ${axis} does not exist in a tensor of rank ${rank}; use ${-rank}..${rank - 1}`);
  return normalized;
}
