/**
 * Assembles WGSL modules. A kernel writes only its `main`; this file declares what it uses:
 *
 * - `params.<name>`: the kernel's params, as immediates (push constants);
 * - `load_<buffer>(i)` and `store_<buffer>(i, value)`: one element, f32 whatever the storage type is (i32 for index
 *   buffers);
 * - `load4_<buffer>(i)` and `store4_<buffer>(i, value)`: elements 4i..4i+3 as a vec4; a pass that mentions these gets
 *   its buffer declared as an array of vec4, and must only run where offsets and rows are multiples of four elements;
 * - `words_<buffer>`: the buffer as an array of vec4u, 16 bytes as they are stored; `data_<buffer>`, mentioned by a
 *   pass that uses none of the above: the buffer as an array of its element type, for built-ins that take a pointer;
 * - all of these for `scratch`, f32 memory of the launch, if the pass says how much it needs (`WgslPass.scratch`);
 * - `workgroup_index(id)`: the number of a workgroup in a grid folded by `grid`;
 * - `is_nan`, `larger` (NaN if one is NaN), `exp_down` (e^x for x <= 0), and these with a 4 at the end for a vec4f.
 */
import type { DType } from './dtype.js';
import { ceilDivide } from './kernel.js';
import type { Kernel, WgslPass, WgslTarget } from './kernel.js';
import { leastMachine } from './machine.js';

type Params = Readonly<Record<string, number>>;

/** Workgroups along x before the grid goes on along y: below WebGPU's limit of 65535 per dimension. */
const foldWidth = 32768;

/** A grid of at least `count` workgroups, and of none where count is 0: a pass without workgroups is not run. */
export function grid(count: number): readonly [number, number, number] {
  if (count <= 0) return [0, 0, 0];
  return [Math.min(count, foldWidth), ceilDivide(count, foldWidth), 1];
}

/** Name of the scratch buffer, which follows the kernel's own. */
const scratch = 'scratch';

/**
 * The buffers that a pass touches, as positions in the kernel's list: only these are declared and bound. The position
 * behind the last is that of the scratch buffer.
 */
export function boundBuffers(kernel: Kernel, pass: WgslPass): number[] {
  return [...Object.keys(kernel.buffers), scratch].flatMap((name, position) =>
    mentions(pass.body, name) ? [position] : [],
  );
}

function mentions(body: string, name: string): boolean {
  return new RegExp(`\\b((load|store)4?|words|data)_${name}\\b`).test(body);
}

/** True if a pass may write the buffer at a position of `boundBuffers`. */
export function isWritten(kernel: Kernel, pass: WgslPass, position: number): boolean {
  const access = Object.values(kernel.buffers)[position]?.access;
  return access ? access !== 'read' : /\b(store4?|data)_scratch\b/.test(pass.body);
}

/** The complete module of one pass of `kernel`. */
export function wgslModule(kernel: Kernel, pass: WgslPass, target: WgslTarget): string {
  const names = [...Object.keys(kernel.buffers), scratch];
  const bound = boundBuffers(kernel, pass).map(position => names[position]!);
  const half = bound.some(name => target.dtypes[name] === 'f16');
  const params = Object.entries(kernel.params).map(([name, type]) => `  ${name}: ${type},`);
  const parts = [
    ...[...(half ? ['f16'] : []), ...(pass.enables ?? [])].map(extension => `enable ${extension};`),
    ['struct Params {', ...params, '}', 'var<immediate> params: Params;'].join('\n'),
    `fn workgroup_index(id: vec3u) -> u32 { return id.x + id.y * ${foldWidth}u; }`,
    half ? toHalf : '',
    ...bound.map(name => {
      const dtype = name === scratch ? 'f32' : target.dtypes[name]!;
      const binding = names.indexOf(name);
      const variable = `@group(0) @binding(${binding}) var<storage, ${isWritten(kernel, pass, binding) ? 'read_write' : 'read'}>`;
      if (new RegExp(`\\bwords_${name}\\b`).test(pass.body)) return `${variable} words_${name}: array<vec4u>;`;
      return bufferDeclaration(variable, name, pass.body, dtype);
    }),
    nanHelpers(pass.body),
    pass.body.trim(),
  ];
  return parts.filter(part => part !== '').join('\n') + '\n';
}

/**
 * Compilers may assume that there is no NaN, and fold `x != x` and `max`; they do not look through the bits. Some `exp`
 * give a number for NaN, and not quite 0 for -infinity.
 */
function nanHelpers(body: string): string {
  const forms = [
    ['4', 'vec4f', 'vec4<bool>', 'vec4u', '|'],
    ['', 'f32', 'bool', 'u32', '||'],
  ] as const;
  return forms
    .filter(([suffix]) => new RegExp(`\\b(is_nan|larger|exp_down)${suffix}\\(`).test(body))
    .map(
      ([suffix, value, truth, bits, or]) =>
        `fn is_nan${suffix}(x: ${value}) -> ${truth} { return (bitcast<${bits}>(x) & ${bits}(0x7fffffffu)) > ${bits}(0x7f800000u); }
fn larger${suffix}(a: ${value}, b: ${value}) -> ${value} { return select(max(a, b), a + b, is_nan${suffix}(a) ${or} is_nan${suffix}(b)); }
fn exp_down${suffix}(x: ${value}) -> ${value} { return select(select(exp(x), ${value}(0.0), x < ${value}(-87.33)), x, is_nan${suffix}(x)); }`,
    )
    .join('\n');
}

/**
 * WGSL leaves the conversion of numbers beyond 65504 open, and compilers may assume that there are no infinities: bits
 * decide. From 65520 on there is infinity, like IEEE 754, and what is not a number stays none.
 */
const special = `let magnitude = bitcast<u32>(value) & 0x7fffffffu;
  let special = ((bitcast<u32>(value) >> 16u) & 0x8000u) | select(0x7c00u, 0x7e00u, magnitude > 0x7f800000u);`;

const toHalf = `fn to_f16(value: f32) -> f16 {
  ${special}
  return select(f16(value), bitcast<vec2<f16>>(special).x, magnitude >= 0x477ff000u);
}`;

const storageType: Readonly<Record<DType, string>> = { f64: 'f64', f32: 'f32', f16: 'f16', i32: 'i32' };

/** @param variable address space and binding, up to the name */
function bufferDeclaration(variable: string, name: string, body: string, dtype: DType): string {
  const type = storageType[dtype];
  const value = dtype === 'i32' ? 'i32' : 'f32';
  const half = dtype === 'f16';
  const wide = new RegExp(`\\b(load|store)4_${name}\\b`).test(body);
  const element = wide ? `data_${name}[i >> 2u][i & 3u]` : `data_${name}[i]`;
  const lines = [`${variable} data_${name}: array<${wide ? `vec4<${type}>` : type}>;`];
  const has = (helper: string) => new RegExp(`\\b${helper}_${name}\\b`).test(body);
  if (has('load')) lines.push(`fn load_${name}(i: u32) -> ${value} { return ${value}(${element}); }`);
  if (has('load4'))
    lines.push(`fn load4_${name}(i: u32) -> vec4<${value}> { return vec4<${value}>(data_${name}[i]); }`);
  if (has('store'))
    lines.push(`fn store_${name}(i: u32, value: ${value}) { ${element} = ${half ? 'to_f16(value)' : 'value'}; }`);
  if (has('store4')) {
    const rounded = half ? 'vec4<f16>(to_f16(value.x), to_f16(value.y), to_f16(value.z), to_f16(value.w))' : 'value';
    lines.push(`fn store4_${name}(i: u32, value: vec4<${value}>) { data_${name}[i] = ${rounded}; }`);
  }
  return lines.join('\n');
}

/**
 * Lanes of a workgroup where lanes work on their own. Starting a workgroup is expensive on a software adapter, so lanes
 * with little to do come by 64. Those with much to do (a tile of a matrix, an attention row) come by 8, one vector of
 * the processor, to spread them over its threads: measured on lavapipe, 2x for additions and 1.5x for matrices.
 */
function independentLanes({ profile }: WgslTarget, work: 'little' | 'much'): number {
  return profile === 'software' && work === 'much' ? 8 : 64;
}

interface LaneOptions {
  /** Goes in front of `main`. */
  readonly declarations?: string;
  readonly work?: 'little' | 'much';
}

/**
 * A pass in which lane `i` of `count(params)` works on its own. `code` sees `i`; `total` is the same count in
 * WGSL.
 */
export function lanePass(
  target: WgslTarget,
  count: (params: Params) => number,
  total: string,
  code: string,
  { declarations = '', work = 'little' }: LaneOptions = {},
): WgslPass {
  const lanes = independentLanes(target, work);
  return {
    body: `${declarations}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = workgroup_index(group) * ${lanes}u + lane;
  if (i >= ${total}) { return; }
  ${code.trim()}
}`,
    workgroups: params => grid(ceilDivide(count(params), lanes)),
  };
}

/** Lanes that share a row through workgroup memory. */
const rowLanes = 64;
/** Rows of a workgroup in the `software` profile, one lane each. */
const softwareRows = 8;
/** Rows of a workgroup where each has a subgroup. */
const subgroupRows = 4;

interface RowOptions {
  /** How many rows there are, and the same in WGSL: `params.rows` unless given. */
  readonly rows?: (params: Params) => number;
  readonly total?: string;
  /** Goes in front of `main`. */
  readonly declarations?: string;
  /** True for few and long rows: they keep the most lanes. */
  readonly long?: boolean;
}

/** How the lanes of a workgroup are dealt out to rows, and how the lanes of a row join what they found. */
interface RowCut {
  readonly lanes: number;
  readonly rows: number;
  /** WGSL: `row`, `first`, `step` and `leader` of a lane. */
  readonly place: string;
  readonly builtins?: string;
  readonly join: (name: Join) => string;
  readonly variant?: string;
}

/**
 * The fastest of three ways: a lane per row on a processor; a subgroup per row, without a barrier, where subgroups
 * have one size; else a workgroup per row.
 */
function rowCut({ profile, machine = leastMachine }: WgslTarget, long: boolean): RowCut {
  if (profile === 'software')
    return {
      lanes: softwareRows,
      rows: softwareRows,
      place: `let row = workgroup_index(group) * ${softwareRows}u + lane; let first = 0u; let step = 1u; let leader = true;`,
      join: trivialJoin,
    };
  const { min, max: size } = machine.subgroupSize;
  if (size > 0 && min === size && size <= rowLanes && !long)
    return {
      lanes: subgroupRows * size,
      rows: subgroupRows,
      place: `let row = workgroup_index(group) * ${subgroupRows}u + subgroup; let first = sublane; let step = ${size}u; let leader = sublane == 0u;`,
      builtins: ', @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) sublane: u32',
      join: name => subgroupJoin(name, size),
      variant: `subgroup of ${size} per row`,
    };
  return {
    lanes: rowLanes,
    rows: 1,
    place: `let row = workgroup_index(group); let first = lane; let step = ${rowLanes}u; let leader = lane == 0u;`,
    join: sharedJoin,
  };
}

/**
 * A pass over independent rows. `code` sees `row`, and walks its columns as `for (var j = first; j < end; j += step)`;
 * `row_sum`, `row_max` and `row_min_index` join what the lanes of a row found, and give every lane the same result. In
 * the `software` profile a row has one lane and joining does nothing. `leader` is true in one lane per row.
 */
export function rowPass(
  target: WgslTarget,
  code: string,
  { rows = p => p['rows']!, total = 'params.rows', declarations = '', long = false }: RowOptions = {},
): WgslPass {
  const cut = rowCut(target, long);
  const joins = (['row_sum', 'row_max', 'row_min_index'] as const).filter(name => code.includes(name));
  return {
    ...(cut.variant !== undefined && { variant: cut.variant, enables: ['subgroups'] }),
    body: `${declarations}
${joins.map(cut.join).join('\n')}
@compute @workgroup_size(${cut.lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32${cut.builtins ?? ''}) {
  ${cut.place}
  if (row >= ${total}) { return; }
  ${code.trim()}
}`,
    workgroups: params => grid(ceilDivide(rows(params), cut.rows)),
  };
}

/** Terms of a sum that are added one after another. */
const sumBlock = 64;

/**
 * WGSL: declares `totals` of a type, and adds up what `terms` adds to them for `j` from `begin` to `end` by steps of
 * `step`. Adding one by one loses digits with the number of terms. So 64 make a block, whose sum joins that of 64
 * blocks, which joins that of 64 of those: ten million terms are off by no more than two hundred.
 */
export function sumLoop(
  type: string,
  totals: readonly string[],
  terms: string,
  { begin = 'begin', end = 'end', step = 'step', j = 'j' } = {},
): string {
  const [first] = totals;
  const each = (code: (name: string) => string) => totals.map(code).join(' ');
  const carry = (from: number, to: number) => each(x => `${x}_${to} += ${x}_${from}; ${x}_${from} = ${type}(0.0);`);
  return `${each(x => `var ${x}_0 = ${type}(0.0); var ${x}_1 = ${x}_0; var ${x}_2 = ${x}_0;`)}
  var ${first}_blocks = 0u;
  for (var chunk = ${begin}; chunk < ${end}; chunk += ${sumBlock}u * ${step}) {
    let until = min(${end}, chunk + ${sumBlock}u * ${step});
    ${each(x => `var ${x} = ${type}(0.0);`)}
    for (var ${j} = chunk; ${j} < until; ${j} += ${step}) {
      ${terms}
    }
    ${each(x => `${x}_0 += ${x};`)}
    ${first}_blocks++;
    if (${first}_blocks % ${sumBlock}u == 0u) { ${carry(0, 1)} }
    if (${first}_blocks % ${sumBlock ** 2}u == 0u) { ${carry(1, 2)} }
  }
  ${each(x => `let ${x} = ${x}_0 + ${x}_1 + ${x}_2;`)}`;
}

const joinType = { row_sum: 'f32', row_max: 'f32', row_min_index: 'u32' } as const;
type Join = keyof typeof joinType;

/** WGSL: joins two values. Sums come in one fixed order, and `larger` knows NaN, which `subgroupMax` need not. */
const joined: Readonly<Record<Join, string>> = {
  row_sum: 'joined + other',
  row_max: 'larger(joined, other)',
  row_min_index: 'min(joined, other)',
};

function trivialJoin(name: Join): string {
  const type = joinType[name];
  return `fn ${name}(value: ${type}, lane: u32) -> ${type} { return value; }`;
}

/** Lanes exchange with those 1, 2, 4, ... away, so that all end with the same sum of the same pairs. */
function subgroupJoin(name: Join, size: number): string {
  const type = joinType[name];
  return `fn ${name}(value: ${type}, lane: u32) -> ${type} {
  var joined = value;
  for (var away = 1u; away < ${size}u; away *= 2u) {
    let other = subgroupShuffleXor(joined, away);
    joined = ${joined[name]};
  }
  return joined;
}`;
}

/**
 * Every lane adds up what all lanes have written, always in the same order. Two barriers and 64 reads of one address by
 * all lanes cost about as much as a tree with its seven barriers, and compile much faster. Assumes nothing about
 * subgroups.
 */
function sharedJoin(name: Join): string {
  const type = joinType[name];
  return `var<workgroup> ${name}_values: array<${type}, ${rowLanes}>;
fn ${name}(value: ${type}, lane: u32) -> ${type} {
  workgroupBarrier(); // an earlier result has been read by all
  ${name}_values[lane] = value;
  workgroupBarrier();
  var joined = ${name}_values[0];
  for (var i = 1u; i < ${rowLanes}u; i++) {
    let other = ${name}_values[i];
    joined = ${joined[name]};
  }
  return joined;
}`;
}

/**
 * A pass over the rows of [rows, cols], twice: by vec4 where cols is a multiple of four, else by single elements.
 * `code` walks a row as `for (var j = begin; j < end; j += step)`.
 */
export function rowsByWidth(
  target: WgslTarget,
  code: (width: Width) => string,
  declarations: (width: Width) => string = () => '',
): readonly WgslPass[] {
  return byWidth(multiplesOfFour('cols'), w =>
    rowPass(target, `${rowBounds(w)}\n  ${code(w)}`, { declarations: declarations(w) }),
  );
}

/** WGSL: where the columns of `row` begin for this lane, and where they end. */
export const rowBounds = (w: Width): string => `let begin = row * params.cols / ${w.size}u + first;
  let end = (row + 1u) * params.cols / ${w.size}u;`;

/**
 * Two passes from one text, of which one runs: by vec4 where `aligned(params)` (a multiple of four columns, as a rule),
 * else by single elements. `write` gets the text for either width: see `Width`.
 */
export function byWidth(aligned: (params: Params) => boolean, write: (width: Width) => WgslPass): readonly WgslPass[] {
  return ([4, 1] as const).map(lanes => {
    const pass = write(widths[lanes]);
    return {
      ...pass,
      workgroups: params => (aligned(params) === (lanes === 4) ? pass.workgroups(params) : grid(0)),
    };
  });
}

/** True where all of these params are multiples of four. */
export const multiplesOfFour =
  (...names: readonly string[]) =>
  (params: Params): boolean =>
    names.every(name => params[name]! % 4 === 0);

/**
 * `byWidth` of lanes that have one value each: as many lanes as the product of the params in `sizes`, over the width.
 * @param code sees `i`, the number of the value
 */
export function lanesByWidth(
  target: WgslTarget,
  sizes: readonly string[],
  aligned: (params: Params) => boolean,
  code: (width: Width) => string,
  options?: LaneOptions,
): readonly WgslPass[] {
  const total = sizes.map(name => `params.${name}`).join(' * ');
  const count = (p: Params) => sizes.reduce((product, name) => product * p[name]!, 1);
  return byWidth(aligned, w => lanePass(target, p => count(p) / w.size, `${total} / ${w.size}u`, code(w), options));
}

/** WGSL: indices `i0`..`i3` of element `e` of a contiguous tensor [d0, d1, d2, d3]. */
export const unravel = `let i3 = e % params.d3; let r2 = e / params.d3;
  let i2 = r2 % params.d2; let r1 = r2 / params.d2;
  let i1 = r1 % params.d1; let i0 = r1 / params.d1;`;

/** What differs between the vec4 and the single-element form of a text. */
export interface Width {
  readonly size: 1 | 4;
  /** The type of a value: vec4f or f32. */
  readonly value: string;
  /** `load4` or `load`, `store4` or `store`: append `_<buffer>`. */
  readonly load: string;
  readonly store: string;
  /** WGSL: the sum of the components. */
  sum(value: string): string;
  /** WGSL: the largest component, NaN if one is NaN. */
  max(value: string): string;
  /** The form of a helper (`larger`, `exp_down`) for this width. */
  of(helper: string): string;
}

/** Both of them, by their size. */
export const widths: Readonly<Record<1 | 4, Width>> = {
  1: { size: 1, value: 'f32', load: 'load', store: 'store', of: helper => helper, sum: v => v, max: v => v },
  4: {
    size: 4,
    value: 'vec4f',
    load: 'load4',
    store: 'store4',
    of: helper => `${helper}4`,
    sum: v => `dot(${v}, vec4f(1.0))`,
    max: v => `larger(larger(${v}.x, ${v}.y), larger(${v}.z, ${v}.w))`,
  },
};
