/** WGSL of softmax, log-softmax and their gradients: whole rows, see `rowPass`. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { byWidth, rowPass } from '../wgsl.js';

export function softmaxWgsl(name: 'softmax' | 'log_softmax', target: WgslTarget): readonly WgslPass[] {
  return byWidth(
    p => p['cols']! % 4 === 0,
    w =>
      rowPass(
        target,
        p => p['rows']!,
        'params.rows',
        `let begin = row * params.cols / ${w.size}u + first;
  let end = (row + 1u) * params.cols / ${w.size}u;
  var largest = ${w.value}(load_x(row * params.cols));
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
      ),
  );
}

export function softmaxGradWgsl(name: 'softmax_grad' | 'log_softmax_grad', target: WgslTarget): readonly WgslPass[] {
  const [term, gradient] = name === 'softmax_grad' ? ['dy * y', 'y * (dy - sum)'] : ['dy', 'dy - exp(y) * sum'];
  return byWidth(
    p => p['cols']! % 4 === 0,
    w =>
      rowPass(
        target,
        p => p['rows']!,
        'params.rows',
        `let begin = row * params.cols / ${w.size}u + first;
  let end = (row + 1u) * params.cols / ${w.size}u;
  var total = ${w.value}(0.0);
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
      ),
  );
}
