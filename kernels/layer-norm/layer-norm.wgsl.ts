/** WGSL of layer normalisation and its gradients. */
import { ceilDivide } from '../kernel.js';
import type { WgslPass, WgslTarget } from '../kernel.js';
import { byWidth, lanePass, multiplesOfFour, rowPass, sumLoop } from '../wgsl.js';

/** Of a row, see `sumLoop`. */
const columns = { begin: 'first', end: 'cols' };

export function layerNormWgsl(target: WgslTarget): readonly WgslPass[] {
  return byWidth(
    p => p['cols']! % 4 === 0,
    w =>
      rowPass(
        target,
        `let cols = params.cols / ${w.size}u;
  let start = row * cols;
  ${sumLoop(w.value, ['total'], `total += ${w.load}_x(start + j);`, columns)}
  let level = row_sum(${w.sum('total')}, lane) / f32(params.cols);
  // the sum's own rounding may exceed the differences in a row: what it leaves is added in a second look
  ${sumLoop(w.value, ['above'], `above += ${w.load}_x(start + j) - level;`, columns)}
  let mean = level + row_sum(${w.sum('above')}, lane) / f32(params.cols);
  ${sumLoop(w.value, ['squares'], `let d = ${w.load}_x(start + j) - mean; squares += d * d;`, columns)}
  let variance = row_sum(${w.sum('squares')}, lane) / f32(params.cols);
  let rstd = 1.0 / sqrt(variance + params.eps);
  for (var j = first; j < cols; j += step) {
    ${w.store}_y(start + j, (${w.load}_x(start + j) - mean) * rstd * ${w.load}_gamma(j) + ${w.load}_beta(j));
  }
  if (leader) { store_stats(2u * row, mean); store_stats(2u * row + 1u, rstd); }`,
      ),
  );
}

export function layerNormGradInputWgsl(hasResidual: boolean, target: WgslTarget): readonly WgslPass[] {
  return byWidth(
    p => p['cols']! % 4 === 0,
    w =>
      rowPass(
        target,
        `let cols = params.cols / ${w.size}u;
  let start = row * cols;
  let mean = load_stats(2u * row);
  let rstd = load_stats(2u * row + 1u);
  ${sumLoop(
    w.value,
    ['total_g', 'total_gx'],
    `let g = ${w.load}_dy(start + j) * ${w.load}_gamma(j);
      total_g += g;
      total_gx += g * ((${w.load}_x(start + j) - mean) * rstd);`,
    columns,
  )}
  let mean_g = row_sum(${w.sum('total_g')}, lane) / f32(params.cols);
  let mean_gx = row_sum(${w.sum('total_gx')}, lane) / f32(params.cols);
  for (var j = first; j < cols; j += step) {
    let normalised = (${w.load}_x(start + j) - mean) * rstd;
    let slope = rstd * (${w.load}_dy(start + j) * ${w.load}_gamma(j) - mean_g - normalised * mean_gx);
    ${w.store}_dx(start + j, ${hasResidual ? `${w.load}_residual(start + j) + slope` : 'slope'});
  }`,
      ),
  );
}

/** A lane owns one column, or four, of one chunk of rows; then one of all chunks. */
export function layerNormGradParamsWgsl(chunk: number, target: WgslTarget): readonly WgslPass[] {
  const aligned = multiplesOfFour('cols');
  const chunks = (p: Readonly<Record<string, number>>) => ceilDivide(p['rows']!, chunk);
  const parts = byWidth(aligned, w =>
    lanePass(
      target,
      p => (chunks(p) * p['cols']!) / w.size,
      `(params.rows + ${chunk - 1}u) / ${chunk}u * params.cols / ${w.size}u`,
      `let cols = params.cols / ${w.size}u;
  let c = i / cols;
  let j = i % cols;
  var gamma = ${w.value}(0.0);
  var beta = ${w.value}(0.0);
  for (var row = c * ${chunk}u; row < min(params.rows, (c + 1u) * ${chunk}u); row++) {
    let g = ${w.load}_dy(row * cols + j);
    gamma += g * ((${w.load}_x(row * cols + j) - load_stats(2u * row)) * load_stats(2u * row + 1u));
    beta += g;
  }
  ${w.store}_scratch(2u * c * cols + j, gamma);
  ${w.store}_scratch((2u * c + 1u) * cols + j, beta);`,
    ),
  );
  const joined = byWidth(aligned, w =>
    lanePass(
      target,
      p => p['cols']! / w.size,
      `params.cols / ${w.size}u`,
      `let cols = params.cols / ${w.size}u;
  let end = (params.rows + ${chunk - 1}u) / ${chunk}u * 2u * cols;
  ${sumLoop(w.value, ['gamma', 'beta'], `gamma += ${w.load}_scratch(j); beta += ${w.load}_scratch(j + cols);`, {
    begin: 'i',
    step: '2u * cols',
  })}
  ${w.store}_dgamma(i, gamma);
  ${w.store}_dbeta(i, beta);`,
    ),
  );
  return [...parts, ...joined].map(pass => ({ ...pass, scratch: p => 2 * p['cols']! * chunks(p) }));
}
