/**
 * Compares analytic gradients with central finite differences in f64. A public tool: use it on your own ops and
 * losses.
 */
import { formatShape } from './shape.js';
import type { Tensor } from './tensor.js';

/** How closely gradients are checked. */
export interface GradcheckOptions {
  /** Half the distance of the two evaluations. Default 1e-5: error about 1e-10 from the step, 1e-11 from rounding. */
  readonly step?: number;
  /** Largest relative difference, |a - n| / max(1, |a|, |n|). Default 1e-6. */
  readonly tolerance?: number;
  /** At most this many elements of each input are perturbed, spread over all rows and columns; default all. */
  readonly maxElements?: number;
}

/** Analytic and numeric slope of one element. */
export interface GradcheckDifference {
  /** Which input. */
  readonly input: number;
  /** Which element, in row-major order. */
  readonly index: number;
  readonly analytic: number;
  readonly numeric: number;
  /** |analytic - numeric| / max(1, |analytic|, |numeric|). */
  readonly error: number;
}

/** What a gradient check found. */
export interface GradcheckReport {
  readonly ok: boolean;
  /** The worst element over all inputs; undefined if nothing was checked. */
  readonly worst: GradcheckDifference | undefined;
  /** The worst element of each input that was checked. */
  readonly perInput: readonly GradcheckDifference[];
  /** Elements compared. */
  readonly checked: number;
}

/**
 * Checks d f / d input for every trainable f64 tensor among `inputs` (on the cpu device, which alone has f64).
 * @param f computes a scalar tensor from the inputs; must give the same value when called again
 * @throws Error if an input is not f64 or `f` does not return one number
 */
export async function gradcheck(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  { step = 1e-5, tolerance = 1e-6, maxElements = Infinity }: GradcheckOptions = {},
): Promise<GradcheckReport> {
  const checkedInputs = inputs.flatMap((input, i) => (input.requiresGrad ? [{ input, i }] : []));
  for (const { input, i } of checkedInputs)
    if (input.dtype !== 'f64')
      throw new Error(`gradcheck: input ${i} is ${input.dtype}; make it f64 on the cpu device`);
  const { device } = inputs[0]!;

  const analytic = await device.scope(async () => {
    for (const { input } of checkedInputs) input.grad = undefined;
    const loss = f(...inputs);
    if (loss.size !== 1) throw new Error(`gradcheck: f must return one number, not ${formatShape(loss.shape)}`);
    loss.backward();
    const grads: Float64Array[] = [];
    for (const { input } of checkedInputs) {
      grads.push(input.grad ? Float64Array.from(await input.grad.read()) : new Float64Array(input.size));
      input.grad = undefined;
    }
    return grads;
  });

  const evaluate = () => device.scope(async () => await f(...inputs).item());
  const perInput: GradcheckDifference[] = [];
  let checked = 0;
  for (const [position, { input, i }] of checkedInputs.entries()) {
    const values = Float64Array.from(await input.read());
    let worst: GradcheckDifference | undefined;
    for (const index of spread(values.length, maxElements)) {
      const at = values[index]!;
      const shifted = async (delta: number) => {
        values[index] = at + delta;
        device.write(input, values);
        return await evaluate();
      };
      const numeric = ((await shifted(step)) - (await shifted(-step))) / (2 * step);
      values[index] = at;
      const exact = analytic[position]![index]!;
      const error = Math.abs(exact - numeric) / Math.max(1, Math.abs(exact), Math.abs(numeric));
      if (!worst || !(error <= worst.error)) worst = { input: i, index, analytic: exact, numeric, error };
      checked++;
    }
    device.write(input, values);
    if (worst) perInput.push(worst);
  }
  const worst = perInput.reduce<GradcheckDifference | undefined>(
    (a, b) => (a && a.error >= b.error ? a : b),
    undefined,
  );
  return { ok: perInput.every(({ error }) => error <= tolerance), worst, perInput, checked };
}

/**
 * At most `count` of the indices below `length`, by the golden ratio: even steps would stay within a few columns of a
 * matrix.
 */
function spread(length: number, count: number): Set<number> {
  if (count >= length) return new Set(Array.from({ length }, (_, i) => i));
  const ratio = (Math.sqrt(5) - 1) / 2;
  return new Set(Array.from({ length: count }, (_, k) => Math.floor((((k + 1) * ratio) % 1) * length)));
}
