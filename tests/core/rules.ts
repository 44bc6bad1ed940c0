/**
 * Holds every kernel and op of a device to core/RULES.md: what is not a number stays none, and ruled out logits count
 * 0.
 */
import { describe, expect, it } from 'vitest';
import { applyOp, ops, Random, sizeOf } from '../../core/index.js';
import type { AnyOp, Device } from '../../core/index.js';
import {
  backendOutputs,
  checkCase,
  conformanceCase,
  difference,
  referenceOutputs,
  seededDraw,
} from '../../kernels/cases.js';
import { kernels } from '../../kernels/index.js';
import type { Kernel } from '../../kernels/index.js';
import { cpu, exampleTensors, useDevice } from './devices.js';
import { moveAttributes } from './ops.js';

/** Kernels that take logits, and their buffers: -infinity rules out a token. */
const logits: Readonly<Record<string, readonly string[]>> = {
  softmax: ['x'],
  log_softmax: ['x'],
  cross_entropy: ['logits'],
  cross_entropy_tokens: ['logits'],
  distillation_reverse_kl: ['student', 'teacher'],
  distillation_forward_kl: ['student', 'teacher'],
  divergence_stats: ['student', 'teacher'],
  sample_tokens: ['logits'],
  decode_draw: ['logits'],
};

/** Kernels whose results may have other NaN than the reference's, and why. */
const others: Readonly<Record<string, string>> = {
  sample_tokens: 'a NaN among scores is no score',
  decode_draw: 'likewise',
  rollout: 'likewise',
};
/** Ops through which a NaN need not come, and why. */
const passes: Readonly<Record<string, string>> = {
  gatherRows: 'its row may not be asked for',
  slice: 'it may be cut off',
  tokenCrossEntropy: 'the token of its row may be none',
};

/**
 * Where the second table of an index buffer begins, which is tried on its own too: a wrong entry of the rollout's first
 * one, where the parameters lie, ends it.
 */
const secondTable: Readonly<Record<string, (params: Readonly<Record<string, number>>) => number>> = {
  'rollout.plan': ({ layers }) => 12 * layers! + 4,
};
/** What no table has. */
const outside = [-1, -(2 ** 31), 2 ** 31 - 1, 1_000_003];

const streams = [0, 1, 2, 3, 4, 5];

/** In order. */
const upper = [0, 1e-30, 1e-6, 0.5, 1, 7.9, 8.5, 9.01, 9.5, 16, 30, 80, 86, 100, 1e10, 1e30, 3e38, Infinity];
const ends = [
  ...upper
    .slice(1)
    .toReversed()
    .map(x => -x),
  ...upper,
];

it('no kernel that takes logits is forgotten, and none is let off that is not there', () => {
  for (const { name, buffers } of kernels)
    for (const buffer of Object.keys(buffers))
      if (/^(logits|student|teacher)$/.test(buffer)) expect(logits[name], name).toContain(buffer);
  const names = kernels.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining([logits, others].flatMap(Object.keys)));
  expect(Object.keys(ops)).toEqual(expect.arrayContaining(Object.keys(passes)));
});

/** Declares the tests; `open` may return why there is no device: they are then skipped. */
export function describeRules(title: string, open: () => Promise<Device | string>): void {
  describe(title, () => {
    const deviceOf = useDevice(open);

    /** Runs examples with `value` put into some elements of a buffer, on the device and by the reference. */
    const check = async (kernel: Kernel, buffers: readonly string[], value: number) => {
      const device = deviceOf();
      for (const stream of streams)
        for (const name of buffers) {
          const random = new Random(stream, 1);
          const test = conformanceCase(kernel, kernel.example(seededDraw(3, stream)), 'f32', 1, stream);
          const values = test.inputs[name]!;
          const cols = test.example.params['cols'] ?? values.length;
          for (let count = Math.ceil(values.length / 16); count > 0; count--) {
            const at = random.integer(values.length);
            // a row of nothing but ruled out tokens has no distribution
            if (value === -Infinity && cols < 3) continue;
            if (value === -Infinity && (at % cols) % 3 !== 1) continue;
            for (const other of value === -Infinity ? buffers : [name]) test.inputs[other]![at] = value;
          }
          expect(await checkCase(device.backend, kernel, test)).toBeUndefined();
          if (value === -Infinity)
            for (const [name, output] of Object.entries(referenceOutputs(kernel, test)))
              if (!buffers.includes(name)) expect(output.some(Number.isNaN), `NaN in ${name}`).toBe(false);
        }
    };

    for (const kernel of kernels) {
      const floats = Object.entries(kernel.buffers).filter(
        ([, { kind, access }]) => kind === 'float' && access === 'read',
      );
      const names = floats.map(([name]) => name);
      if (names.length > 0 && !others[kernel.name]) it(`${kernel.name}: NaN`, () => check(kernel, names, NaN));
      if (logits[kernel.name])
        it(`${kernel.name}: logits of -infinity`, () => check(kernel, logits[kernel.name]!, -Infinity));
    }

    for (const kernel of kernels) {
      const indices = Object.entries(kernel.buffers).filter(
        ([, { kind, access }]) => kind === 'index' && access !== 'write',
      );
      if (indices.length > 0)
        it(`${kernel.name}: indices outside`, async () => {
          for (const stream of streams)
            for (const [name] of indices) {
              const random = new Random(stream, 2);
              const test = conformanceCase(kernel, kernel.example(seededDraw(5, stream)), 'f32', 1, stream);
              const values = test.inputs[name]!;
              const given = values.slice();
              for (const begin of [0, secondTable[`${kernel.name}.${name}`]?.(test.example.params)]) {
                if (begin === undefined) continue;
                values.set(given);
                for (let count = Math.ceil((values.length - begin) / 4); count > 0; count--)
                  values[begin + random.integer(values.length - begin)] = outside[random.integer(outside.length)]!;
                expect(await checkCase(deviceOf().backend, kernel, test)).toBeUndefined();
              }
            }
        });
    }

    for (const kernel of kernels.filter(({ name }) => /^(unary|binary)_/.test(name)))
      it(`${kernel.name} at the ends of the range`, async () => {
        // slopes of what is between 0 and 1 take nothing else
        const share = /_(tanh|sigmoid)_grad$/.test(kernel.name);
        const seconds = share ? [0, 0.5, 1] : ends;
        const firsts = kernel.name.endsWith('_grad') ? [-2, 0, 1] : ends;
        const pairs = 'x' in kernel.buffers ? ends.map(x => [x]) : firsts.flatMap(a => seconds.map(b => [a, b]));
        const [first, second] = [pairs.map(([a]) => a!), pairs.map(pair => pair[1] ?? 0)];
        const given = { x: first, a: first, b: second, y: first };
        const names = Object.keys(kernel.buffers) as (keyof typeof given)[];
        const test = {
          example: { params: { n: first.length }, lengths: {} },
          inputs: Object.fromEntries(names.map(name => [name, Float32Array.from(given[name])])),
          dtypes: Object.fromEntries(names.map(name => [name, 'f32' as const])),
        };
        const got = (await backendOutputs(deviceOf().backend, kernel, test))['y']!;
        const want = referenceOutputs(kernel, test)['y']!;
        pairs.forEach((pair, i) => {
          const label = `${kernel.name}(${pair.join(', ')})`;
          // as far off as WGSL allows
          const exp = kernel.name === 'unary_exp' ? Math.min(2 * Math.abs(pair[0]!), 200) * 2 ** -23 : 0;
          expect(difference(got.slice(i, i + 1), [want[i]!], kernel.tolerance + exp, 'f32', label)).toBeUndefined();
          if (pair.length === 1 && Math.abs(pair[0]!) === Infinity)
            expect(Math.abs(got[i]!), label).toBe(Math.abs(want[i]!));
          if (/_(tanh|sigmoid)$/.test(kernel.name)) expect(Math.abs(got[i]!), label).toBeLessThanOrEqual(1);
          if (/_(tanh|sigmoid|exp|relu|copy)$/.test(kernel.name) && i > 0)
            expect(got[i]!, `${label} is less than before`).toBeGreaterThanOrEqual(got[i - 1]!);
        });
      });

    for (const [name, row] of Object.entries<AnyOp>(ops))
      it(`op ${name}: NaN in, NaN out`, async () => {
        const device = deviceOf();
        let [put, seen] = [0, 0];
        for (const stream of streams)
          await device.scope(async () => {
            const example = row.example(seededDraw(4, stream), cpu);
            for (const [i, { dtype, shape }] of example.inputs.entries()) {
              if (dtype === 'i32' || sizeOf(shape) === 0) continue;
              const random = new Random(stream);
              const f32 = {
                ...example,
                inputs: example.inputs.map(x => ({ ...x, dtype: x.dtype ?? 'f32' })),
              };
              const inputs = exampleTensors(f32, () => random.uniform(), device);
              const values = Float32Array.from(await inputs[i]!.read());
              values[values.length - 1] = NaN;
              device.write(inputs[i]!, values);
              const attributes = await moveAttributes(example.attributes, device);
              put++;
              if ((await applyOp(row, inputs, attributes).read()).some(Number.isNaN)) seen++;
            }
          });
        if (!passes[name]) expect(seen, `of ${put}`).toBe(put);
      });
  });
}
