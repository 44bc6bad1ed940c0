/**
 * The WGSL of subgroup matrices, in one place: the extension is experimental and its spelling may still change.
 *
 * The lanes of a subgroup (a warp of 32, on NVIDIA) hold left[M, K], right[K, N] and result[M, N] together. How the
 * elements are spread over them is left open: matrices can be loaded, stored and multiplied, single elements cannot be
 * read. Types name columns before rows. The array behind a pointer may have another element type than the matrix:
 * offset and stride count elements of that array then, so f16 matrices may be loaded from an array of vec4u, eight
 * elements at a time.
 */
import type { MatrixConfig } from './machine.js';

/** Extensions that a module with matrices enables. */
export const matrixExtensions: readonly string[] = ['subgroups', 'chromium_experimental_subgroup_matrix'];

/** How a matrix lies in memory: rows or columns without gaps. */
export type MatrixOrder = 'row_major' | 'col_major';

export function leftType({ componentType, M, K }: MatrixConfig): string {
  return `subgroup_matrix_left<${componentType}, ${K}, ${M}>`;
}

export function rightType({ componentType, N, K }: MatrixConfig): string {
  return `subgroup_matrix_right<${componentType}, ${N}, ${K}>`;
}

export function resultType({ resultComponentType, M, N }: MatrixConfig): string {
  return `subgroup_matrix_result<${resultComponentType}, ${N}, ${M}>`;
}

/**
 * WGSL: the matrix at `offset` of the array that `pointer` names, with `stride` from one row (or column) to the next.
 */
export function matrixLoad(
  type: string,
  order: MatrixOrder,
  { pointer, offset, stride }: { readonly pointer: string; readonly offset: string; readonly stride: string },
): string {
  return `subgroupMatrixLoad<${type}, ${order}>(${pointer}, ${offset}, ${stride})`;
}

/** WGSL: `result + left * right`. */
export function matrixMultiplyAccumulate(left: string, right: string, result: string): string {
  return `subgroupMatrixMultiplyAccumulate(${left}, ${right}, ${result})`;
}

/** WGSL: a statement that writes `matrix` row by row. */
export function matrixStore(
  matrix: string,
  { pointer, offset, stride }: { readonly pointer: string; readonly offset: string; readonly stride: string },
): string {
  return `subgroupMatrixStore<row_major>(${pointer}, ${offset}, ${matrix}, ${stride});`;
}
