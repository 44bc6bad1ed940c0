/** WGSL of the reductions of [outer, axis, inner] over its middle axis. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { ceilDivide } from '../kernel.js';
import { byWidth, lanePass, rowPass, sumLoop } from '../wgsl.js';
import type { Width } from '../wgsl.js';

type Params = Readonly<Record<string, number>>;

/**
 * Statements that leave the sum or maximum of `load_<buffer>(j)` as `total`; a lane without elements gets 0 or that at
 * `start`.
 */
function reduceLoop(name: 'sum' | 'max', w: Width, start: string, step: string, buffer: 'x' | 'scratch' = 'x'): string {
  return name === 'sum'
    ? sumLoop(w.value, ['total'], `total += ${w.load}_${buffer}(j);`, { step })
    : `var total = ${w.value}(${start});
  for (var j = begin; j < end; j += ${step}) { total = ${w.of('larger')}(total, ${w.load}_${buffer}(j)); }`;
}

export function reduceWgsl(name: 'sum' | 'max', target: WgslTarget): readonly WgslPass[] {
  return [...rows(name, target), ...columns(name, target)];
}

/** inner = 1: whole rows. */
function rows(name: 'sum' | 'max', target: WgslTarget): readonly WgslPass[] {
  return byWidth(
    p => p['axis']! % 4 === 0,
    w =>
      rowPass(
        target,
        `let begin = row * params.axis / ${w.size}u + first;
  let end = (row + 1u) * params.axis / ${w.size}u;
  ${reduceLoop(name, w, 'load_x(row * params.axis)', 'step')}
  let joined = row_${name}(${w[name]('total')}, lane);
  if (leader) { store_y(row, joined); }`,
        { rows: p => (p['inner'] === 1 ? p['outer']! : 0), total: 'params.outer', long: true },
      ),
  );
}

/** Length of the chunks that a long axis is cut into: enough of them to keep a GPU busy, and no more than 256. */
const chunkOf = (axis: number) => Math.max(64, ceilDivide(axis, 256));
const declarations = `fn chunk() -> u32 { return max(64u, (params.axis + 255u) / 256u); }
fn chunks() -> u32 { return max(1u, (params.axis + chunk() - 1u) / chunk()); }`;

/**
 * inner > 1: a lane owns one column, or four, of one chunk of the axis; where there are several chunks, a second pass
 * joins them, in their order.
 */
function columns(name: 'sum' | 'max', target: WgslTarget): readonly WgslPass[] {
  const chunks = (p: Params) => Math.max(1, ceilDivide(p['axis']!, chunkOf(p['axis']!)));
  const outputs = (p: Params) => (p['inner'] === 1 ? 0 : p['outer']! * p['inner']!);
  const scratch = (p: Params) => (chunks(p) > 1 ? outputs(p) * chunks(p) : 0);
  const aligned = (p: Params) => p['inner']! % 4 === 0;
  const parts = byWidth(aligned, w =>
    lanePass(
      target,
      p => (outputs(p) * chunks(p)) / w.size,
      `params.outer * params.inner / ${w.size}u * chunks()`,
      `let width = params.inner / ${w.size}u;
  let first = i / width % chunks() * chunk();
  let start = i / width / chunks() * params.axis * width + i % width;
  let begin = start + first * width;
  let end = start + min(params.axis, first + chunk()) * width;
  ${reduceLoop(name, w, `${w.load}_x(begin)`, 'width')}
  if (chunks() > 1u) { ${w.store}_scratch(i, total); } else { ${w.store}_y(i, total); }`,
      { declarations },
    ),
  );
  const joined = byWidth(aligned, w =>
    lanePass(
      target,
      p => (chunks(p) > 1 ? outputs(p) / w.size : 0),
      `params.outer * params.inner / ${w.size}u`,
      `let width = params.inner / ${w.size}u;
  let begin = i / width * chunks() * width + i % width;
  let end = begin + chunks() * width;
  ${reduceLoop(name, w, `${w.load}_scratch(begin)`, 'width', 'scratch')}
  ${w.store}_y(i, total);`,
      { declarations },
    ),
  );
  return [...parts, ...joined].map(pass => ({ ...pass, scratch }));
}
