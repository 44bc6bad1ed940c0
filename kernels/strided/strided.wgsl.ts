/** WGSL of the strided copies: by vec4 where the last dimension is contiguous on both sides, else by elements. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { lanesByWidth, multiplesOfFour, unravel } from '../wgsl.js';

export function stridedWgsl(direction: 'read' | 'write', target: WgslTarget): readonly WgslPass[] {
  const aligned = multiplesOfFour('d3', 's0', 's1', 's2', 'offset');
  return lanesByWidth(
    target,
    ['d0', 'd1', 'd2', 'd3'],
    p => p['s3'] === 1 && aligned(p),
    ({ size, load, store }) => `let e = i * ${size}u;
  ${unravel}
  let at = (params.offset + i0 * params.s0 + i1 * params.s1 + i2 * params.s2 + i3 * params.s3) / ${size}u;
  ${direction === 'read' ? `${store}_y(i, ${load}_x(at));` : `${store}_y(at, ${load}_x(i));`}`,
  );
}
