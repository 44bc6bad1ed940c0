/** How a lane of attention keeps rows of queries, keys and outputs: one variable per vec4, in registers. */

/** How a lane holds rows of head dimension: as text that is written once and comes out unrolled or as loops. */
export interface Rows {
  /** Goes into the name of the pass. */
  readonly name: string;
  /** WGSL: vec4s per row. */
  readonly vectors: string;
  /** Which head dimensions it serves. */
  readonly fits: (headDim: number) => boolean;
  /** Declares rows by name. */
  readonly declare: (...names: readonly string[]) => string;
  /** Statements for every vec4 `v` of a row. */
  readonly each: (code: (v: string) => string) => string;
  /** Vec4 `v` of a declared row. */
  readonly item: (name: string, v: string) => string;
}

export function registerRows(headDim: number): Rows {
  const numbers = Array.from({ length: headDim / 4 }, (_, v) => `${v}u`);
  const item = (name: string, v: string) => `${name}_${v}`;
  return {
    name: `registers ${headDim}`,
    vectors: `${headDim / 4}u`,
    fits: wanted => wanted === headDim,
    declare: (...names) => names.flatMap(name => numbers.map(v => `var ${item(name, v)}: vec4f;`)).join(' '),
    each: code => numbers.map(code).join(' '),
    item,
  };
}
