/**
 * Rung 3, subgroup matrices (tensor cores), for f16 operands; sums and softmax are f32. A workgroup has a block of rows
 * of one head of one sequence and goes through the other side tile by tile in workgroup memory. Rows beyond the end of
 * the sequence are repeated and masked, since the next sequence begins right behind them.
 *
 * Forward: result matrices cannot be scaled row by row, so softmax does not run online. A first walk over the keys
 * finds the statistics of every row, a second one sums P V with the final P. Scores of whole rows stay in workgroup
 * memory where they fit; for a longer sequence the second walk forms them again: three products instead of two, but
 * nothing is rescaled. Backward: once with a block of queries (dq), once with a block of keys (dk, dv), seven products
 * without atomics, as in rung 1. Sizes of matrices come from the adapter.
 *
 * Sums over a sequence are not cut into blocks: n equal terms are off by up to n / K 2^-25, which stays below the
 * rounding of P and of the results to f16 (2^-11) up to a sequence of 100,000.
 *
 * Not measured on a GPU yet; `attentionCases` has the shapes that check it.
 */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { leastMachine, trainingMatrices } from '../machine.js';
import type { MatrixConfig, WgslMachine } from '../machine.js';
import {
  leftType,
  matrixExtensions,
  matrixLoad,
  matrixMultiplyAccumulate,
  matrixStore,
  resultType,
  rightType,
} from '../subgroup-matrix.js';
import { blockGrid, blockOf, visibleOf } from './2-tiled.wgsl.js';
import { deltaElements, loadDelta, loadStatistics, shareOf, storeDelta, storeStatistics } from './rows.wgsl.js';

/** How a pass is cut for an adapter. */
interface Cut {
  readonly config: MatrixConfig;
  /** Rows of a block and of a tile. */
  readonly rows: number;
  /** Scores of a row that are kept: those of a tile, or of all keys. */
  readonly keys: number;
  readonly headDim: number;
  readonly lanes: number;
  readonly warps: number;
}

/**
 * Elements between rows in workgroup memory: 16 bytes more than needed, so that rows of a matrix start in different
 * banks.
 */
const rowStride = ({ headDim }: Cut) => headDim + 8;
const shareStride = ({ rows }: Cut) => rows + 8;
const scoreStride = ({ keys }: Cut) => keys + 4;
const outputStride = ({ headDim }: Cut) => headDim + 4;
/** Of the f32 area for scores, which takes the results at the end. */
const scoreElements = (cut: Cut) => cut.rows * Math.max(scoreStride(cut), outputStride(cut));

interface Memory {
  /** f16 operands, (rows, headDim). */
  readonly operands: readonly string[];
  /** f16 shares, (rows, rows). */
  readonly shares: readonly string[];
  /** f32 scores beside the first, (rows, rows). */
  readonly more: readonly string[];
}

function workgroupBytes(cut: Cut, { operands, shares, more }: Memory): number {
  const half = operands.length * rowStride(cut) + shares.length * shareStride(cut);
  return 2 * cut.rows * half + 4 * (scoreElements(cut) + more.length * cut.rows * scoreStride(cut)) + 8 * cut.lanes;
}

/**
 * The largest matrices and blocks that suit; undefined where there are none, or operands are not f16.
 * @param keys whose scores are kept, if not those of a tile
 */
function cutFor(target: WgslTarget, headDim: number, memory: Memory, keys?: number): Cut | undefined {
  const machine: WgslMachine = target.machine ?? leastMachine;
  const operands = Object.entries(target.dtypes).filter(([name]) => name !== 'stats' && name !== 'table');
  if (target.profile !== 'sgmat' || machine.subgroupSize.max === 0) return undefined;
  if (operands.some(([, dtype]) => dtype !== 'f16')) return undefined;
  const most = machine.subgroupSize.max;
  const configs = trainingMatrices(machine, 'f16').toSorted((x, y) => y.M * y.N * y.K - x.M * x.N * x.K);
  for (const rows of keys === undefined ? [32, 16] : [32]) {
    const warps = Math.max(Math.min(4, Math.floor(machine.workgroupLanes / most)), Math.ceil(rows / most));
    const lanes = warps * most;
    for (const config of configs) {
      const cut = { config, rows, keys: keys ?? rows, headDim, lanes, warps };
      const divides = [config.M, config.N, config.K].every(n => rows % n === 0 && headDim % n === 0);
      const fits = lanes <= machine.workgroupLanes && workgroupBytes(cut, memory) <= machine.workgroupMemory;
      if (divides && lanes % rows === 0 && fits) return cut;
    }
  }
  return undefined;
}

/** A matrix in workgroup memory: the array, how it lies, and how many f16 an element of the array has. */
interface Place {
  readonly name: string;
  readonly stride: number;
  readonly unit: 1 | 8;
  readonly turned?: boolean;
}

/** Operands lie as they do in memory, eight f16 to a vec4u, so that 16 bytes are copied at once. */
const operandPlace = (cut: Cut, name: string): Place => ({ name, stride: rowStride(cut), unit: 8 });
const sharePlace = (cut: Cut, name: string): Place => ({ name, stride: shareStride(cut), unit: 1 });

/**
 * Tiles of a product [rows, columns], dealt out to the subgroups. There are more subgroups than needed if the driver
 * chooses small ones.
 */
const tilesOf = ({ config }: Cut, rows: number, columns: number) => (rows / config.M) * (columns / config.N);

/** WGSL: `sum` += the tile of left times right that begins at row `m` and column `n`, over `depth` steps. */
function multiply({ config }: Cut, left: Place, right: Place, depth: number, sum: string): string {
  const offset = ({ stride, unit, turned = false }: Place, row: string, column: string) => {
    const [line, along] = turned ? [column, row] : [row, column];
    return `${line} * ${stride / unit}u + ${along} / ${unit}u`;
  };
  const order = ({ turned = false }: Place) => (turned ? 'col_major' : 'row_major');
  const load = (type: string, place: Place, row: string, column: string) =>
    matrixLoad(type, order(place), {
      pointer: `&${place.name}`,
      offset: offset(place, row, column),
      stride: `${place.stride / place.unit}u`,
    });
  return `for (var l = 0u; l < ${depth}u; l += ${config.K}u) {
        let a = ${load(leftType(config), left, 'm', 'l')};
        let b = ${load(rightType(config), right, 'l', 'n')};
        ${sum} = ${matrixMultiplyAccumulate('a', 'b', sum)};
      }`;
}

/**
 * WGSL: scores[rows, rows] = left times right^T; both are operands of the head dimension.
 * @param column the first of `to` that is written
 */
function scoresOf(cut: Cut, left: string, right: string, to: string, column = '0u'): string {
  const { config, rows, warps, headDim } = cut;
  const across = rows / config.N;
  const a = operandPlace(cut, left);
  const b = { ...operandPlace(cut, right), turned: true };
  return `for (var i = warp; i < ${tilesOf(cut, rows, rows)}u && warp < ${warps}u; i += ${warps}u) {
      let m = i / ${across}u * ${config.M}u;
      let n = i % ${across}u * ${config.N}u;
      var sum = ${resultType(config)}();
      ${multiply(cut, a, b, headDim, 'sum')}
      ${matrixStore('sum', { pointer: `&${to}`, offset: `m * ${scoreStride(cut)}u + ${column} + n`, stride: `${scoreStride(cut)}u` })}
    }`;
}

/** Result matrices of a subgroup that stay in registers from tile to tile: (rows, headDim) in all. */
function accumulator(cut: Cut, name: string) {
  const { config, rows, headDim, warps } = cut;
  const tiles = tilesOf(cut, rows, headDim);
  const across = headDim / config.N;
  const parts = Array.from({ length: Math.ceil(tiles / warps) }, (_, i) => i);
  const each = (code: (part: string) => string) =>
    parts
      .map(
        i => `if (warp < ${warps}u && warp + ${i * warps}u < ${tiles}u) {
      let m = (warp + ${i * warps}u) / ${across}u * ${config.M}u;
      let n = (warp + ${i * warps}u) % ${across}u * ${config.N}u;
      ${code(`${name}_${i}`)}
    }`,
      )
      .join('\n    ');
  return {
    declare: parts.map(i => `var ${name}_${i} = ${resultType(config)}();`).join(' '),
    add: (left: Place, right: string) => each(part => multiply(cut, left, operandPlace(cut, right), rows, part)),
    /** Through the area of the scores to memory; `row_at` is the index of a row's vec4s of this head. */
    store: (buffer: string, end: string, rowAt: string) =>
      `workgroupBarrier();
    ${each(part => matrixStore(part, { pointer: '&scores', offset: `m * ${outputStride(cut)}u + n`, stride: `${outputStride(cut)}u` }))}
    workgroupBarrier();
    for (var i = lane; i < ${(rows * headDim) / 4}u; i += ${cut.lanes}u) {
      let at = first + i / ${headDim / 4}u;
      let source = i / ${headDim / 4}u * ${outputStride(cut)}u + i % ${headDim / 4}u * 4u;
      if (at < ${end}) {
        store4_${buffer}(${rowAt} + i % ${headDim / 4}u, vec4f(scores[source], scores[source + 1u], scores[source + 2u], scores[source + 3u]));
      }
    }`,
  };
}

/** WGSL: copies rows `begin`.. of operands to workgroup memory; rows from `end` on are the one before it. */
function stage(
  cut: Cut,
  begin: string,
  end: string,
  copies: readonly (readonly [name: string, load: string])[],
): string {
  const vectors = cut.headDim / 8;
  return `for (var i = lane; i < ${cut.rows * vectors}u; i += ${cut.lanes}u) {
      let at = min(${begin} + i / ${vectors}u, ${end} - 1u);
      let v = i % ${vectors}u;
      let to = i / ${vectors}u * ${rowStride(cut) / 8}u + v;
      ${copies.map(([name, load]) => `${name}[to] = ${load};`).join('\n      ')}
    }`;
}

function pass(name: string, cut: Cut, memory: Memory, code: string): WgslPass {
  const { config, rows, keys, headDim, lanes } = cut;
  const area = (type: string, elements: number) => (list: readonly string[]) =>
    list.map(item => `var<workgroup> ${item}: array<${type}, ${elements}>;`);
  return {
    variant: `matrix ${headDim} (${config.M}x${config.N}x${config.K}, ${rows} rows${keys > rows ? ` of ${keys} keys` : ''})`,
    enables: matrixExtensions,
    body: `${[
      ...area('vec4u', (rows * rowStride(cut)) / 8)(memory.operands),
      ...area('f16', rows * shareStride(cut))(memory.shares),
      ...area('f32', scoreElements(cut))(['scores']),
      ...area('f32', rows * scoreStride(cut))(memory.more),
    ].join('\n')}
var<workgroup> statistics: array<vec2f, ${lanes}>;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) warp: u32) {
  // ${name}: lanes share rows, each has every ${lanes / rows}th column of one
  let my_row = lane / ${lanes / rows}u;
  let part = lane % ${lanes / rows}u;
  let vectors = ${headDim / 8}u; // of eight f16
  ${code}
}`,
    workgroups: blockGrid(rows),
  };
}

const rowsVisible =
  'let visible = select(0u, min(key_count, u32(max(prefix, position + i32(row) + 1))), row < query_count);';

/** @param wholeRows the most keys that a sequence may have, if the scores of all of them are kept */
export function matrixForward(target: WgslTarget, headDim: number, wholeRows?: number): WgslPass | undefined {
  const memory = { operands: ['q', 'k', 'v_rows'], shares: ['shares'], more: [] };
  const cut = cutFor(target, headDim, memory, wholeRows);
  if (!cut) return undefined;
  const { rows, lanes } = cut;
  const step = lanes / rows;
  const isWhole = wholeRows !== undefined;
  const o = accumulator(cut, 'o');
  const operand = (offset: string) =>
    `words_kv[(key_start + at) * (params.strideKv / 8u) + h * vectors + params.${offset} / 8u + v]`;
  const keys = ['k', operand('offsetK')] as const;
  const values = ['v_rows', operand('offsetV')] as const;
  const scoreOfColumn = `scores[my_row * ${scoreStride(cut)}u + c${isWhole ? '' : ' - tile'}]`;
  const scores = scoresOf(cut, 'q', 'k', 'scores', isWhole ? 'tile' : '0u');
  const statistics = (begin: string, end: string) => `workgroupBarrier();
    for (var c = ${begin} + part; c < min(${end}, visible); c += ${step}u) {
      let score = ${scoreOfColumn};
      let larger = max(maximum, score);
      sum = sum * exp(params.scale * (maximum - larger)) + exp(params.scale * (score - larger));
      maximum = larger;
    }`;
  return pass(
    'forward',
    cut,
    memory,
    `${blockOf(rows, 'query_count', 'apart')}
  ${visibleOf(rows)}
  let row = first + my_row;
  ${rowsVisible}
  ${stage(cut, 'first', 'query_count', [['q', 'words_q[(query_start + at) * (params.strideQ / 8u) + h * vectors + v]']])}
  var maximum = -3.4e38;
  var sum = 0.0;
  for (var tile = 0u; tile < most; tile += ${rows}u) {
    workgroupBarrier();
    ${stage(cut, 'tile', 'key_count', [keys])}
    workgroupBarrier();
    ${scores}
    ${isWhole ? '' : statistics('tile', `tile + ${rows}u`)}
  }
  ${isWhole ? statistics('0u', 'visible') : ''}
  statistics[lane] = vec2f(maximum, sum);
  workgroupBarrier();
  for (var t = 0u; t < ${step}u; t++) { maximum = max(maximum, statistics[my_row * ${step}u + t].x); }
  sum = 0.0;
  for (var t = 0u; t < ${step}u; t++) {
    let other = statistics[my_row * ${step}u + t];
    sum += other.y * exp(params.scale * (other.x - maximum));
  }
  let log_sum = log(sum);
  let query_row = query_start + row;
  if (part == 0u && row < query_count) { ${storeStatistics} }

  ${o.declare}
  for (var tile = 0u; tile < most; tile += ${rows}u) {
    workgroupBarrier();
    ${stage(cut, 'tile', 'key_count', isWhole ? [values] : [keys, values])}
    ${isWhole ? '' : `workgroupBarrier();\n    ${scores}\n    workgroupBarrier();`}
    for (var c = tile + part; c < tile + ${rows}u; c += ${step}u) {
      let p = ${shareOf(scoreOfColumn, 'maximum', 'log_sum')};
      shares[my_row * ${shareStride(cut)}u + c - tile] = f16(select(0.0, p, c < visible));
    }
    workgroupBarrier();
    ${o.add(sharePlace(cut, 'shares'), 'v_rows')}
  }
  ${o.store('out', 'query_count', '((query_start + at) * params.heads + h) * 2u * vectors')}`,
  );
}

/** Operands of the backward pass, by what they are. */
const gradOperands = {
  q: 'words_qkv[(query_start + at) * 3u * width + h * vectors + v]',
  k: 'words_qkv[(query_start + at) * 3u * width + width + h * vectors + v]',
  v_rows: 'words_qkv[(query_start + at) * 3u * width + 2u * width + h * vectors + v]',
  g: 'words_dout[(query_start + at) * width + h * vectors + v]',
} as const;

/** dq = sum over visible keys of dS k. */
export function matrixGradQuery(target: WgslTarget, headDim: number): WgslPass | undefined {
  const memory = { operands: ['q', 'k', 'v_rows', 'g'], shares: ['slopes'], more: ['products'] };
  const cut = cutFor(target, headDim, memory);
  if (!cut) return undefined;
  const { rows, lanes } = cut;
  const step = lanes / rows;
  const dq = accumulator(cut, 'dq');
  const walk = pass(
    'gradient of queries',
    cut,
    memory,
    `${blockOf(rows, 'query_count', 'same rows')}
  ${visibleOf(rows)}
  let width = params.heads * vectors;
  let row = first + my_row;
  ${rowsVisible}
  let query = query_start + min(row, query_count - 1u);
  ${loadStatistics('query')}
  // dO . O, of which every lane of the row takes a part
  var product = 0.0;
  for (var v = part; v < vectors; v += ${step}u) {
    let a = words_dout[query * width + h * vectors + v];
    let b = words_out[query * width + h * vectors + v];
    for (var w = 0u; w < 4u; w++) { product += dot(unpack2x16float(a[w]), unpack2x16float(b[w])); }
  }
  statistics[lane] = vec2f(product, 0.0);
  workgroupBarrier();
  var delta = 0.0;
  for (var t = 0u; t < ${step}u; t++) { delta += statistics[my_row * ${step}u + t].x; }
  if (part == 0u && row < query_count) { ${storeDelta('query')} }
  ${stage(cut, 'first', 'query_count', [
    ['q', gradOperands.q],
    ['g', gradOperands.g],
  ])}
  ${dq.declare}
  for (var tile = 0u; tile < most; tile += ${rows}u) {
    workgroupBarrier();
    ${stage(cut, 'tile', 'key_count', [
      ['k', gradOperands.k],
      ['v_rows', gradOperands.v_rows],
    ])}
    workgroupBarrier();
    ${scoresOf(cut, 'q', 'k', 'scores')}
    ${scoresOf(cut, 'g', 'v_rows', 'products')}
    workgroupBarrier();
    for (var c = part; c < ${rows}u; c += ${step}u) {
      let at = my_row * ${scoreStride(cut)}u + c;
      let ds = ${shareOf('scores[at]', 'largest', 'log_sum')} * (products[at] - delta) * params.scale;
      slopes[my_row * ${shareStride(cut)}u + c] = to_f16(select(0.0, ds, tile + c < visible));
    }
    workgroupBarrier();
    ${dq.add(sharePlace(cut, 'slopes'), 'k')}
  }
  ${dq.store('dqkv', 'query_count', '((query_start + at) * 3u * width + h * vectors) * 2u')}`,
  );
  return { ...walk, scratch: deltaElements };
}

/** dk = sum over seeing queries of dS q, dv = sum of P dO. */
export function matrixGradKey(target: WgslTarget, headDim: number): WgslPass | undefined {
  const memory = { operands: ['q', 'k', 'v_rows', 'g'], shares: ['shares', 'slopes'], more: ['products'] };
  const cut = cutFor(target, headDim, memory);
  if (!cut) return undefined;
  const { rows, lanes } = cut;
  const [dk, dv] = [accumulator(cut, 'dk'), accumulator(cut, 'dv')];
  const turned = (name: string) => ({ ...sharePlace(cut, name), turned: true });
  return pass(
    'gradient of keys and values',
    cut,
    memory,
    `${blockOf(rows, 'key_count', 'same rows')}
  let width = params.heads * vectors;
  let first_query = select(u32(max(i32(first) - position, 0)), 0u, i32(first) < prefix); // none before it sees a key of the block
  ${stage(cut, 'first', 'key_count', [
    ['k', gradOperands.k],
    ['v_rows', gradOperands.v_rows],
  ])}
  ${dk.declare}
  ${dv.declare}
  for (var tile = first_query / ${rows}u * ${rows}u; tile < query_count; tile += ${rows}u) {
    workgroupBarrier();
    ${stage(cut, 'tile', 'query_count', [
      ['q', gradOperands.q],
      ['g', gradOperands.g],
    ])}
    let row = tile + my_row;
    ${rowsVisible}
    let query = query_start + min(row, query_count - 1u);
    ${loadStatistics('query')}
    let delta = ${loadDelta('query')};
    workgroupBarrier();
    ${scoresOf(cut, 'q', 'k', 'scores')}
    ${scoresOf(cut, 'g', 'v_rows', 'products')}
    workgroupBarrier();
    for (var c = part; c < ${rows}u; c += ${lanes / rows}u) {
      let at = my_row * ${scoreStride(cut)}u + c;
      let p = ${shareOf('scores[at]', 'largest', 'log_sum')};
      let ds = p * (products[at] - delta) * params.scale;
      shares[my_row * ${shareStride(cut)}u + c] = f16(select(0.0, p, first + c < visible));
      slopes[my_row * ${shareStride(cut)}u + c] = to_f16(select(0.0, ds, first + c < visible));
    }
    workgroupBarrier();
    ${dv.add(turned('shares'), 'g')}
    ${dk.add(turned('slopes'), 'q')}
  }
  ${dk.store('dqkv', 'key_count', '((query_start + at) * 3u * width + width + h * vectors) * 2u')}
  ${dv.store('dqkv', 'key_count', '((query_start + at) * 3u * width + 2u * width + h * vectors) * 2u')}`,
  );
}
