/**
 * Rung 3, subgroup matrices (tensor cores), for operands that the adapter's matrix unit takes; sums are f32. A
 * workgroup computes one tile of C. Each of its subgroups computes `warpM` x `warpN` of it, as a grid of result
 * matrices in registers. The sizes of the matrices come from the adapter, never from here.
 *
 * - `direct`: subgroups load matrices straight from A and B. Only the caches share: the simplest way, for operands that
 *   fit into them. Shapes must consist of whole tiles.
 * - `staged`: the workgroup first copies `depth` steps of k of its tiles to workgroup memory, 16 bytes per lane at a
 *   time and in the direction in which each operand lies (the matrix load transposes it). So every element is read from
 *   memory once per tile. What matters most is a large part per subgroup: 64 x 64 reads 4 KiB of workgroup memory per
 *   65,536 multiplications, 32 x 32 twice that. Rows in workgroup memory are 16 bytes longer than needed, so that the
 *   eight rows of a matrix load start in different banks. While one step is multiplied, the next is already on its way
 *   into registers. Rows beyond C are clamped, and not stored.
 *
 * Not measured on a GPU yet: `npm run bench:tune`.
 */
import { ceilDivide } from '../kernel.js';
import type { WgslPass } from '../kernel.js';
import type { MatrixConfig } from '../machine.js';
import {
  leftType,
  matrixExtensions,
  matrixLoad,
  matrixMultiplyAccumulate,
  matrixStore,
  resultType,
  rightType,
} from '../subgroup-matrix.js';
import { epilogue, lines, range, runsAlongK, tileOrigin } from './epilogue.wgsl.js';
import type { Params } from './epilogue.wgsl.js';
import type { MatmulVariant } from './variant.js';
import { partialOrigin, sliceBounds, sliceDepthWgsl, tileLaunch } from './split.wgsl.js';
import type { SplitGoal, TileShape } from './split.wgsl.js';

/**
 * Matrices along k that are added one after another. Each step adds K products at once, and may cut the sum off instead
 * of rounding it: n equal numbers are off by up to n / K 2^-25. A longer k is cut into slices, since result matrices
 * cannot be added.
 */
export const matrixBlock = 256;

/** A tile of a product that subgroup matrices compute. */
export interface MatrixTile extends TileShape {
  /** `direct` has the depth of one matrix load: its `depth` only says what k must be a multiple of. */
  readonly kind: 'direct' | 'staged';
  /** Part of the tile that a subgroup computes. */
  readonly warpM: number;
  readonly warpN: number;
}

/** What a matrix kernel is written for, beside its tile. */
export interface MatrixUnit {
  readonly config: MatrixConfig;
  /** Lanes per subgroup to reckon with: the most that the driver may choose. */
  readonly lanes: number;
  /**
   * True if the driver may choose fewer lanes: there are more subgroups than needed then, and some have nothing to
   * multiply.
   */
  readonly varies: boolean;
  /** True if C holds f32. */
  readonly storesF32: boolean;
}

export function matrixName({ kind, m, n, depth, warpM, warpN }: MatrixTile): string {
  return `${kind} ${m}x${n}x${depth} (${warpM}x${warpN})`;
}

const warpCount = ({ m, n, warpM, warpN }: MatrixTile) => (m / warpM) * (n / warpN);

export function matrixLanes(tile: MatrixTile, unit: MatrixUnit): number {
  return warpCount(tile) * unit.lanes;
}

/** Elements of an operand in 16 bytes. */
export const elementsPerLoad = ({ componentType }: MatrixConfig) => (componentType === 'f32' ? 4 : 8);

export function matrixWorkgroupBytes(tile: MatrixTile, { config }: MatrixUnit): number {
  const strips = 4 * warpCount(tile) * config.M * tile.warpN;
  return tile.kind === 'direct' ? strips : Math.max(strips, 16 * stagedLoads(tile, config));
}

/** Rows and row length of the tile of an operand, as it lies in workgroup memory, in units of 16 bytes. */
function stagedRows(along: boolean, size: number, depth: number, perLoad: number) {
  const [rows, loads] = along ? [size, depth / perLoad] : [depth, size / perLoad];
  return { rows, loads, length: loads + 1 };
}

/** Units of 16 bytes that both tiles take, whichever way the operands lie. */
function stagedLoads({ m, n, depth }: MatrixTile, config: MatrixConfig): number {
  const perLoad = elementsPerLoad(config);
  const most = (size: number) =>
    Math.max(
      ...[true, false].map(along => {
        const { rows, length } = stagedRows(along, size, depth, perLoad);
        return rows * length;
      }),
    );
  return most(m) + most(n);
}

/** True if matrices of this size divide the tile. */
export function tileSuits({ depth, warpM, warpN }: MatrixTile, { M, N, K }: MatrixConfig): boolean {
  return warpM % M === 0 && warpN % N === 0 && depth % K === 0;
}

/** True if C and k consist of whole tiles. */
export function wholeTiles({ m, n, depth }: TileShape, p: Params): boolean {
  return p['m']! % m === 0 && p['n']! % n === 0 && p['k']! % depth === 0;
}

/** What the two rungs have in common: the grid of result matrices of a subgroup, and what becomes of it. */
function body(variant: MatmulVariant, tile: MatrixTile, unit: MatrixUnit, split: SplitGoal | undefined) {
  const { config } = unit;
  const { m: tileM, n: tileN, warpM, warpN } = tile;
  const down = range(warpM / config.M);
  const right = range(warpN / config.N);
  const warps = warpCount(tile);
  const lanes = matrixLanes(tile, unit);
  const ifWorking = (statements: readonly string[]) =>
    unit.varies ? [`if (warp < ${warps}u) {`, ...statements.map(line => `  ${line}`), '}'] : statements;

  /** One step of K: matrices of A stay, those of B pass by. */
  const multiply = (loadA: (i: number) => string, loadB: (j: number) => string) => [
    ...down.map(i => `let a${i} = ${loadA(i)};`),
    ...right.flatMap(j => [
      `let b${j} = ${loadB(j)};`,
      ...down.map(i => `c${i}_${j} = ${matrixMultiplyAccumulate(`a${i}`, `b${j}`, `c${i}_${j}`)};`),
    ]),
  ];
  /** Straight to a buffer of f32 with whole tiles. */
  const storeWhole = (pointer: string, origin: string, stride: string) =>
    ifWorking(
      down.flatMap(i =>
        right.map(j =>
          matrixStore(`c${i}_${j}`, {
            pointer,
            offset: `${origin} + (row0 + warp_row + ${i * config.M}u) * ${stride} + column0 + warp_column + ${j * config.N}u`,
            stride,
          }),
        ),
      ),
    );
  /**
   * Through workgroup memory, because single elements of a result matrix cannot be reached: all subgroups put one strip
   * of matrices there, then all lanes together finish its elements.
   */
  const fours = (config.M * warpN) / 4;
  const storeStrips = () => [
    'let warps_across = ' + `${tileN / warpN}u;`,
    ...down.flatMap(i => [
      'workgroupBarrier();',
      ...ifWorking(
        right.map(j =>
          matrixStore(`c${i}_${j}`, {
            pointer: '&stage',
            offset: `warp * ${fours}u + ${(j * config.N) / 4}u`,
            stride: `${warpN / 4}u`,
          }),
        ),
      ),
      'workgroupBarrier();',
      `for (var e = lane; e < ${warps * fours}u; e += ${lanes}u) {`,
      `  let w = e / ${fours}u;`,
      `  let row = row0 + w / warps_across * ${warpM}u + ${i * config.M}u + e % ${fours}u / ${warpN / 4}u;`,
      `  let column = column0 + w % warps_across * ${warpN}u + e % ${warpN / 4}u * 4u;`,
      '  store_four(z, row, column, bitcast<vec4f>(stage[e]));',
      '}',
    ]),
  ];
  const plain = !variant.bias && variant.activation === 'none' && !variant.residual;
  const ending = split
    ? [partialOrigin(tile), ...storeWhole('&data_scratch', 'partial_at', 'partial_columns')]
    : tile.kind === 'direct' && plain && unit.storesF32
      ? storeWhole('&data_c', 'z * params.m * params.n', 'params.n')
      : storeStrips();
  const usesStrips = !split && ending.some(line => line.includes('store_four'));
  return {
    ifWorking,
    multiply,
    declarations: [
      split ? sliceDepthWgsl(tile, split) : '',
      usesStrips
        ? `fn store_four(z: u32, row: u32, column: u32, c: vec4f) {
  if (row >= params.m || column >= params.n) { return; }
  ${epilogue(variant, true, 'c', '(z * params.m + row) * params.n + column', 'column')}
}`
        : '',
    ]
      .filter(Boolean)
      .join('\n'),
    stripLoads: usesStrips ? warps * fours : 0,
    main: (loop: readonly string[]) => `@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) warp: u32) {
  ${tileOrigin(tileM, tileN)}
  ${sliceBounds(split)}
  let warp_row = warp / ${tileN / warpN}u * ${warpM}u;
  let warp_column = warp % ${tileN / warpN}u * ${warpN}u;
  ${lines(down.map(i => right.map(j => `var c${i}_${j} = ${resultType(config)}();`).join(' ')))}
  ${lines(loop)}
  ${lines(ending)}
}`,
    launch: tileLaunch(tile, split),
  };
}

/** Matrices straight from A and B. Asks for whole tiles. */
export function directPass(variant: MatmulVariant, tile: MatrixTile, unit: MatrixUnit, split?: SplitGoal): WgslPass {
  const { config } = unit;
  const { layout } = variant;
  const parts = body(variant, tile, unit, split);
  const [alongA, alongB] = [runsAlongK(layout, 'a'), runsAlongK(layout, 'b')];
  const [strideA, strideB] = [alongA ? 'params.k' : 'params.m', alongB ? 'params.k' : 'params.n'];
  const a = (i: number) => {
    const row = `(row0 + warp_row + ${i * config.M}u)`;
    const offset = alongA ? `${row} * params.k + k` : `k * params.m + ${row}`;
    return matrixLoad(leftType(config), alongA ? 'row_major' : 'col_major', {
      pointer: '&data_a',
      offset: `z * params.strideA + ${offset}`,
      stride: strideA,
    });
  };
  const b = (j: number) => {
    const column = `(column0 + warp_column + ${j * config.N}u)`;
    const offset = alongB ? `${column} * params.k + k` : `k * params.n + ${column}`;
    return matrixLoad(rightType(config), alongB ? 'col_major' : 'row_major', {
      pointer: '&data_b',
      offset: `z * params.strideB + ${offset}`,
      stride: strideB,
    });
  };
  const stage = parts.stripLoads > 0 ? `var<workgroup> stage: array<vec4u, ${parts.stripLoads}>;` : '';
  return {
    variant: `${matrixName(tile)}${split ? ' split' : ''}`,
    enables: matrixExtensions,
    body: [
      parts.declarations,
      stage,
      parts.main([
        `for (var k = begin; k < end; k += ${config.K}u) {`,
        ...parts.ifWorking(parts.multiply(a, b)).map(line => `  ${line}`),
        '}',
      ]),
    ].join('\n'),
    ...parts.launch,
  };
}

/** @param ragged k need not be a multiple of the tile's depth: what lies beyond is replaced by zeros while copying */
export function stagedPass(
  variant: MatmulVariant,
  tile: MatrixTile,
  unit: MatrixUnit,
  ragged: boolean,
  split?: SplitGoal,
): WgslPass {
  const { config } = unit;
  const { layout } = variant;
  const parts = body(variant, tile, unit, split);
  const lanes = matrixLanes(tile, unit);
  const perLoad = elementsPerLoad(config);
  const a = operandStaging('a', runsAlongK(layout, 'a'), { tile, perLoad, lanes, ragged, offset: 0 });
  const b = operandStaging('b', runsAlongK(layout, 'b'), { tile, perLoad, lanes, ragged, offset: a.loads });
  const steps = range(tile.depth / config.K).flatMap(s => {
    const k = s * config.K;
    const loadA = (i: number) => {
      const row = `(warp_row + ${i * config.M}u)`;
      return a.along
        ? matrixLoad(leftType(config), 'row_major', a.spot(`${row} * ${a.length}u + ${k / perLoad}u`))
        : matrixLoad(leftType(config), 'col_major', a.spot(`${k * a.length}u + ${row} / ${perLoad}u`));
    };
    const loadB = (j: number) => {
      const column = `(warp_column + ${j * config.N}u)`;
      return b.along
        ? matrixLoad(rightType(config), 'col_major', b.spot(`${column} * ${b.length}u + ${k / perLoad}u`))
        : matrixLoad(rightType(config), 'row_major', b.spot(`${k * b.length}u + ${column} / ${perLoad}u`));
    };
    return ['{', ...parts.multiply(loadA, loadB).map(line => `  ${line}`), '}'];
  });
  const indent = (text: readonly string[]) => text.map(line => `  ${line}`);
  return {
    variant: `${matrixName(tile)}${ragged ? ' ragged' : ''}${split ? ' split' : ''}`,
    enables: matrixExtensions,
    body: [
      parts.declarations,
      `var<workgroup> stage: array<vec4u, ${Math.max(parts.stripLoads, a.loads + b.loads)}>; // A, then B; at the end strips of C`,
      parts.main([
        ...a.declare,
        ...b.declare,
        ...a.fetch('begin'),
        ...b.fetch('begin'),
        `for (var k0 = begin; k0 < end; k0 += ${tile.depth}u) {`,
        '  workgroupBarrier(); // nobody reads the previous tiles any more',
        ...indent([...a.put, ...b.put]),
        '  workgroupBarrier();',
        `  let next = k0 + ${tile.depth}u;`,
        '  if (next < end) { // what is fetched here arrives while the tiles are multiplied',
        ...indent(indent([...a.fetch('next'), ...b.fetch('next')])),
        '  }',
        ...indent(parts.ifWorking(steps)),
        '}',
      ]),
    ].join('\n'),
    ...parts.launch,
  };
}

interface StagingOptions {
  readonly tile: MatrixTile;
  readonly perLoad: number;
  readonly lanes: number;
  readonly ragged: boolean;
  /** Where the operand's tile starts in workgroup memory, in units of 16 bytes. */
  readonly offset: number;
}

/**
 * How the lanes of a workgroup copy the tile of one operand. `along`: a row of the tile is a row (column, for B) of the
 * product and runs along k; otherwise it is one step of k.
 */
function operandStaging(x: 'a' | 'b', along: boolean, { tile, perLoad, lanes, ragged, offset }: StagingOptions) {
  const size = x === 'a' ? tile.m : tile.n;
  const count = x === 'a' ? 'params.m' : 'params.n';
  const first = x === 'a' ? 'row0' : 'column0';
  const { rows, loads: rowLoads, length } = stagedRows(along, size, tile.depth, perLoad);
  const all = rows * rowLoads;
  const rounds = range(ceilDivide(all, lanes));
  const base = `z * params.stride${x.toUpperCase()}`;
  const index = (i: number) => (i === 0 ? 'lane' : `(lane + ${i * lanes}u)`);
  const row = (i: number) => `${index(i)} / ${rowLoads}u`;
  const load = (i: number) => `${index(i)} % ${rowLoads}u`;
  const guard = (i: number, statement: string) =>
    (i + 1) * lanes > all ? `if (${index(i)} < ${all}u) { ${statement} }` : statement;
  /** Fixed for all steps: where the lane's row starts (along), or its column of the first step (not along). */
  const start = (i: number) =>
    along
      ? `(${base} + min(${first} + ${row(i)}, ${count} - 1u) * params.k) / ${perLoad}u`
      : `(${base} + min(${first} + ${load(i)} * ${perLoad}u, ${count} - ${perLoad}u)) / ${perLoad}u`;
  const fetch = (i: number, k0: string) => {
    const k = along ? `${k0} + ${load(i)} * ${perLoad}u` : `${k0} + ${row(i)}`;
    const inside = ragged ? `min(${k}, params.k - ${along ? perLoad : 1}u)` : `(${k})`;
    const at = along
      ? `from_${x}${i} + ${inside} / ${perLoad}u`
      : `from_${x}${i} + ${inside} * (${count} / ${perLoad}u)`;
    return ragged ? `select(vec4u(0u), words_${x}[${at}], ${k} < params.k)` : `words_${x}[${at}]`;
  };
  return {
    along,
    length,
    loads: rows * length,
    declare: rounds.flatMap(i => [`let from_${x}${i} = ${start(i)};`, `var ${x}_next${i}: vec4u;`]),
    fetch: (k0: string) => rounds.map(i => guard(i, `${x}_next${i} = ${fetch(i, k0)};`)),
    put: rounds.map(i => guard(i, `stage[${offset}u + ${row(i)} * ${length}u + ${load(i)}] = ${x}_next${i};`)),
    /** Pointer, offset and stride of a matrix load. */
    spot: (at: string) => ({ pointer: '&stage', offset: `${offset}u + ${at}`, stride: `${length}u` }),
  };
}
