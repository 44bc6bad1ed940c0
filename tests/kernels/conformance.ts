/**
 * Holds a backend to the references: for every kernel in the registry, random valid calls (shapes, strides, indices drawn by
 * the kernel's own `example`) with values up to +-100 must agree with the reference computed in f64.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeElements, encodeElements, kernels } from '../../kernels/index.js';
import type { Draw, DType, Example, Kernel, NumberArray } from '../../kernels/index.js';
import type { Backend, Operand } from '../../core/backend.js';

export interface ConformanceOptions {
  readonly dtypes: readonly ('f32' | 'f16')[];
  /** Random calls per kernel and dtype. */
  readonly runs: number;
}

/** Fixed in CI so that a failure there can be repeated; fast-check prints it with the counterexample. */
const seed = Number(process.env['MGSD_TEST_SEED'] ?? 20260606);

interface Case {
  readonly example: Example<string, string>;
  readonly inputs: Readonly<Record<string, NumberArray>>;
  readonly dtypes: Readonly<Record<string, DType>>;
}

function makeCase(kernel: Kernel, dtype: 'f32' | 'f16', gen: fc.GeneratorValue): Case {
  const draw: Draw = {
    integer: (minimum, maximum) => gen(fc.integer, { min: minimum, max: maximum }),
    pick: choices => choices[gen(fc.integer, { min: 0, max: choices.length - 1 })]!,
  };
  const example = kernel.example(draw);
  const scale = draw.pick([1, 0.01, 10, 100]);
  const noise = gen(fc.integer, { min: 0, max: 2 ** 30 });
  const dtypes: Record<string, DType> = {};
  const inputs: Record<string, NumberArray> = {};
  Object.entries(kernel.buffers).forEach(([name, spec], position) => {
    const type = spec.kind === 'index' ? 'i32' : spec.kind === 'wide' ? 'f32' : dtype;
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

/** A linear congruential sequence (Numerical Recipes constants): good enough to fill buffers, and independent of the project. */
function uniformSequence(start: number): () => number {
  let state = (start * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The reference in f64 on the same inputs. */
function referenceOutputs(kernel: Kernel, { example, inputs }: Case): Record<string, Float64Array | Int32Array> {
  const buffers: Record<string, Float64Array | Int32Array> = {};
  for (const [name, values] of Object.entries(inputs))
    buffers[name] = values instanceof Int32Array ? values.slice() : Float64Array.from(values);
  kernel.reference(buffers, example.params);
  return buffers;
}

async function deviceOutputs(backend: Backend, kernel: Kernel, test: Case): Promise<Record<string, NumberArray>> {
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

/** Compares one output buffer; the message names the worst element. */
export function expectClose(
  actual: NumberArray,
  expected: ArrayLike<number>,
  relative: number,
  dtype: DType,
  label: string,
): void {
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
      expect.fail(
        `${label}[${i}] is ${got}, the reference says ${want} (difference ${Math.abs(got - want)}, allowed ${allowed})`,
      );
  }
}

/** Declares the tests; `open` is called once, inside the suite. */
export function describeConformance(title: string, open: () => Promise<Backend>, options: ConformanceOptions): void {
  describe(title, () => {
    let backend: Promise<Backend> | undefined;
    for (const kernel of kernels)
      for (const dtype of options.dtypes) {
        if (dtype === 'f16' && !Object.values(kernel.buffers).some(spec => spec.kind === 'float')) continue;
        it(`${kernel.name} ${dtype}`, async () => {
          const device = await (backend ??= open());
          const property = fc.asyncProperty(fc.gen(), async gen => {
            const test = makeCase(kernel, dtype, gen);
            const expected = referenceOutputs(kernel, test);
            const actual = await deviceOutputs(device, kernel, test);
            for (const [name, values] of Object.entries(actual))
              expectClose(
                values,
                expected[name]!,
                kernel.tolerance,
                test.dtypes[name]!,
                `${kernel.name}(${JSON.stringify(test.example.params)}).${name}`,
              );
          });
          await fc.assert(property, { seed, numRuns: options.runs, endOnFailure: false });
        });
      }
  });
}
