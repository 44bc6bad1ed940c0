/** What softmax and the losses share in WGSL. */
import { sumLoop } from '../wgsl.js';
import type { Width } from '../wgsl.js';

/**
 * Statements that leave the largest number of a row of buffer `x`, and the logarithm of the sum of exponentials of
 * what the others are above it, as `maximum_<x>` and `log_sum_<x>` in every lane. Both are taken off a logit one after
 * the other: their sum would lose the digits of the second where logits are large.
 */
export function logSumExp(x: string, w: Width): string {
  return `var largest_${x} = ${w.value}(load_${x}(row * params.cols));
  for (var j = begin; j < end; j += step) { largest_${x} = ${w.of('larger')}(largest_${x}, ${w.load}_${x}(j)); }
  let maximum_${x} = row_max(${w.max(`largest_${x}`)}, lane);
  ${sumLoop(w.value, [`exponentials_${x}`], `exponentials_${x} += ${w.of('exp_down')}(${w.load}_${x}(j) - maximum_${x});`)}
  let sum_${x} = row_sum(${w.sum(`exponentials_${x}`)}, lane);
  let log_sum_${x} = log(sum_${x});`;
}

/** WGSL: log-softmax of element `j` of a row of `x`. */
export const logSoftmax = (x: string, w: Width): string => `(${w.load}_${x}(j) - maximum_${x} - log_sum_${x})`;
