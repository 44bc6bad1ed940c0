/** WGSL of the strided copies: by vec4 where the last dimension is contiguous on both sides, else by elements. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { byWidth, lanePass } from '../wgsl.js';

export function stridedWgsl(direction: 'read' | 'write', target: WgslTarget): readonly WgslPass[] {
  return byWidth(
    p => p['s3'] === 1 && [p['d3']!, p['s0']!, p['s1']!, p['s2']!, p['offset']!].every(n => n % 4 === 0),
    ({ size, load, store }) =>
      lanePass(
        target,
        p => (p['d0']! * p['d1']! * p['d2']! * p['d3']!) / size,
        `params.d0 * params.d1 * params.d2 * params.d3 / ${size}u`,
        `let e = i * ${size}u;
  let i3 = e % params.d3; let r2 = e / params.d3;
  let i2 = r2 % params.d2; let r1 = r2 / params.d2;
  let i1 = r1 % params.d1; let i0 = r1 / params.d1;
  let at = (params.offset + i0 * params.s0 + i1 * params.s1 + i2 * params.s2 + i3 * params.s3) / ${size}u;
  ${direction === 'read' ? `${store}_y(i, ${load}_x(at));` : `${store}_y(at, ${load}_x(i));`}`,
      ),
  );
}
