/** What the WGSL of the losses shares. */
import type { Width } from '../wgsl.js';

/**
 * Elements (or vectors of four) that a lane sums up before they join its total: a long sum loses digits with its
 * length.
 */
const sumBlock = 1024;

/** Statements that leave `lse_<x>`, the log of the sum of exponentials of a row of buffer `x`, in every lane. */
export function logSumExp(x: string, w: Width): string {
  return `var largest_${x} = ${w.value}(load_${x}(row * params.cols));
  for (var j = begin; j < end; j += step) { largest_${x} = max(largest_${x}, ${w.load}_${x}(j)); }
  let maximum_${x} = row_max(${w.max(`largest_${x}`)}, lane);
  var exponentials_${x} = ${w.value}(0.0);
  for (var block = begin; block < end; block += ${sumBlock}u * step) {
    var part = ${w.value}(0.0);
    for (var j = block; j < min(end, block + ${sumBlock}u * step); j += step) { part += exp(${w.load}_${x}(j) - maximum_${x}); }
    exponentials_${x} += part;
  }
  let lse_${x} = maximum_${x} + log(row_sum(${w.sum(`exponentials_${x}`)}, lane));`;
}
