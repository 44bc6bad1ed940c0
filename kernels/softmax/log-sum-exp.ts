/**
 * Logarithm of the sum of exponentials of `count` numbers from `start` on, with the maximum taken out so that nothing overflows. The
 * softmax of these numbers is exp(x - this): what the references of softmax, losses and attention are made of.
 */
export function logSumExp(x: ArrayLike<number>, start = 0, count = x.length - start): number {
  let maximum = -Infinity;
  for (let j = start; j < start + count; j++) maximum = Math.max(maximum, x[j]!);
  let sum = 0;
  for (let j = start; j < start + count; j++) sum += Math.exp(x[j]! - maximum);
  return maximum + Math.log(sum);
}
