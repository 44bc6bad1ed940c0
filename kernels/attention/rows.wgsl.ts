/**
 * What a lane does with one row, whichever way the other side's rows come to it. The row stands in vec4s, in registers
 * or in an array. Both forms are written once, as text that comes out unrolled or as loops.
 */

/** How a lane holds rows of the head dimension. */
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

/** One variable per vec4. */
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

/** Arrays of 64, since Mesa unrolls every loop over an array of 32 or fewer, for as long as half a minute. */
export const arrayRows: Rows = {
  name: 'arrays',
  vectors: 'params.headDim / 4u',
  fits: headDim => headDim <= 256 && headDim % 4 === 0,
  declare: (...names) => names.map(name => `var ${name}: array<vec4f, 64>;`).join(' '),
  each: code => `for (var v = 0u; v < vectors; v++) { ${code('v')} }`,
  item: (name, v) => `${name}[${v}]`,
};

/** Terms that are added one after another: a long row is summed in blocks. */
const blockTerms = 256;

/**
 * WGSL for rows that are sums: declares `total_<name>` and clears both; adds the block's sums to the totals after
 * every so many terms (`step`, at the end of a term), and what is left to them at the end.
 * @param scale WGSL: what the totals are multiplied by when a block joins them
 */
export function inBlocks({ declare, each, item }: Rows, names: readonly string[], scale = '', join = '') {
  const of = (code: (sum: string, total: string) => string) =>
    each(v => names.map(name => code(item(name, v), item(`total_${name}`, v))).join(' '));
  const fold = `${join} ${of((sum, total) => `${total} = ${total}${scale} + ${sum}; ${sum} = vec4f(0.0);`)}`;
  return {
    begin: `${declare(...names, ...names.map(name => `total_${name}`))} var terms = 0u;
  ${of((sum, total) => `${sum} = vec4f(0.0); ${total} = vec4f(0.0);`)}`,
    step: `terms++; if (terms % ${blockTerms}u == 0u) { ${fold} }`,
    end: fold,
  };
}

/** WGSL of a vec4 of a key or value. */
type Item = (v: string) => string;

/** The keys that a query sees: `step` is run for each in order, with its key and value. */
export type Walk = (step: (key: Item, value: Item) => string) => string;

/**
 * Forward, by online softmax (Milakov & Gimelshein 2018, arXiv 1805.02867): a larger maximum shrinks what was summed
 * before, so no score is stored. Needs query_row, visible and h.
 * @param stop WGSL: return where the lane has no query
 */
export function forwardRow(rows: Rows, walk: Walk, stop = ''): string {
  const { vectors, declare, each, item } = rows;
  const blocks = inBlocks(
    rows,
    ['o'],
    ' * rescale',
    `let rescale = exp(params.scale * (total_maximum - maximum)); total_maximum = maximum;
    total_sum = total_sum * rescale + sum; sum = 0.0;`,
  );
  return `let vectors = ${vectors};
  let query_at = query_row * (params.strideQ / 4u) + h * vectors;
  ${declare('q')}
  ${blocks.begin}
  ${each(v => `${item('q', v)} = load4_q(query_at + ${v});`)}
  var maximum = -3.4e38;
  var total_maximum = maximum;
  var sum = 0.0;
  var total_sum = 0.0;
  ${walk(
    (key, value) => `var score = 0.0;
    ${each(v => `score += dot(${item('q', v)}, ${key(v)});`)}
    let larger = max(maximum, score);
    let shrink = exp(params.scale * (maximum - larger));
    let p = exp(params.scale * (score - larger));
    maximum = larger;
    sum = sum * shrink + p;
    ${each(v => `${item('o', v)} = ${item('o', v)} * shrink + p * ${value(v)};`)}
    ${blocks.step}`,
  )}
  ${stop}
  ${blocks.end}
  sum = total_sum;
  let inverse = select(0.0, 1.0 / sum, visible > 0u);
  let to = (query_row * params.heads + h) * vectors;
  ${each(v => `store4_out(to + ${v}, ${item('total_o', v)} * inverse);`)}
  let log_sum = log(sum);
  ${storeStatistics}`;
}

/**
 * WGSL: the share of a key among those that a query sees. q . k is scaled behind the difference alone: it is then as
 * exact as the product, and the same whichever pass asks.
 */
export const shareOf = (score: string, largest: string, logSum: string) =>
  `exp(params.scale * (${score} - ${largest}) - ${logSum})`;

/** WGSL: stores the row's `maximum` and `log_sum`, see `RowStatistics`. */
export const storeStatistics = `let statistics_at = 2u * (query_row * params.heads + h);
  store_stats(statistics_at, select(select(maximum, log_sum, is_nan(log_sum)), 0.0, visible == 0u));
  store_stats(statistics_at + 1u, select(log_sum, 0.0, visible == 0u));`;

/** WGSL: reads them. @param row index of the query among the rows */
export const loadStatistics = (row: string) =>
  `let statistics_at = 2u * (${row} * params.heads + h);
  let largest = load_stats(statistics_at);
  let log_sum = load_stats(statistics_at + 1u);`;

/** WGSL: the pass over queries leaves delta = dO . O of each to the pass over keys. @param row index among the rows */
export const storeDelta = (row: string) => `store_scratch(${row} * params.heads + h, delta);`;
export const loadDelta = (row: string) => `load_scratch(${row} * params.heads + h)`;
export const deltaElements = (params: Readonly<Record<string, number>>) => params['queryRows']! * params['heads']!;

/** dq = sum over visible keys of dS k. Needs query_row, visible and h. */
export function gradQueryRow(rows: Rows, walk: Walk, stop = ''): string {
  const { vectors, declare, each, item } = rows;
  const blocks = inBlocks(rows, ['dq']);
  return `let vectors = ${vectors};
  let width = params.heads * vectors;
  let query = query_row * 3u * width + h * vectors;
  let output = query_row * width + h * vectors;
  ${loadStatistics('query_row')}
  var delta = 0.0;
  ${declare('q', 'g')}
  ${blocks.begin}
  ${each(
    v => `${item('q', v)} = load4_qkv(query + ${v}); ${item('g', v)} = load4_dout(output + ${v});
    delta += dot(${item('g', v)}, load4_out(output + ${v}));`,
  )}
  ${walk(
    (key, value) => `var score = 0.0;
    var dp = 0.0;
    ${each(v => `score += dot(${item('q', v)}, ${key(v)}); dp += dot(${item('g', v)}, ${value(v)});`)}
    let ds = ${shareOf('score', 'largest', 'log_sum')} * (dp - delta) * params.scale;
    ${each(v => `${item('dq', v)} += ds * ${key(v)};`)}
    ${blocks.step}`,
  )}
  ${stop}
  ${blocks.end}
  ${each(v => `store4_dqkv(query + ${v}, ${item('total_dq', v)});`)}`;
}
