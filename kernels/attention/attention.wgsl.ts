/**
 * WGSL of attention: one lane per query row with online softmax (Milakov & Gimelshein 2018, arXiv 1805.02867), so no score
 * is ever stored. The backward pass runs twice over the scores, once with a lane per query (dq) and once with a lane
 * per key (dk, dv): seven products instead of five, but no atomics and a fixed order of sums.
 *
 * A lane keeps its row as vec4s: in registers, with a variant for each head dimension that models use, or in arrays, with one
 * variant for all others. A software adapter has registers for 16 only, the presets' head dimension: arrays make a launch 2x
 * slower there, but unrolled text takes lavapipe's compiler seconds per variant. What fits neither takes a plain path.
 */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { grid, lanePass } from '../wgsl.js';
import { tiledForward, tiledGradKey, tiledGradQuery } from './alu.wgsl.js';
import { registerRows } from './registers.wgsl.js';
import type { Rows } from './registers.wgsl.js';
import { matrixForward, matrixGradKey, matrixGradQuery } from './sgmat.wgsl.js';

type Params = Readonly<Record<string, number>>;

/** Arrays of 64, since Mesa unrolls every loop over an array of 32 or fewer, for as long as half a minute. */
const arrayRows: Rows = {
  name: 'arrays',
  vectors: 'params.headDim / 4u',
  fits: headDim => headDim <= 256 && headDim % 4 === 0,
  declare: (...names) => names.map(name => `var ${name}: array<vec4f, 64>;`).join(' '),
  each: code => `for (var v = 0u; v < vectors; v++) { ${code('v')} }`,
  item: (name, v) => `${name}[${v}]`,
};

/** Head dimensions with a variant of their own on GPUs. */
export const gpuHeadDims: readonly number[] = [8, 16, 32, 64];

/** A pass and the shapes that it is for. */
interface Choice {
  readonly fits: (headDim: number) => boolean;
  readonly pass: WgslPass;
}

/** The first of the fast passes that fits runs, else the general one. */
function firstThatFits(
  aligned: (params: Params) => boolean,
  fast: readonly Choice[],
  general: WgslPass,
): readonly WgslPass[] {
  const choose = (p: Params) =>
    (aligned(p) ? fast.find(({ fits }) => fits(p['headDim']!))?.pass : undefined) ?? general;
  return [...fast.map(({ pass }) => pass), general].map(pass => ({
    ...pass,
    workgroups: p => (choose(p) === pass ? pass.workgroups(p) : grid(0)),
  }));
}

/**
 * On GPUs subgroup matrices where they serve, else a workgroup per block of rows; on software adapters, and for head dimensions without
 * a variant, a lane per row.
 */
function byHeadDim(
  target: WgslTarget,
  aligned: (params: Params) => boolean,
  write: {
    readonly matrix: (target: WgslTarget, headDim: number) => WgslPass | undefined;
    readonly tiled: (rows: Rows, headDim: number) => WgslPass;
    readonly lane: (rows: Rows) => WgslPass;
  },
  general: WgslPass,
): readonly WgslPass[] {
  const equals = (headDim: number) => (wanted: number) => wanted === headDim;
  const lane = (rows: Rows): Choice => ({
    fits: rows.fits,
    pass: { ...write.lane(rows), variant: `lane ${rows.name}` },
  });
  const fast: Choice[] = [];
  if (target.profile === 'software') fast.push(lane(registerRows(16)));
  else
    for (const headDim of gpuHeadDims) {
      const matrix = write.matrix(target, headDim);
      if (matrix) fast.push({ fits: equals(headDim), pass: matrix });
      else
        fast.push({
          fits: equals(headDim),
          pass: { ...write.tiled(registerRows(headDim), headDim), variant: `tiled ${headDim}` },
        });
    }
  return firstThatFits(aligned, [...fast, lane(arrayRows)], { ...general, variant: 'general' });
}

/** A pass with a lane per (sequence, head, row of the sequence); `code` finds them as `s`, `h` and `row`. */
function rowsOfSequences(target: WgslTarget, code: string, declarations = ''): WgslPass {
  return lanePass(
    target,
    p => p['sequences']! * p['heads']! * p['maxQueries']!,
    'params.sequences * params.heads * params.maxQueries',
    `let row = i % params.maxQueries;
  let h = i / params.maxQueries % params.heads;
  let s = 6u * (i / params.maxQueries / params.heads); // the sequence's line in the table
  let query_start = u32(load_table(s));
  let query_count = u32(load_table(s + 1u));
  let key_count = u32(load_table(s + 3u));
  let prefix = load_table(s + 4u);
  let position = load_table(s + 5u);
  ${code}`,
    { declarations, work: 'much' },
  );
}

/** For lanes of queries: the keys that they see are the first `visible` ones. */
const visibleKeys = `if (row >= query_count) { return; }
  let visible = min(key_count, u32(max(prefix, position + i32(row) + 1)));`;

/** For lanes of keys: they are seen by all queries from `first_query` on. */
const seeingQueries = `if (row >= key_count) { return; }
  let first_query = select(u32(max(i32(row) - position, 0)), 0u, i32(row) < prefix);`;

export function attentionWgsl(target: WgslTarget): readonly WgslPass[] {
  const aligned = (p: Params) => ['strideQ', 'strideKv', 'offsetK', 'offsetV'].every(name => p[name]! % 4 === 0);
  return byHeadDim(
    target,
    aligned,
    { matrix: matrixForward, tiled: tiledForward, lane: rows => forward(target, rows) },
    generalForward(target),
  );
}

const forwardStart = `${visibleKeys}
  let key_start = u32(load_table(s + 2u));
  let query_row = query_start + row;`;
const storeLse =
  'store_lse(query_row * params.heads + h, select(0.0, maximum + log(sum), visible > 0u)); // 0 where nothing is visible';

function forward(target: WgslTarget, { vectors, declare, each, item }: Rows): WgslPass {
  return rowsOfSequences(
    target,
    `${forwardStart}
  let vectors = ${vectors};
  let query_at = query_row * (params.strideQ / 4u) + h * vectors;
  ${declare('q', 'o')}
  ${each(v => `${item('q', v)} = params.scale * load4_q(query_at + ${v}); ${item('o', v)} = vec4f(0.0);`)}
  var maximum = -1e30;
  var sum = 0.0;
  for (var j = 0u; j < visible; j++) {
    let key = (key_start + j) * (params.strideKv / 4u) + h * vectors + params.offsetK / 4u;
    let value = (key_start + j) * (params.strideKv / 4u) + h * vectors + params.offsetV / 4u;
    var score = 0.0;
    ${each(v => `score += dot(${item('q', v)}, load4_kv(key + ${v}));`)}
    let larger = max(maximum, score);
    let shrink = exp(maximum - larger);
    let p = exp(score - larger);
    maximum = larger;
    sum = sum * shrink + p;
    ${each(v => `${item('o', v)} = ${item('o', v)} * shrink + p * load4_kv(value + ${v});`)}
  }
  let inverse = select(0.0, 1.0 / sum, visible > 0u);
  let to = (query_row * params.heads + h) * vectors;
  ${each(v => `store4_out(to + ${v}, ${item('o', v)} * inverse);`)}
  ${storeLse}`,
  );
}

/** Scores are computed again for every column of the output: slow, for any head dimension and alignment. */
function generalForward(target: WgslTarget): WgslPass {
  return rowsOfSequences(
    target,
    `${forwardStart}
  let query_at = query_row * params.strideQ + h * params.headDim;
  let key = key_start * params.strideKv + h * params.headDim + params.offsetK;
  let value = key_start * params.strideKv + h * params.headDim + params.offsetV;
  var maximum = -1e30;
  for (var j = 0u; j < visible; j++) { maximum = max(maximum, score(query_at, key + j * params.strideKv)); }
  var sum = 0.0;
  for (var j = 0u; j < visible; j++) { sum += exp(score(query_at, key + j * params.strideKv) - maximum); }
  for (var d = 0u; d < params.headDim; d++) {
    var o = 0.0;
    for (var j = 0u; j < visible; j++) {
      o += exp(score(query_at, key + j * params.strideKv) - maximum) * load_kv(value + j * params.strideKv + d);
    }
    store_out((query_row * params.heads + h) * params.headDim + d, select(0.0, o / sum, visible > 0u));
  }
  ${storeLse}`,
    `fn score(query: u32, key: u32) -> f32 {
  var total = 0.0;
  for (var d = 0u; d < params.headDim; d++) { total += load_q(query + d) * load_kv(key + d); }
  return params.scale * total;
}`,
  );
}

/**
 * FlashAttention's backward (Dao et al. 2022, arXiv 2205.14135, appendix B.2). With P = exp(scale q.k - lse),
 * dS = P (dO.v - dO.o) = P dO.(v - o), which saves a separate pass for delta = dO.o.
 */
export function attentionGradWgsl(target: WgslTarget): readonly WgslPass[] {
  const always = () => true;
  return [
    ...byHeadDim(
      target,
      always,
      { matrix: matrixGradQuery, tiled: tiledGradQuery, lane: rows => gradQuery(target, rows) },
      generalGrad(target, 'query'),
    ),
    ...byHeadDim(
      target,
      always,
      { matrix: matrixGradKey, tiled: tiledGradKey, lane: rows => gradKey(target, rows) },
      generalGrad(target, 'key'),
    ),
  ];
}

/** dq = sum over visible keys of dS k. */
function gradQuery(target: WgslTarget, { vectors, declare, each, item }: Rows): WgslPass {
  return rowsOfSequences(
    target,
    `${visibleKeys}
  let vectors = ${vectors};
  let width = params.heads * vectors;
  let query = (query_start + row) * 3u * width + h * vectors;
  let output = (query_start + row) * width + h * vectors;
  let lse = load_lse((query_start + row) * params.heads + h);
  var delta = 0.0;
  ${declare('q', 'g', 'dq')}
  ${each(
    v => `${item('q', v)} = params.scale * load4_qkv(query + ${v}); ${item('g', v)} = load4_dout(output + ${v});
    ${item('dq', v)} = vec4f(0.0); delta += dot(${item('g', v)}, load4_out(output + ${v}));`,
  )}
  for (var j = 0u; j < visible; j++) {
    let key = (query_start + j) * 3u * width + width + h * vectors;
    var score = 0.0;
    var dp = 0.0;
    ${each(v => `score += dot(${item('q', v)}, load4_qkv(key + ${v})); dp += dot(${item('g', v)}, load4_qkv(key + width + ${v}));`)}
    let ds = exp(score - lse) * (dp - delta) * params.scale;
    ${each(v => `${item('dq', v)} += ds * load4_qkv(key + ${v});`)}
  }
  ${each(v => `store4_dqkv(query + ${v}, ${item('dq', v)});`)}`,
  );
}

/** dk = sum over seeing queries of dS q, dv = sum of P dO. */
function gradKey(target: WgslTarget, { vectors, declare, each, item }: Rows): WgslPass {
  return rowsOfSequences(
    target,
    `${seeingQueries}
  let vectors = ${vectors};
  let width = params.heads * vectors;
  let key = (query_start + row) * 3u * width + width + h * vectors;
  ${declare('k', 'value', 'dk', 'dv')}
  ${each(
    v => `${item('k', v)} = load4_qkv(key + ${v}); ${item('value', v)} = load4_qkv(key + width + ${v});
    ${item('dk', v)} = vec4f(0.0); ${item('dv', v)} = vec4f(0.0);`,
  )}
  for (var j = first_query; j < query_count; j++) {
    let query = (query_start + j) * 3u * width + h * vectors;
    let output = (query_start + j) * width + h * vectors;
    var score = 0.0;
    var dp = 0.0; // minus delta
    ${each(v => `score += dot(load4_qkv(query + ${v}), ${item('k', v)}); dp += dot(load4_dout(output + ${v}), ${item('value', v)} - load4_out(output + ${v}));`)}
    let p = exp(params.scale * score - load_lse((query_start + j) * params.heads + h));
    let ds = p * dp * params.scale;
    ${each(v => `${item('dk', v)} += ds * load4_qkv(query + ${v}); ${item('dv', v)} += p * load4_dout(output + ${v});`)}
  }
  ${each(v => `store4_dqkv(key + ${v}, ${item('dk', v)}); store4_dqkv(key + width + ${v}, ${item('dv', v)});`)}`,
  );
}

/** P and dS are computed again for every column of the gradient: slow, for any head dimension. */
function generalGrad(target: WgslTarget, of: 'query' | 'key'): WgslPass {
  const declarations = `
fn product(a: u32, b: u32) -> f32 {
  var total = 0.0;
  for (var d = 0u; d < params.headDim; d++) { total += load_qkv(a + d) * load_qkv(b + d); }
  return total;
}
// dO . (v - o) of a query whose output starts at the first index and a value that starts at the second
fn gradient_of_p(output: u32, value: u32) -> f32 {
  var total = 0.0;
  for (var d = 0u; d < params.headDim; d++) { total += load_dout(output + d) * (load_qkv(value + d) - load_out(output + d)); }
  return total;
}`;
  const width = 'let width = params.heads * params.headDim;';
  const pair = (q: string, k: string) => `let query = (query_start + ${q}) * 3u * width + h * params.headDim;
      let output = (query_start + ${q}) * width + h * params.headDim;
      let key = (query_start + ${k}) * 3u * width + width + h * params.headDim;
      let p = exp(params.scale * product(query, key) - load_lse((query_start + ${q}) * params.heads + h));
      let ds = p * gradient_of_p(output, key + width) * params.scale;`;
  const query = `${visibleKeys}
  ${width}
  for (var d = 0u; d < params.headDim; d++) {
    var dq = 0.0;
    for (var j = 0u; j < visible; j++) {
      ${pair('row', 'j')}
      dq += ds * load_qkv(key + d);
    }
    store_dqkv((query_start + row) * 3u * width + h * params.headDim + d, dq);
  }`;
  const key = `${seeingQueries}
  ${width}
  for (var d = 0u; d < params.headDim; d++) {
    var dk = 0.0;
    var dv = 0.0;
    for (var j = first_query; j < query_count; j++) {
      ${pair('j', 'row')}
      dk += ds * load_qkv(query + d);
      dv += p * load_dout(output + d);
    }
    let to = (query_start + row) * 3u * width + width + h * params.headDim + d;
    store_dqkv(to, dk);
    store_dqkv(to + width, dv);
  }`;
  return rowsOfSequences(target, of === 'query' ? query : key, declarations);
}
