/** WGSL of top-k selection and of the tail's logit: whole rows, see `rowPass`. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { rowPass } from '../wgsl.js';

/** Below every logit. */
const lowest = '-0x1.fffffep+127f';

/**
 * k rounds. What a round may still take comes after the token of the round before: it is less, or equal and further
 * back. Nothing has to be marked, so the row stays as it is.
 */
export function topKWgsl(target: WgslTarget): readonly WgslPass[] {
  return [
    rowPass(
      target,
      `let start = row * params.cols;
  var value = 0.0;
  var index = 0u;
  for (var r = 0u; r < params.k; r++) {
    var largest = ${lowest};
    for (var j = first; j < params.cols; j += step) {
      let x = load_logits(start + j);
      if (r == 0u || x < value || (x == value && j > index)) { largest = max(largest, x); }
    }
    let taken = row_max(largest, lane);
    var place = 0xffffffffu;
    for (var j = first; j < params.cols; j += step) {
      if (load_logits(start + j) == taken && (r == 0u || taken < value || j > index)) { place = min(place, j); }
    }
    index = min(row_min_index(place, lane), params.cols - 1u);
    value = taken;
    if (leader) { store_indices(row * params.k + r, i32(index)); }
  }`,
    ),
  ];
}

/** The slot of position `j` among the chosen ones of `row`, `params.k` if it is not among them. */
const slotOf = `fn slot_of(row: u32, j: u32) -> u32 {
  for (var r = 0u; r < params.k; r++) {
    if (u32(load_indices(row * params.k + r)) == j) { return r; }
  }
  return params.k;
}`;

export function tailBucketWgsl(target: WgslTarget): readonly WgslPass[] {
  return [
    rowPass(
      target,
      `let start = row * params.cols;
  let out = row * (params.k + 1u);
  var largest = ${lowest};
  for (var j = first; j < params.cols; j += step) {
    if (slot_of(row, j) == params.k) { largest = max(largest, load_logits(start + j)); }
  }
  let maximum = row_max(largest, lane);
  var exponentials = 0.0;
  for (var j = first; j < params.cols; j += step) {
    let slot = slot_of(row, j);
    let x = load_logits(start + j);
    if (slot == params.k) { exponentials += exp(x - maximum); } else { store_pooled(out + slot, x); }
  }
  let sum = row_sum(exponentials, lane);
  if (leader) { store_pooled(out + params.k, maximum + log(sum)); }`,
      { declarations: slotOf },
    ),
  ];
}

export function tailBucketGradWgsl(target: WgslTarget): readonly WgslPass[] {
  return [
    rowPass(
      target,
      `let start = row * params.cols;
  let tail = row * (params.k + 1u) + params.k;
  for (var j = first; j < params.cols; j += step) {
    let slot = slot_of(row, j);
    var slope = load_dpooled(row * (params.k + 1u) + slot);
    if (slot == params.k) { slope *= exp(load_logits(start + j) - load_pooled(tail)); }
    store_dlogits(start + j, slope);
  }`,
      { declarations: slotOf },
    ),
  ];
}
