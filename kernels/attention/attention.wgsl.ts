/**
 * WGSL of attention: one lane per query row with online softmax (Milakov & Gimelshein 2018, arXiv 1805.02867), so no score
 * is ever stored. The backward pass runs twice over the scores, once with a lane per query (dq) and once with a lane
 * per key (dk, dv): seven products instead of five, but no atomics and a fixed order of sums.
 *
 * Head dimensions that models use get a variant with vectors in registers; all others a plain one.
 */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { lanePass } from '../wgsl.js';

type Params = Readonly<Record<string, number>>;

/** Head dimensions with a variant of their own. */
const headDims = [8, 16, 32, 64];

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
const join = (parts: readonly string[], indent = '  ') => parts.join(`\n${indent}`);

/** The unrolled sum of dot products of vectors `a0..` and `b0..`, given as functions of the vec4's number. */
const dots = (vectors: number, a: (v: number) => string, b: (v: number) => string) =>
  range(vectors)
    .map(v => `dot(${a(v)}, ${b(v)})`)
    .join(' + ');

/** `i` of all lanes to (sequence, head, row within the sequence), and that sequence's line of the table. */
const whereAmI = `let row = i % params.maxQueries;
  let h = i / params.maxQueries % params.heads;
  let s = 6u * (i / params.maxQueries / params.heads);
  let query_start = u32(load_table(s));
  let query_count = u32(load_table(s + 1u));
  let key_count = u32(load_table(s + 3u));
  let prefix = load_table(s + 4u);
  let position = load_table(s + 5u);`;
const visible = 'let visible = min(key_count, u32(max(prefix, position + i32(row) + 1)));';

const lanes = (p: Params) => p['sequences']! * p['heads']! * p['maxQueries']!;
const total = 'params.sequences * params.heads * params.maxQueries';

/** One pass per head dimension and one for the rest; only the one that fits has workgroups. */
function byHeadDim(
  aligned: (params: Params) => boolean,
  special: (headDim: number) => WgslPass,
  general: readonly WgslPass[],
): readonly WgslPass[] {
  const fits = (p: Params) => headDims.includes(p['headDim']!) && aligned(p);
  const when = (pass: WgslPass, condition: (p: Params) => boolean): WgslPass => ({
    body: pass.body,
    workgroups: p => (condition(p) ? pass.workgroups(p) : [0, 0, 0]),
  });
  return [
    ...headDims.map(headDim => when(special(headDim), p => fits(p) && p['headDim'] === headDim)),
    ...general.map(pass => when(pass, p => !fits(p))),
  ];
}

export function attentionWgsl(target: WgslTarget): readonly WgslPass[] {
  return byHeadDim(
    p => ['strideQ', 'strideKv', 'offsetK', 'offsetV'].every(name => p[name]! % 4 === 0),
    headDim => forward(target, headDim),
    [generalForward(target)],
  );
}

const forwardStart = `${whereAmI}
  if (row >= query_count) { return; }
  ${visible}
  let key_start = u32(load_table(s + 2u));
  let query_row = query_start + row;`;

function forward(target: WgslTarget, headDim: number): WgslPass {
  const vectors = headDim / 4;
  return lanePass(
    target,
    lanes,
    total,
    `${forwardStart}
  let query_at = (query_row * params.strideQ + h * ${headDim}u) / 4u;
  ${join(range(vectors).map(v => `let q${v} = params.scale * load4_q(query_at + ${v}u); var o${v} = vec4f(0.0);`))}
  var maximum = -1e30;
  var sum = 0.0;
  for (var j = 0u; j < visible; j++) {
    let key = ((key_start + j) * params.strideKv + h * ${headDim}u + params.offsetK) / 4u;
    let value = ((key_start + j) * params.strideKv + h * ${headDim}u + params.offsetV) / 4u;
    let score = ${dots(
      vectors,
      v => `q${v}`,
      v => `load4_kv(key + ${v}u)`,
    )};
    let larger = max(maximum, score);
    let shrink = exp(maximum - larger);
    let p = exp(score - larger);
    maximum = larger;
    sum = sum * shrink + p;
    ${join(
      range(vectors).map(v => `o${v} = o${v} * shrink + p * load4_kv(value + ${v}u);`),
      '    ',
    )}
  }
  let inverse = select(0.0, 1.0 / sum, visible > 0u);
  let to = (query_row * params.heads + h) * ${vectors}u;
  ${join(range(vectors).map(v => `store4_out(to + ${v}u, o${v} * inverse);`))}
  store_lse(query_row * params.heads + h, select(0.0, maximum + log(sum), visible > 0u));`,
  );
}

/** Scores are computed again for every column of the output: slow, for any head dimension and alignment. */
function generalForward(target: WgslTarget): WgslPass {
  return lanePass(
    target,
    lanes,
    total,
    `${forwardStart}
  let query_at = query_row * params.strideQ + h * params.headDim;
  let key = key_start * params.strideKv + h * params.headDim + params.offsetK;
  let value = key - params.offsetK + params.offsetV;
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
  store_lse(query_row * params.heads + h, select(0.0, maximum + log(sum), visible > 0u));`,
    `fn score(query: u32, key: u32) -> f32 {
  var total = 0.0;
  for (var d = 0u; d < params.headDim; d++) { total += load_q(query + d) * load_kv(key + d); }
  return params.scale * total;
}`,
  );
}

/**
 * FlashAttention's backward (Dao et al. 2022, arXiv 2205.14135, appendix B.2). With P = exp(scale q.k - lse),
 * dS = P (dO.v - dO.o) = P dO.(v - o), which saves the separate pass for delta = dO.o.
 */
export function attentionGradWgsl(target: WgslTarget): readonly WgslPass[] {
  return byHeadDim(
    () => true,
    headDim => gradQuery(target, headDim),
    [generalGrad(target, 'query')],
  ).concat(
    byHeadDim(
      () => true,
      headDim => gradKey(target, headDim),
      [generalGrad(target, 'key')],
    ),
  );
}

/** Queries that see key `row`: from `first_query` on, all of them. */
const queriesOfKey = `if (row >= key_count) { return; }
  let first_query = select(u32(max(i32(row) - position, 0)), 0u, i32(row) < prefix);`;

function gradQuery(target: WgslTarget, headDim: number): WgslPass {
  const vectors = headDim / 4;
  const all = range(vectors);
  return lanePass(
    target,
    lanes,
    total,
    `${whereAmI}
  if (row >= query_count) { return; }
  ${visible}
  let width = params.heads * ${vectors}u;
  let me = (query_start + row) * 3u * width + h * ${vectors}u;
  let mine = (query_start + row) * width + h * ${vectors}u;
  let lse = load_lse((query_start + row) * params.heads + h);
  ${join(all.map(v => `let q${v} = params.scale * load4_qkv(me + ${v}u); let g${v} = load4_dout(mine + ${v}u); var dq${v} = vec4f(0.0);`))}
  let delta = ${dots(
    vectors,
    v => `g${v}`,
    v => `load4_out(mine + ${v}u)`,
  )};
  for (var j = 0u; j < visible; j++) {
    let key = (query_start + j) * 3u * width + width + h * ${vectors}u;
    ${join(
      all.map(v => `let k${v} = load4_qkv(key + ${v}u);`),
      '    ',
    )}
    let p = exp(${dots(
      vectors,
      v => `q${v}`,
      v => `k${v}`,
    )} - lse);
    let ds = p * (${dots(
      vectors,
      v => `g${v}`,
      v => `load4_qkv(key + width + ${v}u)`,
    )} - delta) * params.scale;
    ${join(
      all.map(v => `dq${v} += ds * k${v};`),
      '    ',
    )}
  }
  ${join(all.map(v => `store4_dqkv(me + ${v}u, dq${v});`))}`,
  );
}

function gradKey(target: WgslTarget, headDim: number): WgslPass {
  const vectors = headDim / 4;
  const all = range(vectors);
  return lanePass(
    target,
    lanes,
    total,
    `${whereAmI}
  ${queriesOfKey}
  let width = params.heads * ${vectors}u;
  let key = (query_start + row) * 3u * width + width + h * ${vectors}u;
  ${join(all.map(v => `let k${v} = load4_qkv(key + ${v}u); let v${v} = load4_qkv(key + width + ${v}u); var dk${v} = vec4f(0.0); var dv${v} = vec4f(0.0);`))}
  for (var i_query = first_query; i_query < query_count; i_query++) {
    let me = (query_start + i_query) * 3u * width + h * ${vectors}u;
    let mine = (query_start + i_query) * width + h * ${vectors}u;
    ${join(
      all.map(v => `let q${v} = load4_qkv(me + ${v}u); let g${v} = load4_dout(mine + ${v}u);`),
      '    ',
    )}
    let p = exp(params.scale * (${dots(
      vectors,
      v => `q${v}`,
      v => `k${v}`,
    )}) - load_lse((query_start + i_query) * params.heads + h));
    let ds = p * (${dots(
      vectors,
      v => `g${v}`,
      v => `v${v} - load4_out(mine + ${v}u)`,
    )}) * params.scale;
    ${join(
      all.map(v => `dk${v} += ds * q${v}; dv${v} += p * g${v};`),
      '    ',
    )}
  }
  ${join(all.map(v => `store4_dqkv(key + ${v}u, dk${v}); store4_dqkv(key + width + ${v}u, dv${v});`))}`,
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
// dO . (v - o) of a query whose outputs start at mine and a value that starts at value
fn gradient_of_p(mine: u32, value: u32) -> f32 {
  var total = 0.0;
  for (var d = 0u; d < params.headDim; d++) { total += load_dout(mine + d) * (load_qkv(value + d) - load_out(mine + d)); }
  return total;
}`;
  const width = 'let width = params.heads * params.headDim;';
  const pair = (query: string, key: string) => `let me = (query_start + ${query}) * 3u * width + h * params.headDim;
      let mine = (query_start + ${query}) * width + h * params.headDim;
      let key = (query_start + ${key}) * 3u * width + width + h * params.headDim;
      let p = exp(params.scale * product(me, key) - load_lse((query_start + ${query}) * params.heads + h));
      let ds = p * gradient_of_p(mine, key + width) * params.scale;`;
  const query = `if (row >= query_count) { return; }
  ${visible}
  ${width}
  for (var d = 0u; d < params.headDim; d++) {
    var dq = 0.0;
    for (var j = 0u; j < visible; j++) {
      ${pair('row', 'j')}
      dq += ds * load_qkv(key + d);
    }
    store_dqkv((query_start + row) * 3u * width + h * params.headDim + d, dq);
  }`;
  const key = `${queriesOfKey}
  ${width}
  for (var d = 0u; d < params.headDim; d++) {
    var dk = 0.0;
    var dv = 0.0;
    for (var q = first_query; q < query_count; q++) {
      ${pair('q', 'row')}
      dk += ds * load_qkv(me + d);
      dv += p * load_dout(mine + d);
    }
    let to = (query_start + row) * 3u * width + width + h * params.headDim + d;
    store_dqkv(to, dk);
    store_dqkv(to + width, dv);
  }`;
  return lanePass(target, lanes, total, `${whereAmI}\n  ${of === 'query' ? query : key}`, declarations);
}
