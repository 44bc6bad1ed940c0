// Elementwise kernels, four elements at a time. The formulas stand in `unary4` and `binary4`. A loop gets its op as a
// constant, so it compiles to one formula without tests.
//
// Functions of two numbers share an export that chooses among the loops once per call. For those of one number that was
// too slow, gelu of 32768 elements took 83 us instead of 52: V8 makes less of one function with eleven loops. So they
// have an export each.
import { at, exp4, log4, madd, storeLanes, tanh4 } from '../wasm/simd.as';

/** Elements per unit of work: must agree with elementwise.ts. */
const elementsPerUnit = 4096;

const enum Unary {
  copy,
  neg,
  exp,
  log,
  sqrt,
  reciprocal,
  square,
  tanh,
  sigmoid,
  relu,
  gelu,
}

/** In the order of `binaryTable`. */
const enum Binary {
  add,
  sub,
  mul,
  div,
  max,
  min,
  equal,
  greater,
  relu_grad,
  tanh_grad,
  sigmoid_grad,
  gelu_grad,
}

@inline
function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

/** 2 sqrt(2 / pi) (x + 0.044715 x^3): gelu(x) = x sigmoid(this), because (1 + tanh u) / 2 = sigmoid(2 u). */
@inline
function geluArgument(x: v128): v128 {
  const cubic = madd(f32x4.mul(x, x), f32x4.splat(0.044715), f32x4.splat(1));
  return f32x4.mul(f32x4.mul(x, f32x4.splat(1.5957691216057308)), cubic);
}

/**
 * g (s + x s (1 - s) u'), with s = sigmoid(u), u = geluArgument(x); 0 where s is too small for the product to matter.
 */
@inline
function geluGrad4(g: v128, x: v128): v128 {
  const one = f32x4.splat(1);
  const u = geluArgument(x);
  const low = f32x4.splat(-80);
  const e = exp4(f32x4.neg(f32x4.pmax(u, low))); // finite
  const s = f32x4.div(one, f32x4.add(one, e));
  const slope = madd(
    f32x4.mul(x, x),
    f32x4.splat(1.5957691216057308 * 3 * 0.044715),
    f32x4.splat(1.5957691216057308),
  );
  const steep = f32x4.mul(f32x4.mul(s, s), e); // s (1 - s)
  const tiny = f32x4.lt(u, low);
  const far = v128.or(tiny, f32x4.gt(f32x4.abs(x), f32x4.splat(30))); // infinity times 0 would be NaN
  return f32x4.mul(g, madd(v128.andnot(f32x4.mul(x, slope), far), steep, v128.andnot(s, tiny)));
}

@inline
function unary4(op: Unary, x: v128): v128 {
  if (op == Unary.neg) return f32x4.neg(x);
  if (op == Unary.exp) return exp4(x);
  if (op == Unary.log) return log4(x);
  if (op == Unary.sqrt) return f32x4.sqrt(x);
  if (op == Unary.reciprocal) return f32x4.div(f32x4.splat(1), x);
  if (op == Unary.square) return f32x4.mul(x, x);
  if (op == Unary.tanh) return tanh4(x);
  if (op == Unary.sigmoid) return sigmoid4(x);
  if (op == Unary.relu) return f32x4.pmax(x, f32x4.splat(0)); // NaN stays: pmax(a, b) is `a < b ? b : a`
  if (op == Unary.gelu) return f32x4.mul(x, sigmoid4(geluArgument(x)));
  return x;
}

@inline
function binary4(op: Binary, a: v128, b: v128): v128 {
  const one = f32x4.splat(1);
  if (op == Binary.sub) return f32x4.sub(a, b);
  if (op == Binary.mul) return f32x4.mul(a, b);
  if (op == Binary.div) return f32x4.div(a, b);
  if (op == Binary.max) return f32x4.max(a, b);
  if (op == Binary.min) return f32x4.min(a, b);
  if (op == Binary.equal) return v128.and(f32x4.eq(a, b), one);
  if (op == Binary.greater) return v128.and(f32x4.gt(a, b), one);
  if (op == Binary.relu_grad) return v128.andnot(a, f32x4.le(b, f32x4.splat(0)));
  if (op == Binary.tanh_grad) return f32x4.mul(a, f32x4.sub(one, f32x4.mul(b, b)));
  if (op == Binary.sigmoid_grad) return f32x4.mul(f32x4.mul(a, b), f32x4.sub(one, b));
  if (op == Binary.gelu_grad) return geluGrad4(a, b);
  return f32x4.add(a, b);
}

@unmanaged
class UnaryArgs {
  x: usize;
  y: usize;
  n: i32;
}

/** Two vectors at a time: V8 makes the constants of a loop's body anew in every round. */
@inline
function unaryLoop(op: Unary, args: UnaryArgs, begin: i32, end: i32): void {
  const x = args.x;
  const y = args.y;
  const stop = min(args.n, end * elementsPerUnit);
  let i = begin * elementsPerUnit;
  for (; i <= stop - 8; i += 8) {
    const y0 = unary4(op, v128.load(at(x, i)));
    const y1 = unary4(op, v128.load(at(x, i), 16));
    v128.store(at(y, i), y0);
    v128.store(at(y, i), y1, 16);
  }
  for (; i <= stop - 4; i += 4) v128.store(at(y, i), unary4(op, v128.load(at(x, i))));
  if (i < stop) storeLanes(at(y, i), unary4(op, v128.load(at(x, i))), stop - i);
}

@unmanaged
class BroadcastArgs {
  a: usize;
  b: usize;
  y: usize;
  d0: i32;
  d1: i32;
  d2: i32;
  d3: i32;
  a0: i32;
  a1: i32;
  a2: i32;
  a3: i32;
  b0: i32;
  b1: i32;
  b2: i32;
  b3: i32;
  op: Binary;
}

/** Four elements that lie `stride` apart; only the first `count` are read. */
@inline
function loadStrided(p: usize, stride: i32, count: i32): v128 {
  if (stride == 1) return v128.load(p);
  if (stride == 0) return v128.load32_splat(p);
  let v = v128.load32_zero(p);
  if (count > 1) v = v128.load32_lane(at(p, stride), v, 1);
  if (count > 2) v = v128.load32_lane(at(p, 2 * stride), v, 2);
  if (count > 3) v = v128.load32_lane(at(p, 3 * stride), v, 3);
  return v;
}

@inline
function binaryLoop(op: Binary, args: BroadcastArgs, begin: i32, end: i32): void {
  const d1 = args.d1;
  const d2 = args.d2;
  const d3 = args.d3;
  const strideA = args.a3;
  const strideB = args.b3;
  let i2 = begin % d2;
  let i1 = (begin / d2) % d1;
  let i0 = begin / (d2 * d1);
  for (let row = begin; row < end; row++) {
    const a = at(args.a, i0 * args.a0 + i1 * args.a1 + i2 * args.a2);
    const b = at(args.b, i0 * args.b0 + i1 * args.b1 + i2 * args.b2);
    const y = at(args.y, row * d3);
    let i: i32 = 0;
    if (strideA == 1 && strideB == 1) {
      for (; op == Binary.gelu_grad && i <= d3 - 8; i += 8) {
        const y0 = binary4(op, v128.load(at(a, i)), v128.load(at(b, i)));
        const y1 = binary4(op, v128.load(at(a, i), 16), v128.load(at(b, i), 16));
        v128.store(at(y, i), y0);
        v128.store(at(y, i), y1, 16);
      }
      for (; i <= d3 - 4; i += 4) v128.store(at(y, i), binary4(op, v128.load(at(a, i)), v128.load(at(b, i))));
    } else if (strideA == 1 && strideB == 0) {
      const vb = v128.load32_splat(b);
      for (; i <= d3 - 4; i += 4) v128.store(at(y, i), binary4(op, v128.load(at(a, i)), vb));
    }
    for (; i < d3; i += 4) {
      const va = loadStrided(at(a, i * strideA), strideA, d3 - i);
      const vb = loadStrided(at(b, i * strideB), strideB, d3 - i);
      storeLanes(at(y, i), binary4(op, va, vb), d3 - i);
    }
    if (++i2 == d2) {
      i2 = 0;
      if (++i1 == d1) {
        i1 = 0;
        i0++;
      }
    }
  }
}

/** y = f(a, b) with strides; one unit is one row of d3 elements. */
export function broadcast(args: BroadcastArgs, begin: i32, end: i32, scratch: usize): void {
  const op = args.op;
  if (op == Binary.add) binaryLoop(Binary.add, args, begin, end);
  else if (op == Binary.sub) binaryLoop(Binary.sub, args, begin, end);
  else if (op == Binary.mul) binaryLoop(Binary.mul, args, begin, end);
  else if (op == Binary.div) binaryLoop(Binary.div, args, begin, end);
  else if (op == Binary.max) binaryLoop(Binary.max, args, begin, end);
  else if (op == Binary.min) binaryLoop(Binary.min, args, begin, end);
  else if (op == Binary.equal) binaryLoop(Binary.equal, args, begin, end);
  else if (op == Binary.greater) binaryLoop(Binary.greater, args, begin, end);
  else if (op == Binary.relu_grad) binaryLoop(Binary.relu_grad, args, begin, end);
  else if (op == Binary.tanh_grad) binaryLoop(Binary.tanh_grad, args, begin, end);
  else if (op == Binary.sigmoid_grad) binaryLoop(Binary.sigmoid_grad, args, begin, end);
  else if (op == Binary.gelu_grad) binaryLoop(Binary.gelu_grad, args, begin, end);
}

@unmanaged
class BinaryArgs {
  a: usize;
  b: usize;
  y: usize;
  n: i32;
  op: Binary;
}

/**
 * y = f(a, b): a broadcast of a single row, whose arguments are put into scratch. One unit is elementsPerUnit elements.
 */
export function binary(args: BinaryArgs, begin: i32, end: i32, scratch: usize): void {
  const first = begin * elementsPerUnit;
  const row = changetype<BroadcastArgs>(scratch);
  row.a = at(args.a, first);
  row.b = at(args.b, first);
  row.y = at(args.y, first);
  row.d1 = 1;
  row.d2 = 1;
  row.d3 = min(args.n, end * elementsPerUnit) - first;
  row.a3 = 1;
  row.b3 = 1;
  row.op = args.op;
  broadcast(row, 0, 1, scratch);
}

/** y += x. One unit is elementsPerUnit elements. */
export function accumulate(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  const stop = min(args.n, end * elementsPerUnit);
  let i = begin * elementsPerUnit;
  for (; i <= stop - 4; i += 4) v128.store(at(args.y, i), f32x4.add(v128.load(at(args.y, i)), v128.load(at(args.x, i))));
  if (i < stop) storeLanes(at(args.y, i), f32x4.add(v128.load(at(args.y, i)), v128.load(at(args.x, i))), stop - i);
}

// One export for every row of `unaryTable`.
export function unary_copy(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.copy, args, begin, end);
}
export function unary_neg(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.neg, args, begin, end);
}
export function unary_exp(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.exp, args, begin, end);
}
export function unary_log(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.log, args, begin, end);
}
export function unary_sqrt(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.sqrt, args, begin, end);
}
export function unary_reciprocal(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.reciprocal, args, begin, end);
}
export function unary_square(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.square, args, begin, end);
}
export function unary_tanh(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.tanh, args, begin, end);
}
export function unary_sigmoid(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.sigmoid, args, begin, end);
}
export function unary_relu(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.relu, args, begin, end);
}
export function unary_gelu(args: UnaryArgs, begin: i32, end: i32, scratch: usize): void {
  unaryLoop(Unary.gelu, args, begin, end);
}
