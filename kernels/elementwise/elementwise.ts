/**
 * Elementwise kernels. Each function stands once in a table: its formula in TypeScript (the reference), in WGSL, and
 * the range on which it is tested. `unary_<name>`: y = f(x). `binary_<name>`: y = f(a, b) on equal shapes.
 * `broadcast_<name>`: the same with strides, where a stride of 0 repeats an operand along a dimension.
 */
import { ceilDivide, defineKernel, reads, sizes, uniform, updates, writes } from '../kernel.js';
import type { Draw, Fill } from '../kernel.js';
import { accumulateWgsl, binaryWgsl, broadcastWgsl, unaryWgsl } from './elementwise.wgsl.js';

interface UnaryRow {
  readonly reference: (x: number) => number;
  /** A WGSL expression of `x: f32`, which need not care for NaN; may call the functions of math.wgsl.ts. */
  readonly wgsl: string;
  /** Where the function is tested, when not on the whole range. */
  readonly domain?: Fill;
}

const sqrtTwoOverPi = Math.sqrt(2 / Math.PI);

/** (1 + tanh(x / 2)) / 2, without its cancellation for negative x. */
function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Elementwise functions of one number, each with its reference. */
export const unaryTable = {
  copy: { reference: x => x, wgsl: 'x' },
  neg: { reference: x => -x, wgsl: '-x' },
  exp: { reference: Math.exp, wgsl: 'exp(x)', domain: uniform(-20, 10) },
  log: { reference: Math.log, wgsl: 'log(x)', domain: uniform(1e-3, 100) },
  sqrt: { reference: Math.sqrt, wgsl: 'sqrt(x)', domain: uniform(0, 100) },
  reciprocal: { reference: x => 1 / x, wgsl: '1.0 / x', domain: uniform(0.1, 100) },
  square: { reference: x => x * x, wgsl: 'x * x' },
  tanh: { reference: Math.tanh, wgsl: 'accurate_tanh(x)' },
  sigmoid: { reference: sigmoid, wgsl: 'logistic(x)' },
  relu: { reference: x => Math.max(x, 0), wgsl: 'max(x, 0.0)' },
  // tanh approximation, Hendrycks & Gimpel 2016 (arXiv 1606.08415), section 2
  gelu: {
    reference: x => x * sigmoid(2 * sqrtTwoOverPi * (x + 0.044715 * x ** 3)),
    wgsl: 'gelu(x)',
  },
} as const satisfies Record<string, UnaryRow>;

interface BinaryRow {
  readonly reference: (a: number, b: number) => number;
  /** A WGSL expression of `a: f32` and `b: f32`. */
  readonly wgsl: string;
  /** Where `b` is tested, when not on the whole range. */
  readonly domain?: Fill;
  /** See `Kernel.tolerance`; 1e-6 if not given. */
  readonly tolerance?: number;
}

function geluGradient(g: number, x: number): number {
  const inner = sqrtTwoOverPi * (x + 0.044715 * x ** 3);
  const s = sigmoid(2 * inner);
  // far out s (1 - s) is 0, and infinity times 0 would be NaN
  return g * (s + (Math.abs(x) > 30 ? 0 : 2 * x * s * (1 - s) * sqrtTwoOverPi * (1 + 3 * 0.044715 * x * x)));
}

/** Elementwise functions of two numbers, each with its reference. */
export const binaryTable = {
  add: { reference: (a, b) => a + b, wgsl: 'a + b' },
  sub: { reference: (a, b) => a - b, wgsl: 'a - b' },
  mul: { reference: (a, b) => a * b, wgsl: 'a * b' },
  div: { reference: (a, b) => a / b, wgsl: 'a / b', domain: uniform(0.1, 100) },
  max: { reference: Math.max, wgsl: 'larger(a, b)' },
  min: { reference: Math.min, wgsl: '-larger(-a, -b)' },
  /** 1 where equal, else 0. */
  equal: { reference: (a, b) => (a === b ? 1 : 0), wgsl: 'select(0.0, 1.0, a == b)' },
  /** 1 where a > b, else 0. */
  greater: { reference: (a, b) => (a > b ? 1 : 0), wgsl: 'select(0.0, 1.0, a > b)' },
  /** Gradient a of relu's output, b = that output. */
  relu_grad: { reference: (a, b) => (b <= 0 ? 0 : a), wgsl: 'select(a, 0.0, b <= 0.0)' },
  /** Gradient a of tanh's output, b = that output. */
  tanh_grad: { reference: (a, b) => a * (1 - b * b), wgsl: 'a * (1.0 - b * b)', domain: uniform(-1, 1) },
  /** Gradient a of sigmoid's output, b = that output. */
  sigmoid_grad: { reference: (a, b) => a * b * (1 - b), wgsl: 'a * b * (1.0 - b)', domain: uniform(0, 1) },
  /** Gradient a of gelu's output, b = gelu's input. */
  gelu_grad: {
    reference: geluGradient,
    wgsl: 'gelu_grad(a, b)',
    tolerance: 2e-5, // near its zero crossing two halves cancel, and a test may have a single element
  },
} as const satisfies Record<string, BinaryRow>;

/** Names in `unaryTable`. */
export type UnaryName = keyof typeof unaryTable;
/** Names in `binaryTable`. */
export type BinaryName = keyof typeof binaryTable;

/** Elements per unit of parallel work: large enough to hide the cost of handing it to a thread. */
const elementsPerUnit = 4096;

const exampleLength = (draw: Draw) => draw.pick([1, 3, 33, 64, 1000, draw.integer(1, 5000)]);

function defineUnary(name: UnaryName) {
  const row: UnaryRow = unaryTable[name];
  return defineKernel({
    name: `unary_${name}`,
    summary: `y[i] = ${name}(x[i]) for n elements; converts between float types on the way`,
    buffers: { x: reads.float, y: writes.float },
    params: { n: 'u32' },
    reference({ x, y }, { n }) {
      for (let i = 0; i < n; i++) y[i] = row.reference(x[i]!);
    },
    cost: ({ n }) => ({ flops: n, elements: 2 * n }),
    wasm: ({ n }) => ({ passes: [{ fn: `unary_${name}`, units: ceilDivide(n, elementsPerUnit) }] }),
    wgsl: target => unaryWgsl(row.wgsl, target),
    example(draw: Draw) {
      const n = exampleLength(draw);
      return { params: { n }, lengths: { x: n, y: n }, ...(row.domain && { fills: { x: row.domain } }) };
    },
    tolerance: 1e-6,
  });
}

function defineBinary(name: BinaryName) {
  const row: BinaryRow = binaryTable[name];
  return defineKernel({
    name: `binary_${name}`,
    summary: `y[i] = ${name}(a[i], b[i]) for n elements`,
    buffers: { a: reads.float, b: reads.float, y: writes.float },
    params: { n: 'u32' },
    reference({ a, b, y }, { n }) {
      for (let i = 0; i < n; i++) y[i] = row.reference(a[i]!, b[i]!);
    },
    cost: ({ n }) => ({ flops: n, elements: 3 * n }),
    wasm: ({ n }) => ({
      passes: [{ fn: 'binary', units: ceilDivide(n, elementsPerUnit), threadScratch: 64 }],
      constants: [Object.keys(binaryTable).indexOf(name)],
    }),
    wgsl: target => binaryWgsl(row.wgsl, target),
    example(draw: Draw) {
      const n = exampleLength(draw);
      return { params: { n }, lengths: { a: n, b: n, y: n }, ...(row.domain && { fills: { b: row.domain } }) };
    },
    tolerance: row.tolerance ?? 1e-6,
  });
}

function defineBroadcast(name: BinaryName) {
  const row: BinaryRow = binaryTable[name];
  return defineKernel({
    name: `broadcast_${name}`,
    summary:
      `y[i0,i1,i2,i3] = ${name}(a[i . strideA], b[i . strideB]) over a shape of four dimensions (leading ones padded with 1); ` +
      'y is contiguous; a stride of 0 broadcasts',
    buffers: { a: reads.float, b: reads.float, y: writes.float },
    params: sizes('d0', 'd1', 'd2', 'd3', 'a0', 'a1', 'a2', 'a3', 'b0', 'b1', 'b2', 'b3'),
    reference({ a, b, y }, p) {
      let i = 0;
      for (let i0 = 0; i0 < p.d0; i0++)
        for (let i1 = 0; i1 < p.d1; i1++)
          for (let i2 = 0; i2 < p.d2; i2++)
            for (let i3 = 0; i3 < p.d3; i3++) {
              const fromA = a[i0 * p.a0 + i1 * p.a1 + i2 * p.a2 + i3 * p.a3]!;
              const fromB = b[i0 * p.b0 + i1 * p.b1 + i2 * p.b2 + i3 * p.b3]!;
              y[i++] = row.reference(fromA, fromB);
            }
    },
    cost: ({ d0, d1, d2, d3 }) => ({ flops: d0 * d1 * d2 * d3, elements: 3 * d0 * d1 * d2 * d3 }),
    wasm: ({ d0, d1, d2 }) => ({
      passes: [{ fn: 'broadcast', units: d0 * d1 * d2 }],
      constants: [Object.keys(binaryTable).indexOf(name)],
    }),
    wgsl: target => broadcastWgsl(row.wgsl, target),
    example(draw: Draw) {
      const dims = [draw.integer(1, 3), draw.integer(1, 5), draw.integer(1, 9), draw.pick([1, 4, 33, 64])] as const;
      const [d0, d1, d2, d3] = dims;
      /** Strides of an operand that repeats along some dimensions, and its length. */
      const operand = <Name extends string>(name: Name) => {
        const strides: Record<string, number> = {};
        let length = 1;
        for (const k of [3, 2, 1, 0] as const) {
          const varies = draw.pick([true, true, false]);
          strides[`${name}${k}`] = varies ? length : 0;
          if (varies) length *= dims[k];
        }
        return { strides: strides as Record<`${Name}${0 | 1 | 2 | 3}`, number>, length };
      };
      const [a, b] = [operand('a'), operand('b')];
      return {
        params: { d0, d1, d2, d3, ...a.strides, ...b.strides },
        lengths: { a: a.length, b: b.length, y: d0 * d1 * d2 * d3 },
        ...(row.domain && { fills: { b: row.domain } }),
      };
    },
    tolerance: row.tolerance ?? 1e-6,
  });
}

/** Adds to what is there: sums of gradients. */
export const accumulateKernel = defineKernel({
  name: 'accumulate',
  summary: 'y[i] += x[i] for n elements',
  buffers: { x: reads.float, y: updates.float },
  params: sizes('n'),
  reference({ x, y }, { n }) {
    for (let i = 0; i < n; i++) y[i]! += x[i]!;
  },
  cost: ({ n }) => ({ flops: n, elements: 3 * n }),
  wasm: ({ n }) => ({ passes: [{ fn: 'accumulate', units: ceilDivide(n, elementsPerUnit) }] }),
  wgsl: accumulateWgsl,
  example(draw) {
    const n = exampleLength(draw);
    return { params: { n }, lengths: { x: n, y: n } };
  },
  tolerance: 1e-6,
});

/** Kernels for every row of a table, by name. */
function mapNames<Name extends string, K>(
  names: readonly Name[],
  define: (name: Name) => K,
): Readonly<Record<Name, K>> {
  return Object.fromEntries(names.map(name => [name, define(name)])) as Record<Name, K>;
}

/** y[i] = f(x[i]), a kernel per name; x and y may differ in float dtype. */
export const unaryKernels = mapNames(Object.keys(unaryTable) as UnaryName[], defineUnary);
/** c[i] = f(a[i], b[i]), a kernel per name; all of one float dtype. */
export const binaryKernels = mapNames(Object.keys(binaryTable) as BinaryName[], defineBinary);
/** The same where one operand is repeated along rows or columns. */
export const broadcastKernels = mapNames(Object.keys(binaryTable) as BinaryName[], defineBroadcast);
