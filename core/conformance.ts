/**
 * Holds a backend to the references: random valid calls of a kernel (shapes, strides, indices drawn by the kernel's
 * own `example`), run on the backend and by the reference in f64, must agree. The tests draw calls with fast-check,
 * which shrinks what fails; a program without development tools draws them from a seed.
 */
import { decodeElements, encodeElements } from '../kernels/index.js';
import type { Draw, DType, Example, Kernel, NumberArray } from '../kernels/index.js';
import type { Backend, Operand } from './backend.js';
import { Random } from './random.js';

/** A call of a kernel, ready to run. */
export interface ConformanceCase {
  readonly example: Example<string, string>;
  /** Content of every buffer before the call, rounded to its dtype. */
  readonly inputs: Readonly<Record<string, NumberArray>>;
  readonly dtypes: Readonly<Record<string, DType>>;
}

/**
 * Fills the buffers of an example with values up to +-`scale`, or as the example says.
 * @param dtype of the float buffers, the same for all or by name; wide ones are f32, index ones i32
 * @param noise any integer: the same one gives the same values
 */
export function conformanceCase(
  kernel: Kernel,
  example: Example<string, string>,
  dtype: 'f32' | 'f16' | Readonly<Record<string, DType>>,
  scale: number,
  noise: number,
): ConformanceCase {
  const dtypes: Record<string, DType> = {};
  const inputs: Record<string, NumberArray> = {};
  Object.entries(kernel.buffers).forEach(([name, spec], position) => {
    const type =
      spec.kind === 'index' ? 'i32' : spec.kind === 'wide' ? 'f32' : typeof dtype === 'string' ? dtype : dtype[name]!;
    const fill = example.fills?.[name];
    const random = uniformSequence(noise + position);
    const values = Float64Array.from({ length: example.lengths[name]! }, (_, i) => {
      if (fill?.kind === 'values') return fill.values[i % fill.values.length]!;
      const u = random();
      return fill ? fill.minimum + u * (fill.maximum - fill.minimum) : (2 * u - 1) * scale;
    });
    dtypes[name] = type;
    inputs[name] = decodeElements(encodeElements(values, type), type); // what the device will see
  });
  return { example, inputs, dtypes };
}

/**
 * A linear congruential sequence (Numerical Recipes' constants): good enough to fill buffers, and independent of our
 * kernels.
 */
function uniformSequence(start: number): () => number {
  let state = (start * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A draw from a seed, for programs that have no property-testing library at hand. */
export function seededDraw(seed: number, stream: number): Draw {
  const random = new Random(seed, stream);
  return {
    integer: (minimum, maximum) => minimum + random.integer(maximum - minimum + 1),
    pick: choices => choices[random.integer(choices.length)]!,
  };
}

/** All buffers after the reference has run in f64 on the same inputs. */
export function referenceOutputs(
  kernel: Kernel,
  { example, inputs }: ConformanceCase,
): Record<string, Float64Array | Int32Array> {
  const buffers: Record<string, Float64Array | Int32Array> = {};
  for (const [name, values] of Object.entries(inputs))
    buffers[name] = values instanceof Int32Array ? values.slice() : Float64Array.from(values);
  kernel.reference(buffers, example.params);
  return buffers;
}

/** The buffers that the kernel writes, after the backend has run it. */
export async function backendOutputs(
  backend: Backend,
  kernel: Kernel,
  test: ConformanceCase,
): Promise<Record<string, NumberArray>> {
  const operands: Operand[] = Object.entries(test.inputs).map(([name, values]) => {
    const dtype = test.dtypes[name]!;
    const bytes = new Uint8Array(encodeElements(values, dtype));
    const padded = new Uint8Array(Math.ceil(bytes.length / 16) * 16);
    padded.set(bytes);
    const allocation = backend.allocate(padded.length);
    backend.write(allocation, 0, padded);
    return { allocation, dtype, byteOffset: 0, length: values.length };
  });
  const params = Object.keys(kernel.params).map(name => test.example.params[name]!);
  backend.launch(kernel, operands, params);
  const outputs: Record<string, NumberArray> = {};
  let i = 0;
  for (const [name, spec] of Object.entries(kernel.buffers)) {
    const { allocation, dtype, length } = operands[i++]!;
    if (spec.access === 'read') continue;
    outputs[name] = decodeElements(await backend.read(allocation, 0, allocation.bytes), dtype, 0, length);
  }
  for (const operand of operands) backend.free(operand.allocation);
  await backend.finish();
  return outputs;
}

/**
 * Where a buffer differs from what the reference says, in one line; undefined if nowhere.
 * @param relative allowed difference, relative to the largest magnitude in the buffer; one rounding of `dtype` comes
 *   on top
 */
export function difference(
  actual: NumberArray,
  expected: ArrayLike<number>,
  relative: number,
  dtype: DType,
  label: string,
): string | undefined {
  let largest = 0;
  for (let i = 0; i < expected.length; i++)
    if (Number.isFinite(expected[i]!)) largest = Math.max(largest, Math.abs(expected[i]!));
  // differences of numbers around 1 cannot be smaller than their rounding, however small the result
  const scale = Math.max(2 ** -6, Math.min(largest, dtype === 'f16' ? 65504 : 3.4e38));
  for (let i = 0; i < expected.length; i++) {
    const [got, want] = [actual[i]!, decodeElements(encodeElements([expected[i]!], dtype), dtype)[0]!];
    if (Object.is(got, want) || got === want || (Number.isNaN(got) && Number.isNaN(want))) continue;
    const rounding =
      dtype === 'f16'
        ? 2 ** -10 * Math.abs(want) + 2 ** -24
        : dtype === 'f32'
          ? 2 ** -23 * Math.abs(want) + 2 ** -126 // WGSL may flush subnormals
          : 0;
    const allowed = relative * scale + rounding;
    // next to the largest f16, one rounding decides between finite and infinite
    const nearOverflow = dtype === 'f16' && Math.abs(expected[i]!) > 65504 * (1 - 2 * relative - 2 ** -10);
    if (nearOverflow && Math.sign(got) === Math.sign(want) && Math.abs(got) > 60000) continue;
    if (!(Math.abs(got - want) <= allowed))
      return `${label}[${i}] is ${got}, the reference says ${want} (difference ${Math.abs(got - want)}, allowed ${allowed})`;
  }
  return undefined;
}

/** The first difference between backend and reference in any buffer that the kernel writes; undefined if they agree. */
export async function checkCase(backend: Backend, kernel: Kernel, test: ConformanceCase): Promise<string | undefined> {
  const expected = referenceOutputs(kernel, test);
  const actual = await backendOutputs(backend, kernel, test);
  for (const [name, values] of Object.entries(actual)) {
    const label = `${kernel.name}(${JSON.stringify(test.example.params)}).${name}`;
    const problem = difference(values, expected[name]!, kernel.tolerance, test.dtypes[name]!, label);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * The first difference in any of `calls` calls that a seed draws; undefined if all agree with the reference.
 * @param dtype of the float buffers
 */
export async function checkKernel(
  backend: Backend,
  kernel: Kernel,
  dtype: 'f32' | 'f16',
  calls: number,
): Promise<string | undefined> {
  for (let call = 0; call < calls; call++) {
    const example = kernel.example(seededDraw(20260606, call));
    const test = conformanceCase(kernel, example, dtype, [1, 10, 0.01][call % 3]!, call);
    const problem = await checkCase(backend, kernel, test);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
