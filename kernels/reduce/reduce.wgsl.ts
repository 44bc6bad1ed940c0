/** WGSL of the reductions of [outer, axis, inner] over its middle axis. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { ceilDivide } from '../kernel.js';
import { byWidth, grid, lanePass, rowPass } from '../wgsl.js';

type Params = Readonly<Record<string, number>>;

const combine = { sum: (a: string, b: string) => `${a} + ${b}`, max: (a: string, b: string) => `max(${a}, ${b})` };

export function reduceWgsl(name: 'sum' | 'max', target: WgslTarget): readonly WgslPass[] {
  const columns = target.profile === 'software' ? columnsPerLane(name, target) : [columnsPerWorkgroup(name)];
  return [...rows(name, target), ...columns];
}

/** inner = 1: whole rows. */
function rows(name: 'sum' | 'max', target: WgslTarget): readonly WgslPass[] {
  return byWidth(
    p => p['axis']! % 4 === 0,
    ({ size, value, load, ...of }) =>
      rowPass(
        target,
        `let end = (row + 1u) * params.axis / ${size}u;
  // a lane without columns starts from the row's first value (max) or from nothing (sum)
  var total = ${value}(${name === 'max' ? 'load_x(row * params.axis)' : '0.0'});
  for (var j = row * params.axis / ${size}u + first; j < end; j += step) { total = ${combine[name]('total', `${load}_x(j)`)}; }
  let joined = row_${name}(${of[name]('total')}, lane);
  if (leader) { store_y(row, joined); }`,
        { rows: p => (p['inner'] === 1 ? p['outer']! : 0), total: 'params.outer' },
      ),
  );
}

/** inner > 1, software: a lane owns one column or four. */
function columnsPerLane(name: 'sum' | 'max', target: WgslTarget): readonly WgslPass[] {
  return byWidth(
    p => p['inner']! % 4 === 0,
    ({ size, value, load, store }) =>
      lanePass(
        target,
        p => (p['inner'] === 1 ? 0 : (p['outer']! * p['inner']!) / size),
        `params.outer * params.inner / ${size}u`,
        `let width = params.inner / ${size}u;
  let start = i / width * params.axis * width + i % width;
  var total = ${name === 'max' ? `${load}_x(start)` : `${value}(0.0)`};
  for (var k = 0u; k < params.axis; k++) { total = ${combine[name]('total', `${load}_x(start + k * width)`)}; }
  ${store}_y(i, total);`,
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
  var total = ${name === 'max' ? 'load_x(start)' : '0.0'};
  for (var k = lane / 16u; k < params.axis; k += 16u) { total = ${combine[name]('total', 'load_x(start + k * params.inner)')}; }
  strips[lane] = total;
  workgroupBarrier();
  if (lane < 16u && column < params.inner) {
    for (var s = 1u; s < 16u; s++) { total = ${combine[name]('total', 'strips[s * 16u + lane]')}; }
    store_y(block / blocks * params.inner + column, total);
  }
}`,
    workgroups: (p: Params) => grid(p['inner'] === 1 ? 0 : p['outer']! * ceilDivide(p['inner']!, 16)),
  };
}
