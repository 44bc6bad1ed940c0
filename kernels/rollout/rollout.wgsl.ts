/**
 * WGSL of the rollout: a workgroup carries four sequences, as the components of vec4s, through all layers and steps.
 * Activations stay in workgroup memory; a weight is loaded once, by the lane that owns its columns, and multiplied with
 * all four. Barriers within the workgroup are all the synchronisation there is.
 */
import { ceilDivide } from '../kernel.js';
import type { WgslPass, WgslTarget } from '../kernel.js';
import { leastMachine } from '../machine.js';
import type { WgslProfile } from '../machine.js';
import { uniformAt } from '../random/random.wgsl.js';
import { grid } from '../wgsl.js';
import { cachedRows } from './fused.wgsl.js';

/** Sequences of a workgroup. */
const rows = 4;
/** Head dimensions that there is a variant for: queries and outputs of a head are kept in registers. */
const headDims: readonly number[] = [4, 8, 16, 32, 64];

/**
 * The widest model for a device with so many bytes of workgroup memory: x, its norm and the hidden values, 6 * width
 * vec4s, beside one vec4 per lane and some words.
 */
function widest(workgroupMemory: number): number {
  return workgroupMemory >= 28 * 1024 ? 256 : 128;
}

/** True if a device with so many bytes of workgroup memory can run the kernel on a model of this shape. */
export function rolloutFits(width: number, heads: number, workgroupMemory: number): boolean {
  return width <= widest(workgroupMemory) && headDims.includes(width / heads);
}

/**
 * Lanes of a workgroup. On a GPU as many as 16 KiB of workgroup memory leave room for; a software adapter pays for
 * every barrier by the vector of lanes, and has few processors.
 */
const lanesOf = { software: 8, alu: 128, sgmat: 128 } as const;

export function rolloutWgsl(target: WgslTarget): readonly WgslPass[] {
  return headDims.map(headDim => ({
    variant: `headDim ${headDim}`,
    body: body(target.profile, widest((target.machine ?? leastMachine).workgroupMemory), headDim),
    workgroups: p => grid(p['width'] === headDim * p['heads']! ? ceilDivide(p['sequences']!, rows) : 0),
  }));
}

function body(profile: WgslProfile, width: number, headDim: number): string {
  const lanes = lanesOf[profile];
  // whether there may be more lanes than columns or heads: not on a software adapter
  const sliced = profile !== 'software';
  const [normedAt, wideAt] = [width, 2 * width];
  const vectors = Array.from({ length: headDim / 4 }, (_, v) => v);
  const each = (code: (v: number) => string) => vectors.map(code).join('\n    ');
  return `const lanes = ${lanes}u;
const x_at = 0u;
const normed_at = ${normedAt}u;
const wide_at = ${wideAt}u; // qkv, hidden values or logits

// A column of all four sequences is one vec4.
var<workgroup> values: array<vec4f, ${6 * width}>;
var<workgroup> shared_by_lane: array<vec4f, ${lanes}>;
var<workgroup> running: array<u32, ${rows}>;
var<workgroup> token_of: array<i32, ${rows}>;
var<workgroup> visible_of: array<u32, ${rows}>; // rows of the sequence's part of the cache, the present token's last
var<workgroup> vectors_of: array<vec2u, ${rows}>; // of the present token and its slot in the tables
var<workgroup> any_running: u32;

${uniformAt}
${cachedRows}

// Of four rows, those that there are. Not a constant, so that no compiler unrolls loops over them: software adapters
// take minutes then.
fn row_count(first_sequence: u32) -> u32 { return min(${rows}u, params.sequences - first_sequence); }

fn plan_at(i: u32) -> u32 { return u32(load_plan(i)); }

// Whether all parameters lie in the weights, and begin where vec4s do.
fn plan_fits() -> bool {
  let w = params.width;
  let model = params.layers * 12u;
  let lengths = array<u32, 16>(w, w, 3u * w * w, 3u * w, w * w, w, w, w, 4u * w * w, 4u * w, 4u * w * w, w,
    w, w, params.vocabulary, (params.column + params.steps) * w);
  for (var i = 0u; i < model + 4u; i++) {
    let length = lengths[select(i % 12u, 12u + i - model, i >= model)];
    let offset = plan_at(i);
    if (length > params.weightCount || offset > params.weightCount - length || offset % 4u != 0u) { return false; }
  }
  return true;
}

// values[normed_at ..] = norm of values[x_at ..]. Every lane adds up all columns: no barriers, and all read the same
// address.
fn norm(gain: u32, bias: u32, lane: u32) {
  var mean = vec4f(0.0);
  for (var c = 0u; c < params.width; c++) { mean += values[x_at + c]; }
  mean /= f32(params.width);
  var above = vec4f(0.0); // what the sum's rounding has left, see layer-norm.wgsl.ts
  for (var c = 0u; c < params.width; c++) { above += values[x_at + c] - mean; }
  mean += above / f32(params.width);
  var variance = vec4f(0.0);
  for (var c = 0u; c < params.width; c++) { let d = values[x_at + c] - mean; variance += d * d; }
  let scale = inverseSqrt(variance / f32(params.width) + params.eps);
  for (var c = lane; c < params.width; c += lanes) {
    values[normed_at + c] = (values[x_at + c] - mean) * scale * load_weights(gain + c) + load_weights(bias + c);
  }
  workgroupBarrier();
}

const finish_nothing = 0u;
const finish_relu = 1u;
const finish_add = 2u; // to what is there

// Four columns of four rows: a row's sums to columns of all rows.
fn store_columns(to: u32, column: u32, a0: vec4f, a1: vec4f, a2: vec4f, a3: vec4f, bias: u32, finish: u32) {
  for (var j = 0u; j < 4u; j++) {
    var value = vec4f(a0[j], a1[j], a2[j], a3[j]) + load_weights(bias + column + j);
    if (finish == finish_relu) { value = larger4(value, vec4f(0.0)); }
    if (finish == finish_add) { value += values[to + column + j]; }
    values[to + column + j] = value;
  }
}

// values[to + column] = finish(values[source + l] times weight[l, column] + bias[column]), columns a multiple of four.
// A lane has four columns; where there are fewer of those than lanes, several lanes share them, each with a part of the
// steps.
fn linear(source: u32, weight: u32, bias: u32, steps: u32, columns: u32, to: u32, finish: u32, lane: u32) {
  let quads = columns / 4u;
  let slices = ${sliced ? 'max(1u, lanes / quads)' : '1u'};
  let share = (steps + slices - 1u) / slices;
  let slice = select(0u, lane / quads, slices > 1u);
  let begin = slice * share;
  let end = select(0u, min(steps, begin + share), slice < slices);
  for (var first = 0u; first < quads; first += lanes) {
    let quad = select(first + lane, lane % quads, slices > 1u);
    var a0 = vec4f(0.0);
    var a1 = vec4f(0.0);
    var a2 = vec4f(0.0);
    var a3 = vec4f(0.0);
    if (quad < quads) {
      var at = (weight + begin * columns) / 4u + quad;
      for (var l = begin; l < end; l++) {
        let w = load4_weights(at);
        let v = values[source + l];
        a0 += v.x * w;
        a1 += v.y * w;
        a2 += v.z * w;
        a3 += v.w * w;
        at += quads;
      }
    }
    ${
      sliced
        ? `if (slices > 1u) {
      a0 = joined(a0, lane, quads, slices);
      a1 = joined(a1, lane, quads, slices);
      a2 = joined(a2, lane, quads, slices);
      a3 = joined(a3, lane, quads, slices);
    }`
        : ''
    }
    if (quad < quads && slice == 0u) { store_columns(to, 4u * quad, a0, a1, a2, a3, bias, finish); }
  }
  workgroupBarrier();
}

// The sum of the values of lanes that lie \`apart\` from each other, for the first of them.
fn joined(value: vec4f, lane: u32, apart: u32, count: u32) -> vec4f {
  workgroupBarrier();
  shared_by_lane[lane] = value;
  workgroupBarrier();
  var sum = value;
  if (lane < apart) { for (var t = 1u; t < count; t++) { sum += shared_by_lane[lane + t * apart]; } }
  return sum;
}

const none = 0xffffffffu;

// What a sequence's token sees, and where its vector and that of its slot lie, if it has them.
fn find_vectors(t: u32, s: u32, r: u32) {
  let prefixes = params.layers * 12u + 4u;
  visible_of[r] = cached_rows(load_plan(prefixes + s), i32(t));
  let token = u32(token_of[r]);
  vectors_of[r] = vec2u(select(none, token * params.width, token < params.vocabulary), none);
  let first = u32(load_tokens(s * params.stride));
  if (params.lists == 0u || first >= params.vocabulary) { return; }
  let list_of = prefixes + params.sequences;
  let list = plan_at(list_of + s * params.vocabulary + first);
  if (list >= params.lists) { return; }
  let slot = plan_at(list_of + params.sequences * params.vocabulary + list * params.stride + t);
  if (slot < params.slotRows) { vectors_of[r].y = (2u * params.vocabulary + slot) * params.width; }
}

fn embed(t: u32, first_sequence: u32, lane: u32) {
  if (lane < ${rows}u) { find_vectors(t, min(first_sequence + lane, params.sequences - 1u), lane); }
  workgroupBarrier();
  let positions = plan_at(params.layers * 12u + 3u) + t * params.width;
  for (var c = lane; c < params.width; c += lanes) {
    var sum = vec4f(load_weights(positions + c));
    for (var r = 0u; r < row_count(first_sequence); r++) {
      let at = vectors_of[r];
      if (at.x != none) { sum[r] += load_tables(at.x + c); }
      if (at.y != none) { sum[r] += load_tables(at.y + c); }
    }
    values[x_at + c] = sum;
  }
  workgroupBarrier();
}

// Keys and values of the present token go from qkv to the cache.
fn write_cache(cache: u32, first_sequence: u32, lane: u32) {
  let quads = params.width / 2u;
  for (var i = lane; i < ${rows}u * quads; i += lanes) {
    let r = i / quads;
    let j = i % quads;
    if (running[r] == 0u || visible_of[r] == 0u) { continue; }
    let source = wide_at + params.width + 4u * j;
    let row = cache + ((first_sequence + r) * params.capacity + visible_of[r] - 1u) * quads;
    store4_cache(row + j, vec4f(values[source][r], values[source + 1u][r], values[source + 2u][r], values[source + 3u][r]));
  }
  storageBarrier();
  workgroupBarrier();
}

// values[normed_at ..] = attention of q in values[wide_at ..] to the cache: a lane has one head of one sequence, or
// every \`slices\`-th key of it, with online softmax. Outputs go where k and v were, which the cache has by now.
fn attend(cache: u32, first_sequence: u32, lane: u32) {
  let pairs = ${rows}u * params.heads;
  let slices = ${sliced ? `clamp(lanes / pairs, 1u, ${4 * width}u / params.width - 1u)` : '1u'};
  let slice = lane / pairs;
  let stride = params.width / 2u; // of a cache row, in vec4s
  let outputs = wide_at + params.width;
  for (var pair = ${sliced ? 'select(lane, lane % pairs, slices > 1u)' : 'lane'}; pair < pairs && slice < slices; pair += lanes) {
    let r = pair % ${rows}u;
    let h = pair / ${rows}u;
    var maximum = -3.4e38;
    var sum = 0.0;
    ${each(v => `var q${v} = vec4f(0.0); var o${v} = vec4f(0.0);`)}
    if (running[r] != 0u) {
      let q = wide_at + h * ${headDim}u;
      ${each(v => `q${v} = ${1 / Math.sqrt(headDim)} * vec4f(${[0, 1, 2, 3].map(j => `values[q + ${4 * v + j}u][r]`).join(', ')});`)}
      let keys = cache + (first_sequence + r) * params.capacity * stride + h * ${headDim / 4}u;
      for (var j = slice; j < visible_of[r]; j += slices) {
        let key = keys + j * stride;
        let value = key + params.width / 4u;
        var score = 0.0;
        ${each(v => `score += dot(q${v}, load4_cache(key + ${v}u));`)}
        let larger = max(maximum, score);
        let shrink = exp(maximum - larger);
        let p = exp(score - larger);
        maximum = larger;
        sum = sum * shrink + p;
        ${each(v => `o${v} = o${v} * shrink + p * load4_cache(value + ${v}u);`)}
      }
    }
    let inverse = select(0.0, 1.0 / sum, sum > 0.0);
    let to = outputs + (slice * pairs + pair) * ${headDim / 4}u;
    ${each(v => `values[to + ${v}u] = o${v} * inverse;`)}
    ${sliced ? 'if (slices > 1u) { shared_by_lane[lane] = vec4f(maximum, sum, 0.0, 0.0); }' : ''}
  }
  workgroupBarrier();
  for (var c = lane; c < params.width; c += lanes) {
    let pair = c / ${headDim}u * ${rows}u;
    var column = vec4f(0.0);
    for (var r = 0u; r < row_count(first_sequence); r++) {
      let at = outputs + (pair + r) * ${headDim / 4}u + c % ${headDim}u / 4u;
      ${
        sliced
          ? `var most = -3.4e38;
      if (slices > 1u) { for (var t = 0u; t < slices; t++) { most = max(most, shared_by_lane[t * pairs + pair + r].x); } }
      var total = 0.0;
      var value = 0.0;
      for (var t = 0u; t < slices; t++) {
        var share = 1.0;
        if (slices > 1u) {
          let other = shared_by_lane[t * pairs + pair + r];
          share = other.y * exp(other.x - most);
        }
        total += share;
        value += share * values[at + t * params.width][c % 4u];
      }
      column[r] = select(0.0, value / total, total > 0.0);`
          : 'column[r] = values[at][c % 4u];'
      }
    }
    values[normed_at + c] = column;
  }
  workgroupBarrier();
}

// Scores of all tokens: logits + bias, and Gumbel noise at a temperature. The best one is drawn.
fn draw(t: u32, first_sequence: u32, lane: u32) {
  let head_bias = plan_at(params.layers * 12u + 2u);
  let temperature = load_sampling(0u);
  var best = vec4u(0u);
  var best_score = vec4f(-3.4e38);
  for (var k = lane; k < params.vocabulary; k += lanes) {
    var score = vec4f(load_weights(head_bias + k) + load_sampling(1u + k));
    let vector = (params.vocabulary + k) * params.width / 4u;
    for (var c = 0u; c < params.width / 4u; c++) {
      let w = load4_tables(vector + c);
      let source = normed_at + 4u * c;
      score += w.x * values[source] + w.y * values[source + 1u] + w.z * values[source + 2u] + w.w * values[source + 3u];
    }
    if (temperature > 0.0) {
      for (var r = 0u; r < row_count(first_sequence); r++) {
        score[r] -= temperature * log(-log(uniform_at(t, (first_sequence + r) * params.vocabulary + k)));
      }
    }
    best = select(best, vec4u(k), score > best_score);
    best_score = max(best_score, score);
  }
  shared_by_lane[lane] = best_score;
  workgroupBarrier();
  let busy = min(lanes, params.vocabulary); // lanes that have tokens; not a constant, see row_count
  var top = shared_by_lane[0];
  for (var i = 1u; i < busy; i++) { top = max(top, shared_by_lane[i]); }
  workgroupBarrier();
  shared_by_lane[lane] = select(vec4f(1e9), vec4f(best), best_score == top); // the first of equals
  workgroupBarrier();
  if (lane < ${rows}u && running[lane] != 0u) {
    var token = shared_by_lane[0][lane];
    for (var i = 1u; i < busy; i++) { token = min(token, shared_by_lane[i][lane]); }
    token_of[lane] = i32(token);
    let s = first_sequence + lane;
    store_tokens(s * params.stride + t, i32(token));
    if (i32(token) == load_control(3u)) {
      store_done(s, 1);
      running[lane] = 0u;
    }
  }
}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first_sequence = ${rows}u * workgroup_index(group);
  if (first_sequence >= params.sequences || !plan_fits()) { return; }
  if (lane < ${rows}u) {
    let s = min(first_sequence + lane, params.sequences - 1u);
    running[lane] = select(0u, 1u, first_sequence + lane < params.sequences && load_done(s) == 0);
    token_of[lane] = load_tokens(s * params.stride + params.column - 1u);
  }
  for (var t = params.column; t < params.column + params.steps; t++) {
    workgroupBarrier();
    if (lane == 0u) { any_running = running[0] | running[1] | running[2] | running[3]; }
    if (workgroupUniformLoad(&any_running) == 0u) { break; }
    embed(t, first_sequence, lane);
    // Four products per layer, all from one place in the text: software adapters compile each place anew.
    let phases = 4u * params.layers;
    for (var phase = 0u; phase <= phases; phase++) {
      let p = phase / 4u * 12u;
      let which = phase % 4u;
      if (which % 2u == 0u) { norm(plan_at(p + 3u * which), plan_at(p + 3u * which + 1u), lane); }
      if (phase == phases) { break; }
      if (which == 1u) {
        let cache = phase / 4u * (params.layerStride / 4u);
        write_cache(cache, first_sequence, lane);
        attend(cache, first_sequence, lane);
      }
      let weight = p + array<u32, 4>(2u, 4u, 8u, 10u)[which];
      let steps = select(1u, 4u, which == 3u) * params.width;
      let columns = array<u32, 4>(3u, 1u, 4u, 1u)[which] * params.width;
      let source = select(normed_at, wide_at, which == 3u);
      let to = select(x_at, wide_at, which % 2u == 0u);
      let finish = array<u32, 4>(finish_nothing, finish_add, finish_relu, finish_add)[which];
      linear(source, plan_at(weight), plan_at(weight + 1u), steps, columns, to, finish, lane);
    }
    draw(t, first_sequence, lane);
  }
}`;
}
