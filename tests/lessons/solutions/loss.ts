export function entropyGradient(z: readonly number[]): number[] {
  const maximum = Math.max(...z);
  const lse = maximum + Math.log(z.reduce((total, value) => total + Math.exp(value - maximum), 0));
  const logP = z.map(value => value - lse);
  const entropy = -logP.reduce((total, value) => total + Math.exp(value) * value, 0);
  return logP.map(value => -Math.exp(value) * (value + entropy));
}
