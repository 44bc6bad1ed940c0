/** Every row of the op table on a device in f32, forward and gradient, against f64 on the reference backend. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyOp, contiguousStrides, ops, Random, sizeOf, Tensor } from '../../core/index.js';
import type { AnyOp, Device, DType, Shape } from '../../core/index.js';
import { cpu, drawFrom, useDevice } from './devices.js';

/** How an input lies in memory: in order, or as a view: last two dimensions swapped, or every second element. */
type Layout = 'plain' | 'view';

function makeTensor(device: Device, values: ArrayLike<number>, shape: Shape, dtype: DType, layout: Layout): Tensor {
  if (layout === 'plain' || shape.length === 0) return device.tensor(values, shape, { dtype });
  if (shape.length === 1) {
    const doubled = Array.from({ length: 2 * values.length }, (_, i) => (i % 2 === 0 ? values[i / 2]! : 1e6));
    return device.tensor(doubled, [2 * values.length], { dtype }).view(shape, [2]);
  }
  const [rows, cols] = shape.slice(-2) as [number, number];
  const swapped = [...shape.slice(0, -2), cols, rows];
  const moved = Array.from({ length: values.length }, (_, i) => {
    const [matrix, within] = [Math.floor(i / (rows * cols)), i % (rows * cols)];
    return values[matrix * rows * cols + (within % rows) * cols + Math.floor(within / rows)]!;
  });
  const strides = contiguousStrides(swapped);
  return device
    .tensor(moved, swapped, { dtype })
    .view(shape, [...strides.slice(0, -2), strides.at(-1)!, strides.at(-2)!]);
}

/**
 * Attributes made for the reference, on another device: tensors move, f64 becomes f32 (and a cast to f64 one to f16).
 */
export async function moveAttributes(attributes: unknown, device: Device): Promise<Record<string, unknown>> {
  const moved: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(attributes as object)) {
    if (value instanceof Tensor) {
      const dtype = value.dtype === 'f64' ? 'f32' : value.dtype;
      moved[name] = device.tensor(await value.read(), value.shape, { dtype });
    } else moved[name] = value === 'f64' ? 'f16' : value;
  }
  return moved;
}

interface Run {
  readonly output: ArrayLike<number>;
  readonly gradients: readonly (ArrayLike<number> | undefined)[];
}

interface Input {
  readonly shape: Shape;
  readonly values: readonly number[];
  readonly isIndex: boolean;
  readonly constant: boolean;
  readonly layout: Layout;
}

/** Runs a row forward and back. `projection` becomes d(loss)/d(output). */
function runRow(
  device: Device,
  row: AnyOp,
  inputs: readonly Input[],
  attributes: unknown,
  wide: 'f64' | 'f32',
  projection: (size: number) => number[],
): Promise<Run> {
  return device.scope(async () => {
    const tensors = inputs.map(({ shape, values, isIndex, constant, layout }) => {
      const tensor = makeTensor(device, values, shape, isIndex ? 'i32' : wide, isIndex ? 'plain' : layout);
      return constant ? tensor : tensor.trainable();
    });
    const y = applyOp(row, tensors, attributes);
    y.backward({ grad: device.tensor(projection(y.size), y.shape, { dtype: y.dtype }) });
    const gradients = await Promise.all(tensors.map(async ({ grad }) => (grad ? await grad.read() : undefined)));
    return { output: await y.read(), gradients };
  });
}

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, label: string): void {
  expect(actual).toHaveLength(expected.length);
  let scale = 0.1; // inputs are near 1: what cancels to less than this has lost those digits in any f32
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(actual[i]! - expected[i]!) <= tolerance * scale))
      expect.fail(`${label}[${i}] is ${actual[i]!}, f64 on cpu says ${expected[i]!} (largest ${scale})`);
}

/** Relative to the largest element of the buffer. Sums of some 40 products, so a few dozen roundings of 6e-8. */
const tolerances = { f32: 1e-5, f16: 2e-3 } as const;

/**
 * Declares the tests; `open` is called once, before them. It may return why there is no device: the tests are then
 * skipped.
 */
export function describeOps(title: string, open: () => Promise<Device | string>, runs = 10): void {
  describe(title, () => {
    const deviceOf = useDevice(open);

    for (const [name, row] of Object.entries<AnyOp>(ops))
      it(name, async () => {
        const target = deviceOf();
        const property = fc.asyncProperty(fc.gen(), fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (gen, seed) => {
          const random = new Random(seed);
          const draw = drawFrom(gen);
          await cpu.scope(async () => {
            const example = row.example(draw, cpu);
            const inputs = example.inputs.map<Input>(({ shape, dtype, values, range = [-2, 2], constant = false }) => {
              const drawn = () => range[0] + random.uniform() * (range[1] - range[0]);
              const numbers = values ?? Array.from({ length: sizeOf(shape) }, drawn);
              const isIndex = dtype === 'i32';
              const layout = draw.pick<Layout>(['plain', 'view']);
              return { shape, values: numbers.map(Math.fround), isIndex, constant: constant || isIndex, layout };
            });
            const projection = (size: number) => {
              const numbers = new Random(seed, 1);
              return Array.from({ length: size }, () => Math.fround(numbers.normal()));
            };
            const expected = await runRow(cpu, row, inputs, example.attributes, 'f64', projection);
            await target.scope(async () => {
              const attributes = await moveAttributes(example.attributes, target);
              const actual = await runRow(target, row, inputs, attributes, 'f32', projection);
              const tolerance = tolerances[Object.values(attributes).includes('f16') ? 'f16' : 'f32'];
              const shapes = inputs.map(({ shape, layout }) => `${layout} [${shape.join(', ')}]`).join(', ');
              expectNear(actual.output, expected.output, tolerance, `${name}(${shapes})`);
              expected.gradients.forEach((gradient, i) => {
                expect(actual.gradients[i] === undefined).toBe(gradient === undefined);
                if (gradient)
                  expectNear(actual.gradients[i]!, gradient, tolerance, `${name}(${shapes}), gradient ${i}`);
              });
            });
          });
        });
        await fc.assert(property, { seed: 20260607, numRuns: runs, endOnFailure: false });
      });
  });
}
