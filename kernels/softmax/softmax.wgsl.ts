/** WGSL of softmax, log-softmax and their gradients: whole rows, see `rowsByWidth`. */
import type { WgslPass, WgslTarget } from '../kernel.js';
import { logSoftmax, logSumExp } from '../loss/rows.wgsl.js';
import { rowsByWidth, sumLoop } from '../wgsl.js';

export function softmaxWgsl(name: 'softmax' | 'log_softmax', target: WgslTarget): readonly WgslPass[] {
  return rowsByWidth(
    target,
    w => `${logSumExp('x', w)}
  for (var j = begin; j < end; j += step) {
    ${w.store}_y(j, ${name === 'softmax' ? `${w.of('exp_down')}(${w.load}_x(j) - maximum_x) / sum_x` : logSoftmax('x', w)});
  }`,
  );
}

export function softmaxGradWgsl(name: 'softmax_grad' | 'log_softmax_grad', target: WgslTarget): readonly WgslPass[] {
  return rowsByWidth(target, w => {
    const [dy, y] = [`${w.load}_dy(j)`, `${w.load}_y(j)`];
    const [term, gradient] =
      name === 'softmax_grad'
        ? [`${dy} * ${y}`, `${y} * (${dy} - sum)`]
        : [dy, `${dy} - ${w.of('exp_down')}(${y}) * sum`];
    return `${sumLoop(w.value, ['total'], `total += ${term};`)}
  let sum = row_sum(${w.sum('total')}, lane);
  for (var j = begin; j < end; j += step) { ${w.store}_dx(j, ${gradient}); }`;
  });
}
