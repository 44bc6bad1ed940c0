export function sampledGradient(
  z: readonly number[],
  logQ: readonly number[],
  token: number,
  baseline: number,
): number[] {
  const maximum = Math.max(...z);
  const lse = maximum + Math.log(z.reduce((total, value) => total + Math.exp(value - maximum), 0));
  const logP = z.map(value => value - lse);
  const advantage = logQ[token]! - logP[token]! + baseline;
  return logP.map((value, k) => -advantage * (Number(k === token) - Math.exp(value)));
}
