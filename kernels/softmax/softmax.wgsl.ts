/** WGSL of softmax, log-softmax and their gradients: whole rows, see `rowsByWidth`. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { rowsByWidth } from '../wgsl.js';

export function softmaxWgsl(name: 'softmax' | 'log_softmax', target: WgslTarget): readonly WgslPass[] {
  return rowsByWidth(
    target,
    w => `var largest = ${w.value}(load_x(row * params.cols));
  for (var j = begin; j < end; j += step) { largest = max(largest, ${w.load}_x(j)); }
  let maximum = row_max(${w.max('largest')}, lane);
  var total = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) { total += exp(${w.load}_x(j) - maximum); }
  let sum = row_sum(${w.sum('total')}, lane);
  ${
    name === 'softmax'
      ? `for (var j = begin; j < end; j += step) { ${w.store}_y(j, exp(${w.load}_x(j) - maximum) / sum); }`
      : `let lse = maximum + log(sum);
  for (var j = begin; j < end; j += step) { ${w.store}_y(j, ${w.load}_x(j) - lse); }`
  }`,
  );
}

export function softmaxGradWgsl(name: 'softmax_grad' | 'log_softmax_grad', target: WgslTarget): readonly WgslPass[] {
  const [term, gradient] = name === 'softmax_grad' ? ['dy * y', 'y * (dy - sum)'] : ['dy', 'dy - exp(y) * sum'];
  return rowsByWidth(
    target,
    w => `var total = ${w.value}(0.0);
  for (var j = begin; j < end; j += step) {
    ${name === 'softmax_grad' ? `let y = ${w.load}_y(j);` : ''}
    let dy = ${w.load}_dy(j);
    total += ${term};
  }
  let sum = row_sum(${w.sum('total')}, lane);
  for (var j = begin; j < end; j += step) {
    let y = ${w.load}_y(j);
    let dy = ${w.load}_dy(j);
    ${w.store}_dx(j, ${gradient});
  }`,
  );
}
