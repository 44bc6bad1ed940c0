/**
 * Rung 0: scores are computed again for every column of the output. Slow, but right for any head dimension and
 * alignment: it takes what the other rungs refuse.
 */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { sumLoop } from '../wgsl.js';
import { rowsOfSequences, seeingQueries, visibleKeys } from './1-registers.wgsl.js';
import { loadStatistics, shareOf, storeStatistics } from './rows.wgsl.js';

const overKeys = { begin: '0u', end: 'visible', step: '1u' };
const share = 'exp(params.scale * (score(query_at, key + j * params.strideKv) - maximum))';

export function plainForward(target: WgslTarget): WgslPass {
  return rowsOfSequences(
    target,
    'apart',
    `${visibleKeys}
  let query_row = query_start + row;
  let query_at = query_row * params.strideQ + h * params.headDim;
  let key = key_start * params.strideKv + h * params.headDim + params.offsetK;
  let value = key_start * params.strideKv + h * params.headDim + params.offsetV;
  var maximum = -3.4e38;
  for (var j = 0u; j < visible; j++) { maximum = max(maximum, score(query_at, key + j * params.strideKv)); }
  ${sumLoop('f32', ['sum'], `sum += ${share};`, overKeys)}
  for (var d = 0u; d < params.headDim; d++) {
    ${sumLoop('f32', ['o'], `o += ${share} * load_kv(value + j * params.strideKv + d);`, overKeys)}
    store_out((query_row * params.heads + h) * params.headDim + d, select(0.0, o / sum, visible > 0u));
  }
  let log_sum = log(sum);
  ${storeStatistics}`,
    `fn score(query: u32, key: u32) -> f32 {
  var total = 0.0;
  for (var d = 0u; d < params.headDim; d++) { total += load_q(query + d) * load_kv(key + d); }
  return total;
}`,
  );
}

export function plainGrad(target: WgslTarget, of: 'query' | 'key'): WgslPass {
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
      ${loadStatistics(`(query_start + ${q})`)}
      let p = ${shareOf('product(query, key)', 'largest', 'log_sum')};
      let ds = p * gradient_of_p(output, key + width) * params.scale;`;
  const query = `${visibleKeys}
  ${width}
  for (var d = 0u; d < params.headDim; d++) {
    ${sumLoop('f32', ['dq'], `${pair('row', 'j')} dq += ds * load_qkv(key + d);`, overKeys)}
    store_dqkv((query_start + row) * 3u * width + h * params.headDim + d, dq);
  }`;
  const key = `${seeingQueries}
  ${width}
  for (var d = 0u; d < params.headDim; d++) {
    ${sumLoop(
      'f32',
      ['dk', 'dv'],
      `${pair('j', 'row')} dk += ds * load_qkv(query + d); dv += p * load_dout(output + d);`,
      { begin: 'first_query', end: 'query_count', step: '1u' },
    )}
    let to = (query_start + row) * 3u * width + width + h * params.headDim + d;
    store_dqkv(to, dk);
    store_dqkv(to + width, dv);
  }`;
  return rowsOfSequences(target, 'same rows', of === 'query' ? query : key, declarations);
}
