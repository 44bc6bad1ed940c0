/** WGSL of the elementwise kernels: four elements per lane, the last few one by one. */
import { ceilDivide } from '../kernel.js';
import type { WgslPass, WgslTarget } from '../kernel.js';
import { byWidth, lanePass, multiplesOfFour, unravel } from '../wgsl.js';
import { mathFunctions } from './math.wgsl.js';

type Params = Readonly<Record<string, number>>;

/** Elements 4i..4i+3 of n, given their value as WGSL of vec4 index `i` and of element index `j`. */
function fourPerLane(target: WgslTarget, four: string, one: string, declarations: string): readonly WgslPass[] {
  return [
    lanePass(
      target,
      p => ceilDivide(p['n']!, 4),
      '(params.n + 3u) / 4u',
      `if (4u * i + 4u <= params.n) { store4_y(i, ${four}); return; }
  for (var j = 4u * i; j < params.n; j++) { store_y(j, ${one}); }`,
      { declarations },
    ),
  ];
}

const components = ['x', 'y', 'z', 'w'] as const;
const mapVec4 = (f: (component: string) => string) => `vec4f(${components.map(f).join(', ')})`;

export function unaryWgsl(expression: string, target: WgslTarget): readonly WgslPass[] {
  return fourPerLane(
    target,
    'f4(load4_x(i))',
    'f(load_x(j))',
    `${mathFunctions(expression)}fn f(x: f32) -> f32 { return select(${expression}, x, is_nan(x)); }
fn f4(x: vec4f) -> vec4f { return ${mapVec4(c => `f(x.${c})`)}; }`,
  );
}

const binaryFunction = (expression: string) =>
  `${mathFunctions(expression)}fn f(a: f32, b: f32) -> f32 { return ${expression}; }
fn f4(a: vec4f, b: vec4f) -> vec4f { return ${mapVec4(c => `f(a.${c}, b.${c})`)}; }`;

export function binaryWgsl(expression: string, target: WgslTarget): readonly WgslPass[] {
  return fourPerLane(target, 'f4(load4_a(i), load4_b(i))', 'f(load_a(j), load_b(j))', binaryFunction(expression));
}

export function accumulateWgsl(target: WgslTarget): readonly WgslPass[] {
  return fourPerLane(target, 'load4_y(i) + load4_x(i)', 'load_y(j) + load_x(j)', '');
}

/**
 * By vec4 where the last dimension is a multiple of four and every operand either runs along it or repeats one value;
 * else one element per lane.
 */
export function broadcastWgsl(expression: string, target: WgslTarget): readonly WgslPass[] {
  const runs = (p: Params, x: string) =>
    p[`${x}3`] === 0 || (p[`${x}3`] === 1 && multiplesOfFour(`${x}0`, `${x}1`, `${x}2`)(p));
  const four = (x: string) => `fn four_${x}(at: u32) -> vec4f {
  if (params.${x}3 == 0u) { return vec4f(load_${x}(at)); }
  return load4_${x}(at / 4u);
}`;
  return byWidth(
    p => p['d3']! % 4 === 0 && runs(p, 'a') && runs(p, 'b'),
    w => {
      const value = w.size === 4 ? 'f4(four_a(at_a), four_b(at_b))' : 'f(load_a(at_a), load_b(at_b))';
      return lanePass(
        target,
        p => (p['d0']! * p['d1']! * p['d2']! * p['d3']!) / w.size,
        `params.d0 * params.d1 * params.d2 * params.d3 / ${w.size}u`,
        `let e = ${w.size}u * i;
  ${unravel}
  let at_a = i0 * params.a0 + i1 * params.a1 + i2 * params.a2 + i3 * params.a3;
  let at_b = i0 * params.b0 + i1 * params.b1 + i2 * params.b2 + i3 * params.b3;
  ${w.store}_y(i, ${value});`,
        { declarations: [binaryFunction(expression), ...(w.size === 4 ? ['a', 'b'].map(four) : [])].join('\n') },
      );
    },
  );
}
