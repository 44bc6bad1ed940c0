/**
 * WGSL of the fused decode step. What a workgroup has to share (sums of a norm, scores, parts of a product) goes
 * through workgroup memory; the rest is read where it lies: weights by the lanes that own their columns, rows by all
 * lanes from one address.
 */
import { ceilDivide } from '../kernel.js';
import type { WgslPass, WgslTarget } from '../kernel.js';
import type { WgslProfile } from '../machine.js';
import { uniformAt } from '../random/random.wgsl.js';
import { grid, rowPass } from '../wgsl.js';

/** WGSL: rows of a sequence's part of the cache up to that of the token of a column; 0 where it has none. */
export const cachedRows = `fn cached_rows(prefix: i32, column: i32) -> u32 {
  let inside = u32(prefix) < params.capacity && u32(column) < params.capacity - u32(prefix);
  return select(0u, u32(prefix) + u32(column) + 1u, inside);
}`;

/** Rows of a workgroup of `decode_linear`: what a loaded weight is multiplied with. */
const rows = 4;
/** Most columns of four in a row, and scores in all, that `decode_attend` has room for: 10 KiB. */
const roomQuads = 256;
const roomScores = 1024;

/** True if the fused decode step can run a model of this shape. */
export function fusedFits(width: number, heads: number, vocabulary: number): boolean {
  return (width / heads) % 4 === 0 && vocabulary % 4 === 0 && width <= 4 * roomQuads && heads <= roomScores;
}

/**
 * Lanes of a workgroup, and how many of them share a column of four, each with a part of the sum: a GPU hides what it
 * waits for behind other lanes, a software adapter has nothing to gain.
 */
function lanesOf(profile: WgslProfile): { readonly lanes: number; readonly slices: number } {
  return profile === 'software' ? { lanes: 8, slices: 1 } : { lanes: 64, slices: 4 };
}

export function decodeLinearWgsl({ profile }: WgslTarget): readonly WgslPass[] {
  const { lanes, slices } = lanesOf(profile);
  const quads = lanes / slices;
  return [true, false].map(normalise => ({
    variant: normalise ? 'norm' : 'plain',
    body: linearBody(lanes, slices, normalise),
    workgroups: p =>
      grid(
        (p['normalise'] !== 0) === normalise ? ceilDivide(p['rows']!, rows) * ceilDivide(p['outputs']!, 4 * quads) : 0,
      ),
  }));
}

function linearBody(lanes: number, slices: number, normalise: boolean): string {
  const quads = lanes / slices;
  const each = (code: (r: number) => string) => [0, 1, 2, 3].map(code).join('\n    ');
  return `const lanes = ${lanes}u;
var<workgroup> joined: array<vec4f, ${rows * lanes}>;
${normalise ? norms(lanes) : ''}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tiles = (params.outputs + ${4 * quads - 1}u) / ${4 * quads}u;
  let index = workgroup_index(group);
  let first = index / tiles * ${rows}u;
  if (first >= params.rows) { return; }
  let steps = params.inputs / 4u;
  let outputs = params.outputs / 4u;
  let column = index % tiles * ${quads}u + lane % ${quads}u;
  let slice = lane / ${quads}u;
  ${each(r => `let from${r} = min(first + ${r}u, params.rows - 1u) * steps; var sum${r} = vec4f(0.0);`)}
  ${normalise ? 'let mean = means(first, lane); let scale = scales(first, lane, mean);' : ''}
  if (column < outputs) {
    for (var l = slice; l < steps; l += ${slices}u) {
      let at = 4u * l * outputs + column;
      let w0 = load4_weight(at);
      let w1 = load4_weight(at + outputs);
      let w2 = load4_weight(at + 2u * outputs);
      let w3 = load4_weight(at + 3u * outputs);
      ${normalise ? 'let gain = load4_gain(l); let shift = load4_shift(l);' : ''}
      ${each(
        r => `let x${r} = ${normalise ? `(load4_x(from${r} + l) - mean[${r}]) * scale[${r}] * gain + shift` : `load4_x(from${r} + l)`};
    sum${r} += x${r}.x * w0 + x${r}.y * w1 + x${r}.z * w2 + x${r}.w * w3;`,
      )}
    }
  }
  ${each(r => `joined[${r * lanes}u + lane] = sum${r};`)}
  workgroupBarrier();
  if (column >= outputs) { return; }
  for (var r = slice; r < min(${rows}u, params.rows - first); r += ${slices}u) {
    var value = load4_bias(column);
    for (var t = 0u; t < ${slices}u; t++) { value += joined[r * lanes + t * ${quads}u + lane % ${quads}u]; }
    if (params.relu != 0u) { value = larger4(value, vec4f(0.0)); }
    let to = (first + r) * outputs + column;
    if (params.add != 0u) { value += load4_residual(to); }
    store4_y(to, value);
  }
}`;
}

/**
 * Mean and 1 / deviation of four rows, as vec4s: every fourth lane sums up part of a row, then all lanes add the parts.
 * Lanes beyond the columns have none, which also keeps the loop's end from being a constant: software adapters unroll
 * such loops, and compile for longer.
 */
function norms(lanes: number): string {
  const total = (name: string) => `var total = vec4f(0.0);
  for (var p = 0u; p < min(lanes, params.inputs); p += 4u) { total += vec4f(${name}[p], ${name}[p + 1u], ${name}[p + 2u], ${name}[p + 3u]); }
  total /= f32(params.inputs);`;
  const walk = (code: string) => `let begin = min(first + lane % 4u, params.rows - 1u) * (params.inputs / 4u);
  var sum = vec4f(0.0);
  for (var l = lane / 4u; l < params.inputs / 4u; l += ${lanes / 4}u) { ${code} }`;
  return `var<workgroup> sums: array<f32, ${lanes}>;
var<workgroup> above: array<f32, ${lanes}>;
var<workgroup> squares: array<f32, ${lanes}>;
fn levels(first: u32, lane: u32) -> vec4f {
  ${walk('sum += load4_x(begin + l);')}
  sums[lane] = dot(sum, vec4f(1.0));
  workgroupBarrier();
  ${total('sums')}
  return total;
}
fn means(first: u32, lane: u32) -> vec4f { // what the sum's rounding has left, see layer-norm.wgsl.ts
  let level = levels(first, lane);
  let own = level[lane % 4u];
  ${walk('sum += load4_x(begin + l) - own;')}
  above[lane] = dot(sum, vec4f(1.0));
  workgroupBarrier();
  ${total('above')}
  return level + total;
}
fn scales(first: u32, lane: u32, mean: vec4f) -> vec4f {
  let own = mean[lane % 4u];
  ${walk('let centred = load4_x(begin + l) - own; sum += centred * centred;')}
  squares[lane] = dot(sum, vec4f(1.0));
  workgroupBarrier();
  ${total('squares')}
  return inverseSqrt(total + params.eps);
}`;
}

/**
 * A workgroup per sequence. Scores of all heads for as many keys as there is room; then every lane weighs the values of
 * its columns with them, by a softmax that goes along; at the end the product with `weight`.
 */
export function decodeAttendWgsl({ profile }: WgslTarget): readonly WgslPass[] {
  const { lanes, slices } = lanesOf(profile);
  const quads = lanes / slices;
  const body = `const lanes = ${lanes}u;
${cachedRows}
var<workgroup> scores: array<f32, ${roomScores}>;
var<workgroup> attended: array<vec4f, ${roomQuads}>;
var<workgroup> largest_and_sum: array<vec2f, ${roomQuads}>;
var<workgroup> joined: array<vec4f, ${lanes}>;

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup_index(group);
  if (row >= params.rows) { return; }
  let quads = params.width / 4u;
  let head_quads = quads / params.heads;
  let query = row * 3u * quads;
  let cache = row * params.capacity * 2u * quads;
  let visible = cached_rows(load_prefixes(row), load_control(5u));
  let factor = inverseSqrt(f32(4u * head_quads));
  for (var j = lane; visible > 0u && j < 2u * quads; j += lanes) {
    store4_cache(cache + (visible - 1u) * 2u * quads + j, load4_qkv(query + quads + j));
  }
  for (var j = lane; j < quads; j += lanes) {
    attended[j] = vec4f(0.0);
    largest_and_sum[j] = vec2f(-3.4e38, 0.0);
  }
  storageBarrier();
  workgroupBarrier();
  let chunk = ${roomScores}u / params.heads;
  for (var start = 0u; start < visible; start += chunk) {
    let count = min(chunk, visible - start);
    let keys = cache + start * 2u * quads;
    for (var i = lane; i < count * params.heads; i += lanes) {
      let head = i % params.heads * head_quads;
      let key = keys + i / params.heads * 2u * quads + head;
      var score = 0.0;
      for (var d = 0u; d < head_quads; d++) { score += dot(load4_qkv(query + head + d), load4_cache(key + d)); }
      scores[i] = score * factor;
    }
    workgroupBarrier();
    for (var j = lane; j < quads; j += lanes) {
      let head = j / head_quads;
      var largest = largest_and_sum[j].x;
      for (var i = 0u; i < count; i++) { largest = max(largest, scores[i * params.heads + head]); }
      let shrink = exp(largest_and_sum[j].x - largest);
      var sum = largest_and_sum[j].y * shrink;
      var value = attended[j] * shrink;
      var at = keys + quads + j;
      for (var i = 0u; i < count; i++) {
        let share = exp(scores[i * params.heads + head] - largest);
        sum += share;
        value += share * load4_cache(at);
        at += 2u * quads;
      }
      attended[j] = value;
      largest_and_sum[j] = vec2f(largest, sum);
    }
    workgroupBarrier();
  }
  for (var j = lane; visible > 0u && j < quads; j += lanes) { attended[j] = attended[j] / largest_and_sum[j].y; }
  workgroupBarrier();
  let slice = lane / ${quads}u;
  for (var first = 0u; first < quads; first += ${quads}u) {
    let column = first + lane % ${quads}u;
    var sum = vec4f(0.0);
    if (column < quads) {
      for (var l = slice; l < quads; l += ${slices}u) {
        let at = 4u * l * quads + column;
        let x = attended[l];
        sum += x.x * load4_weight(at) + x.y * load4_weight(at + quads);
        sum += x.z * load4_weight(at + 2u * quads) + x.w * load4_weight(at + 3u * quads);
      }
    }
    joined[lane] = sum;
    workgroupBarrier();
    if (slice == 0u && column < quads) {
      for (var t = 1u; t < ${slices}u; t++) { sum += joined[t * ${quads}u + lane]; }
      store4_y(row * quads + column, sum + load4_bias(column) + load4_residual(row * quads + column));
    }
    workgroupBarrier();
  }
}`;
  return [{ body, workgroups: p => grid(p['rows']!) }];
}

export function decodeDrawWgsl(target: WgslTarget): readonly WgslPass[] {
  return [
    rowPass(
      target,
      `let column = u32(load_control(5u));
  if (column >= params.stride) { return; }
  var token = load_tokens(row * params.stride + column);
  if (params.draw != 0u) {
    let ended = load_done(row) != 0;
    let temperature = load_sampling(0u);
    var best = 0u;
    var best_score = -3.4e38;
    for (var k = first; k < params.vocabulary; k += step) {
      let at = row * params.vocabulary + k;
      var score = load_logits(at) + load_sampling(1u + k);
      if (temperature > 0.0) { score -= temperature * log(-log(uniform_at(column, at))); }
      if (score > best_score) { best_score = score; best = k; }
    }
    let winner = row_max(best_score, lane);
    let drawn = row_min_index(select(0xffffffffu, best, best_score == winner), lane);
    token = select(i32(drawn), load_control(4u), ended);
    if (leader) {
      store_tokens(row * params.stride + column, token);
      if (token == load_control(3u)) { store_done(row, 1); }
    }
  }
  let t = column + 1u;
  if (t >= params.stride) { return; }
  let quads = params.width / 4u;
  var slot = -1;
  if (params.slotRows != 0u) { slot = load_slots(row * params.stride + t); }
  let has_token = u32(token) < params.vocabulary;
  let has_slot = slot >= 0 && u32(slot) < params.slotRows;
  let position = params.vocabulary + t;
  let vector = params.vocabulary + params.positions + u32(max(slot, 0));
  for (var c = first; c < quads; c += step) {
    var sum = load4_vectors(position * quads + c);
    if (has_token) { sum += load4_vectors(u32(token) * quads + c); }
    if (has_slot) { sum += load4_vectors(vector * quads + c); }
    store4_x(row * quads + c, sum);
  }`,
      { declarations: uniformAt },
    ),
  ];
}
