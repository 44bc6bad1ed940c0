/** WGSL of the reductions of [outer, axis, inner] over its middle axis. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { ceilDivide } from '../kernel.js';
import { byWidth, grid, lanePass, rowPass, sumLoop, widths } from '../wgsl.js';
import type { Width } from '../wgsl.js';

type Params = Readonly<Record<string, number>>;

/**
 * Statements that leave the sum or maximum of `load_x(j)` as `total`; a lane without elements gets 0 or that at
 * `start`.
 */
function reduceLoop(name: 'sum' | 'max', w: Width, start: string, step: string): string {
  return name === 'sum'
    ? sumLoop(w.value, ['total'], `total += ${w.load}_x(j);`, { step })
    : `var total = ${w.value}(${start});
  for (var j = begin; j < end; j += ${step}) { total = ${w.of('larger')}(total, ${w.load}_x(j)); }`;
}

export function reduceWgsl(name: 'sum' | 'max', target: WgslTarget): readonly WgslPass[] {
  const columns = target.profile === 'software' ? columnsPerLane(name, target) : [columnsPerWorkgroup(name)];
  return [...rows(name, target), ...columns];
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
        { rows: p => (p['inner'] === 1 ? p['outer']! : 0), total: 'params.outer' },
      ),
  );
}

/** inner > 1, software: a lane owns one column or four. */
function columnsPerLane(name: 'sum' | 'max', target: WgslTarget): readonly WgslPass[] {
  return byWidth(
    p => p['inner']! % 4 === 0,
    w =>
      lanePass(
        target,
        p => (p['inner'] === 1 ? 0 : (p['outer']! * p['inner']!) / w.size),
        `params.outer * params.inner / ${w.size}u`,
        `let width = params.inner / ${w.size}u;
  let begin = i / width * params.axis * width + i % width;
  let end = begin + params.axis * width;
  ${reduceLoop(name, w, `${w.load}_x(begin)`, 'width')}
  ${w.store}_y(i, total);`,
      ),
  );
}

/**
 * inner > 1, gpu: a workgroup owns 16 neighbouring columns; 16 strips of the axis run side by side and are joined at
 * the end.
 */
function columnsPerWorkgroup(name: 'sum' | 'max'): WgslPass {
  return {
    body: `
var<workgroup> strips: array<f32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = (params.inner + 15u) / 16u;
  let block = workgroup_index(group);
  if (block >= blocks * params.outer) { return; }
  let column = block % blocks * 16u + lane % 16u;
  let start = block / blocks * params.axis * params.inner + min(column, params.inner - 1u);
  let begin = start + lane / 16u * params.inner;
  let end = start + params.axis * params.inner;
  ${reduceLoop(name, widths[1], 'load_x(start)', '(16u * params.inner)')}
  strips[lane] = total;
  workgroupBarrier();
  if (lane < 16u && column < params.inner) {
    var joined = total;
    for (var s = 1u; s < 16u; s++) { joined = ${name === 'sum' ? 'joined + strips[s * 16u + lane]' : 'larger(joined, strips[s * 16u + lane])'}; }
    store_y(block / blocks * params.inner + column, joined);
  }
}`,
    workgroups: (p: Params) => grid(p['inner'] === 1 ? 0 : p['outer']! * ceilDivide(p['inner']!, 16)),
  };
}
