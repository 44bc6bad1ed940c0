/**
 * Rung 1: one lane per row, which it keeps in registers or an array; no workgroup memory, no barriers. The backward
 * pass runs twice over the scores, once with a lane per query (dq) and once with a lane per key (dk, dv): seven
 * products instead of five, but no atomics and a fixed order of sums.
 */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { lanePass } from '../wgsl.js';
import { mostPosition } from './reference.js';
import { forwardRow, gradQueryRow, inBlocks, loadStatistics, shareOf } from './rows.wgsl.js';
import type { Rows, Walk } from './rows.wgsl.js';

/** Whether keys lie in a buffer of their own, or are the rows of the queries. */
export type Keys = 'apart' | 'same rows';

/** WGSL: reads the line `s` of the table, and returns where the sequence does not lie in its operands. */
export function readSequence(keys: Keys): string {
  const lies = (start: string, count: string, most: string, rows: string) =>
    `${start} <= ${rows} && ${count} <= min(${most}, ${rows} - ${start})`; // what is negative becomes large
  const keysLie =
    keys === 'apart'
      ? lies('key_start', 'key_count', 'params.maxKeys', 'params.keyRows')
      : `key_start == query_start && ${lies('query_start', 'key_count', 'params.maxQueries', 'params.queryRows')}`;
  return `let query_start = u32(load_table(s));
  let query_count = u32(load_table(s + 1u));
  let key_start = u32(load_table(s + 2u));
  let key_count = u32(load_table(s + 3u));
  let prefix = load_table(s + 4u);
  let position = load_table(s + 5u);
  let queries_lie = ${lies('query_start', 'query_count', 'params.maxQueries', 'params.queryRows')};
  let keys_lie = ${keysLie};
  if (!queries_lie || !keys_lie || prefix < 0 || u32(position) >= ${mostPosition}u) { return; }`;
}

/** A pass with a lane per (sequence, head, row of the sequence); `code` finds them as `s`, `h` and `row`. */
export function rowsOfSequences(target: WgslTarget, keys: Keys, code: string, declarations = ''): WgslPass {
  return lanePass(
    target,
    p => p['sequences']! * p['heads']! * p['maxQueries']!,
    'params.sequences * params.heads * params.maxQueries',
    `let row = i % params.maxQueries;
  let h = i / params.maxQueries % params.heads;
  let s = 6u * (i / params.maxQueries / params.heads); // the sequence's line in the table
  ${readSequence(keys)}
  ${code}`,
    { declarations, work: 'much' },
  );
}

/** For lanes of queries: they see the first `visible` keys. */
export const visibleKeys = `if (row >= query_count) { return; }
  let visible = min(key_count, u32(max(prefix, position + i32(row) + 1)));`;

/** For lanes of keys: the queries from `first_query` on see them. */
export const seeingQueries = `if (row >= key_count) { return; }
  let first_query = select(u32(max(i32(row) - position, 0)), 0u, i32(row) < prefix);`;

export function laneForward(target: WgslTarget, rows: Rows): WgslPass {
  const walk: Walk = step => `for (var j = 0u; j < visible; j++) {
    let key = (key_start + j) * (params.strideKv / 4u) + h * vectors + params.offsetK / 4u;
    let value = (key_start + j) * (params.strideKv / 4u) + h * vectors + params.offsetV / 4u;
    ${step(
      v => `load4_kv(key + ${v})`,
      v => `load4_kv(value + ${v})`,
    )}
  }`;
  return rowsOfSequences(
    target,
    'apart',
    `${visibleKeys}
  let query_row = query_start + row;
  ${forwardRow(rows, walk)}`,
  );
}

export function laneGradQuery(target: WgslTarget, rows: Rows): WgslPass {
  const walk: Walk = step => `for (var j = 0u; j < visible; j++) {
    let key = (query_start + j) * 3u * width + width + h * vectors;
    ${step(
      v => `load4_qkv(key + ${v})`,
      v => `load4_qkv(key + width + ${v})`,
    )}
  }`;
  return rowsOfSequences(
    target,
    'same rows',
    `${visibleKeys}\n  let query_row = query_start + row;\n  ${gradQueryRow(rows, walk)}`,
  );
}

/** dk = sum over seeing queries of dS q, dv = sum of P dO. */
export function laneGradKey(target: WgslTarget, rows: Rows): WgslPass {
  const { vectors, declare, each, item } = rows;
  const blocks = inBlocks(rows, ['dk', 'dv']);
  return rowsOfSequences(
    target,
    'same rows',
    `${seeingQueries}
  let vectors = ${vectors};
  let width = params.heads * vectors;
  let key = (query_start + row) * 3u * width + width + h * vectors;
  ${declare('k', 'value')}
  ${blocks.begin}
  ${each(v => `${item('k', v)} = load4_qkv(key + ${v}); ${item('value', v)} = load4_qkv(key + width + ${v});`)}
  for (var j = first_query; j < query_count; j++) {
    let query = (query_start + j) * 3u * width + h * vectors;
    let output = (query_start + j) * width + h * vectors;
    var score = 0.0;
    var dp = 0.0; // minus delta
    ${each(v => `score += dot(load4_qkv(query + ${v}), ${item('k', v)}); dp += dot(load4_dout(output + ${v}), ${item('value', v)} - load4_out(output + ${v}));`)}
    ${loadStatistics('(query_start + j)')}
    let p = ${shareOf('score', 'largest', 'log_sum')};
    let ds = p * dp * params.scale;
    ${each(v => `${item('dk', v)} += ds * load4_qkv(query + ${v}); ${item('dv', v)} += p * load4_dout(output + ${v});`)}
    ${blocks.step}
  }
  ${blocks.end}
  ${each(v => `store4_dqkv(key + ${v}, ${item('total_dk', v)}); store4_dqkv(key + width + ${v}, ${item('total_dv', v)});`)}`,
  );
}
