export function sampleToken(logits: readonly number[], temperature: number, uniform: readonly number[]): number {
  const scores = logits.map((logit, k) =>
    temperature > 0 ? logit / temperature - Math.log(-Math.log(uniform[k]!)) : logit,
  );
  return scores.indexOf(Math.max(...scores));
}
