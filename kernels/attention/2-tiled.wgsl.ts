/**
 * Rung 2, tiles in workgroup memory: for a GPU without subgroup matrices. A workgroup has 64 rows of one head of one
 * sequence, one per lane, in registers. Rows of the other side come through workgroup memory a tile at a time: each is
 * loaded once per workgroup instead of once per lane, and all lanes read it at the same address. Softmax runs online
 * per lane: nothing is joined across lanes.
 *
 * Not measured on a GPU yet. A software adapter is slower with it than with rung 1.
 */
import { ceilDivide } from '../kernel.js';
import type { WgslPass } from '../kernel.js';
import { grid } from '../wgsl.js';
import { readSequence } from './1-registers.wgsl.js';
import type { Keys } from './1-registers.wgsl.js';
import {
  deltaElements,
  forwardRow,
  gradQueryRow,
  inBlocks,
  loadDelta,
  loadStatistics,
  shareOf,
  storeDelta,
} from './rows.wgsl.js';
import type { Rows, Walk } from './rows.wgsl.js';

/** Rows of a workgroup, and lanes. */
const blockRows = 64;
/** Rows of a tile: two operands of them take 8 KiB at most. */
const tileRows = (headDim: number) => Math.min(32, 1024 / headDim);

/**
 * What every attention kernel of GPUs begins with: the block's head, sequence and rows. `end` is the number of rows of
 * the owner's side.
 */
export function blockOf(rows: number, end: 'query_count' | 'key_count', keys: Keys): string {
  return `let blocks = (params.maxQueries + ${rows - 1}u) / ${rows}u;
  let unit = workgroup_index(group);
  let first = unit % blocks * ${rows}u;
  let h = unit / blocks % params.heads;
  let s = 6u * (unit / blocks / params.heads); // the sequence's line in the table
  if (s >= 6u * params.sequences) { return; }
  ${readSequence(keys)}
  if (first >= ${end}) { return; }`;
}

/**
 * Keys that the block's queries see: those of a lane's row are the first `visible`, of any of its rows the first
 * `most`.
 */
export function visibleOf(rows: number): string {
  return `let most = min(key_count, u32(max(prefix, position + i32(min(first + ${rows}u, query_count)))));`;
}

export function blockGrid(rows: number): WgslPass['workgroups'] {
  return p => grid(p['sequences']! * p['heads']! * ceilDivide(p['maxQueries']!, rows));
}

function tiledPass(headDim: number, tiles: readonly string[], statistics: readonly string[], code: string): WgslPass {
  const rows = tileRows(headDim);
  return {
    body: `const tile_rows = ${rows}u;
${tiles.map(name => `var<workgroup> tile_${name}: array<vec4f, ${(rows * headDim) / 4}>;`).join('\n')}
${statistics.map(name => `var<workgroup> tile_${name}: array<f32, ${rows}>;`).join('\n')}
@compute @workgroup_size(${blockRows})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  ${code}
}`,
    workgroups: blockGrid(blockRows),
  };
}

/**
 * Copies rows `tile`.. of an operand, `stride` and `from` in vec4s; rows beyond `end` are those before it, and not
 * used.
 */
function stage(headDim: number, end: string, copies: readonly (readonly [name: string, load: string])[]): string {
  const vectors = headDim / 4;
  return `for (var i = lane; i < tile_rows * ${vectors}u; i += ${blockRows}u) {
      let at = min(tile + i / ${vectors}u, ${end} - 1u);
      let v = i % ${vectors}u;
      ${copies.map(([name, load]) => `tile_${name}[i] = ${load};`).join('\n      ')}
    }`;
}

/**
 * Walks the keys that a lane's row sees, tile by tile.
 * @param address WGSL: where vec4 0 of row `at` lies
 */
function overKeys(headDim: number, buffer: string, address: { readonly key: string; readonly value: string }): Walk {
  return step => `for (var tile = 0u; tile < most; tile += tile_rows) {
    workgroupBarrier();
    ${stage(headDim, 'key_count', [
      ['k', `load4_${buffer}(${address.key} + v)`],
      ['v', `load4_${buffer}(${address.value} + v)`],
    ])}
    workgroupBarrier();
    let count = min(tile_rows, max(visible, tile) - tile);
    for (var j = 0u; j < count; j++) {
      let at = j * vectors;
      ${step(
        v => `tile_k[at + ${v}]`,
        v => `tile_v[at + ${v}]`,
      )}
    }
  }`;
}

/** A lane's query; those beyond the last one help with staging. */
const queryOfLane = (keys: Keys) => `${blockOf(blockRows, 'query_count', keys)}
  ${visibleOf(blockRows)}
  let row = first + lane;
  let query_row = query_start + min(row, query_count - 1u);
  let visible = min(key_count, u32(max(prefix, position + i32(row) + 1)));`;
const stop = 'if (row >= query_count) { return; }';

export function tiledForward(rows: Rows, headDim: number): WgslPass {
  const at = (offset: string) => `(key_start + at) * (params.strideKv / 4u) + h * vectors + params.${offset} / 4u`;
  const walk = overKeys(headDim, 'kv', { key: at('offsetK'), value: at('offsetV') });
  const code = `${queryOfLane('apart')}\n  ${forwardRow(rows, walk, stop)}`;
  return tiledPass(headDim, ['k', 'v'], [], code);
}

export function tiledGradQuery(rows: Rows, headDim: number): WgslPass {
  const at = (operand: string) => `(query_start + at) * 3u * width + ${operand} + h * vectors`;
  const walk = overKeys(headDim, 'qkv', { key: at('width'), value: at('2u * width') });
  const code = `${queryOfLane('same rows')}\n  ${gradQueryRow(rows, walk, stop)}\n  ${storeDelta('query_row')}`;
  return { ...tiledPass(headDim, ['k', 'v'], [], code), scratch: deltaElements };
}

/** dk = sum over seeing queries of dS q, dv = sum of P dO. */
export function tiledGradKey(rows: Rows, headDim: number): WgslPass {
  const { vectors, declare, each, item } = rows;
  const blocks = inBlocks(rows, ['dk', 'dv']);
  return tiledPass(
    headDim,
    ['q', 'g'],
    ['largest', 'log_sum', 'delta'],
    `${blockOf(blockRows, 'key_count', 'same rows')}
  let vectors = ${vectors};
  let row = first + lane;
  let width = params.heads * vectors;
  let key = (query_start + min(row, key_count - 1u)) * 3u * width + width + h * vectors;
  // queries before these see no key of the block, or not this lane's
  let first_of_block = select(u32(max(i32(first) - position, 0)), 0u, i32(first) < prefix);
  let first_query = select(u32(max(i32(row) - position, 0)), 0u, i32(row) < prefix);
  ${declare('k', 'value')}
  ${blocks.begin}
  ${each(v => `${item('k', v)} = load4_qkv(key + ${v}); ${item('value', v)} = load4_qkv(key + width + ${v});`)}
  for (var tile = first_of_block / tile_rows * tile_rows; tile < query_count; tile += tile_rows) {
    workgroupBarrier();
    ${stage(headDim, 'query_count', [
      ['q', 'load4_qkv((query_start + at) * 3u * width + h * vectors + v)'],
      ['g', 'load4_dout((query_start + at) * width + h * vectors + v)'],
    ])}
    if (lane < tile_rows) {
      let at = query_start + min(tile + lane, query_count - 1u);
      ${loadStatistics('at')}
      tile_largest[lane] = largest;
      tile_log_sum[lane] = log_sum;
      tile_delta[lane] = ${loadDelta('at')};
    }
    workgroupBarrier();
    let count = min(tile_rows, query_count - tile);
    for (var j = max(first_query, tile) - tile; j < count; j++) {
      let at = j * vectors;
      var score = 0.0;
      var dp = 0.0;
      ${each(v => `score += dot(tile_q[at + ${v}], ${item('k', v)}); dp += dot(tile_g[at + ${v}], ${item('value', v)});`)}
      let p = ${shareOf('score', 'tile_largest[j]', 'tile_log_sum[j]')};
      let ds = p * (dp - tile_delta[j]) * params.scale;
      ${each(v => `${item('dk', v)} += ds * tile_q[at + ${v}]; ${item('dv', v)} += p * tile_g[at + ${v}];`)}
      ${blocks.step}
    }
  }
  ${blocks.end}
  if (row >= key_count) { return; }
  ${each(v => `store4_dqkv(key + ${v}, ${item('total_dk', v)}); store4_dqkv(key + width + ${v}, ${item('total_dv', v)});`)}`,
  );
}
