/**
 * Functions that WGSL lacks, or whose built-in form is not to be trusted everywhere: `tanh` may overflow inside for
 * large arguments and loses its digits near zero.
 */
const functions = {
  // Cephes' tanhf (Moshier 1989): a polynomial near zero, where the formula with exp cancels; 1 - 2 / (e^2x + 1)
  // elsewhere.
  accurate_tanh: `fn accurate_tanh(x: f32) -> f32 {
  let z = x * x;
  let small = x + x * z * ((((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z + 1.33314422036e-1) * z - 3.33332819422e-1);
  let large = sign(x) * (1.0 - 2.0 / (exp(2.0 * min(abs(x), 15.0)) + 1.0));
  return select(large, small, abs(x) < 0.625);
}`,
  // 1 / (1 + e^-x), the clamp keeps e^-x finite; 0 below what f32 holds
  logistic: `fn logistic(x: f32) -> f32 { return select(1.0 / (1.0 + exp(-clamp(x, -87.0, 87.0))), 0.0, x < -87.0); }`,
  // (1 + tanh u) / 2 = logistic(2u): no cancellation for large negative x; zero below 2^-54, like 1 + tanh in f64
  gelu_gate: `fn gelu_gate(x: f32) -> f32 {
  let u = 1.5957691216057308 * x * (1.0 + 0.044715 * x * x);
  return select(logistic(u), 0.0, u < -38.0);
}`,
  gelu: `fn gelu(x: f32) -> f32 { return x * gelu_gate(x); }`,
  gelu_grad: `fn gelu_grad(g: f32, x: f32) -> f32 {
  let gate = gelu_gate(x);
  let bend = x * gate * (1.0 - gate) * 1.5957691216057308 * (1.0 + 0.134145 * x * x);
  return g * (gate + select(bend, 0.0, abs(x) > 30.0)); // far out bend may be infinity times 0
}`,
} as const;

const needs: Partial<Record<keyof typeof functions, readonly (keyof typeof functions)[]>> = {
  gelu_gate: ['logistic'],
  gelu: ['gelu_gate'],
  gelu_grad: ['gelu_gate'],
};

/** Declarations of the functions above that `expression` calls, with what they need themselves. */
export function mathFunctions(expression: string): string {
  const wanted = new Set<keyof typeof functions>();
  const add = (name: keyof typeof functions) => {
    wanted.add(name);
    needs[name]?.forEach(add);
  };
  for (const name of Object.keys(functions) as (keyof typeof functions)[])
    if (expression.includes(`${name}(`)) add(name);
  return [...wanted].map(name => `${functions[name]}\n`).join('');
}
