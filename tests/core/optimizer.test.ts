import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  AdamW,
  linear,
  matmul,
  openDevice,
  Parameters,
  Random,
  sizeOf,
  square,
  stateFields,
  sum,
  transpose,
} from '../../core/index.js';
import type { AdamWOptions, Device, ParameterSpec } from '../../core/index.js';
import { cpu } from './devices.js';

const specs: ParameterSpec[] = [
  { name: 'matrix', shape: [5, 7], group: 'decayed', init: { normal: 1 } },
  { name: 'bias', shape: [7], group: 'plain', init: { normal: 1 } },
  { name: 'second', shape: [3], group: 'decayed', init: { normal: 1 } },
  { name: 'ice', shape: [4], group: 'frozen', init: { normal: 1 } },
];
const options = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.1, maxNorm: 2 };
const steps = 10;
const rateAt = (step: number) => 0.05 / (step + 1);

/**
 * Gradients of a step by name. Step 3 holds a NaN, step 6 an infinity; those of step 7 and 8 are far longer than
 * maxNorm.
 */
function gradientsAt(step: number): Map<string, Float32Array> {
  const random = new Random(9, 1, step);
  const size = step >= 7 ? 30 : 0.2;
  const gradients = new Map(
    specs.map(({ name, shape }) => [name, Float32Array.from({ length: sizeOf(shape) }, () => size * random.normal())]),
  );
  if (step === 3) gradients.get('bias')![2] = NaN;
  if (step === 6) gradients.get('matrix')![11] = Infinity;
  return gradients;
}

interface Slot {
  value: number[];
  m: number[];
  v: number[];
}

/**
 * AdamW as in the paper's algorithm 2, with clipping by global norm before it, in plain loops; skips what is not
 * finite.
 */
class PlainAdamW {
  readonly slots = new Map<string, Slot>();
  taken = 0;
  skipped = 0;
  norm = 0;

  constructor(initial: ReadonlyMap<string, ArrayLike<number>>) {
    for (const [name, value] of initial)
      this.slots.set(name, { value: Array.from(value), m: Array.from(value, () => 0), v: Array.from(value, () => 0) });
  }

  step(gradients: ReadonlyMap<string, ArrayLike<number>>, rates: Readonly<Record<string, number>>): void {
    const active = specs.filter(({ group }) => (rates[group] ?? 0) > 0);
    const squares = active.flatMap(({ name }) => Array.from(gradients.get(name)!, g => g ** 2));
    this.norm = Math.sqrt(squares.reduce((a, b) => a + b, 0));
    if (!Number.isFinite(this.norm)) {
      this.skipped++;
      return;
    }
    this.taken++;
    const clip = Math.min(1, options.maxNorm / this.norm);
    for (const { name, group } of active) {
      const { value, m, v } = this.slots.get(name)!;
      const decay = group === 'decayed' ? options.weightDecay : 0;
      for (let i = 0; i < value.length; i++) {
        const g = gradients.get(name)![i]! * clip;
        m[i] = options.beta1 * m[i]! + (1 - options.beta1) * g;
        v[i] = options.beta2 * v[i]! + (1 - options.beta2) * g ** 2;
        const mHat = m[i]! / (1 - options.beta1 ** this.taken);
        const vHat = v[i]! / (1 - options.beta2 ** this.taken);
        value[i]! -= rates[group]! * (mHat / (Math.sqrt(vHat) + options.epsilon) + decay * value[i]!);
      }
    }
  }
}

let wasm: Device;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
});
afterAll(() => wasm.close());

function setUp(device: Device, changes: AdamWOptions = {}) {
  const parameters = new Parameters(device, specs);
  parameters.initialize(new Random(4));
  return { parameters, optimizer: new AdamW(parameters, { ...options, noDecay: ['plain', 'frozen'], ...changes }) };
}

/** One update with given gradients, as if `backward` had left them. */
function update(
  { parameters, optimizer }: ReturnType<typeof setUp>,
  gradients: ReadonlyMap<string, Float32Array>,
  rates: Readonly<Record<string, number>>,
): void {
  const { device } = parameters;
  device.scope(() => {
    for (const [name, values] of gradients)
      parameters.get(name).grad = device.tensor(values, parameters.get(name).shape);
    optimizer.step(rates);
  });
}

describe.each(['cpu', 'wasm'] as const)('AdamW on %s', name => {
  const open = () => (name === 'cpu' ? cpu : wasm);

  it('follows the written-out algorithm over 10 steps: decay, clipping, frozen groups, steps that are skipped', async () => {
    const tested = setUp(open());
    const { parameters, optimizer } = tested;
    const plain = new PlainAdamW(await parameters.save());
    const start = await parameters.save();
    let clipped = 0;
    for (let step = 0; step < steps; step++) {
      const rate = rateAt(step);
      const rates = { decayed: rate, plain: 2 * rate, frozen: step === 5 ? rate : 0 }; // thawed once
      const before = await optimizer.save();
      update(tested, gradientsAt(step), rates);
      plain.step(gradientsAt(step), rates);
      const after = await optimizer.save();
      const values = await parameters.save();
      for (const [key, slot] of plain.slots) {
        const { offset, length } = parameters.ranges.get(key)!;
        for (let i = 0; i < length; i++) {
          expect(values.get(key)![i], `${key}[${i}] after step ${step}`).toBeCloseTo(slot.value[i]!, 5);
          expect(after.m[offset + i], `m of ${key}[${i}] after step ${step}`).toBeCloseTo(slot.m[i]!, 5);
          expect(after.v[offset + i], `v of ${key}[${i}] after step ${step}`).toBeCloseTo(slot.v[i]!, 5);
        }
      }
      if (step < 5) expect(values.get('ice')).toEqual(start.get('ice')); // not even decay
      const state = (field: (typeof stateFields)[number]) => after.state[stateFields.indexOf(field)]!;
      expect([state('step'), state('skipped')]).toEqual([plain.taken, plain.skipped]);
      if (step === 3 || step === 6) {
        expect({ m: after.m, v: after.v }).toEqual({ m: before.m, v: before.v });
        expect(state('finite')).toBe(0);
      } else {
        expect(state('norm') / plain.norm).toBeCloseTo(1, 5);
        if (plain.norm > options.maxNorm) clipped++;
      }
    }
    expect([plain.taken, plain.skipped, clipped]).toEqual([8, 2, 3]);
  });

  it('leaves every bit as it was when a gradient is not finite', async () => {
    const tested = setUp(open());
    update(tested, gradientsAt(0), { decayed: 0.1, plain: 0.1 });
    const before = [await tested.parameters.flat.read(), await tested.optimizer.save()] as const;
    update(tested, gradientsAt(3), { decayed: 0.1, plain: 0.1 });
    const after = [await tested.parameters.flat.read(), await tested.optimizer.save()] as const;
    expect(after[0]).toEqual(before[0]);
    expect([after[1].m, after[1].v]).toEqual([before[1].m, before[1].v]);
  });

  it('does not look at gradients of frozen groups', async () => {
    const tested = setUp(open());
    const gradients = gradientsAt(0);
    gradients.get('ice')!.fill(NaN);
    update(tested, gradients, { decayed: 0.1, plain: 0.1 });
    const { state } = await tested.optimizer.save();
    expect(state[stateFields.indexOf('skipped')]).toBe(0);
  });

  it('counts missing gradients as zero, clears those that were used, and switches clipping off with maxNorm 0', async () => {
    const tested = setUp(open(), { maxNorm: 0, weightDecay: 0 });
    const before = await tested.parameters.save();
    const gradients = new Map([['matrix', gradientsAt(8).get('matrix')!]]); // long
    update(tested, gradients, { decayed: 0.1, plain: 0.1 });
    expect([...tested.parameters.entries()].every(([, { grad }]) => grad === undefined)).toBe(true);
    const after = await tested.parameters.save();
    expect(after.get('bias')).toEqual(before.get('bias'));
    const { m, state } = await tested.optimizer.save();
    expect(state[stateFields.indexOf('clip')]).toBe(1);
    expect(m[0]! / gradients.get('matrix')![0]!).toBeCloseTo(0.1, 5);
  });

  it('has gradients where it updates from, by its own backward, and updates as from those that are copied there', async () => {
    const rates = { decayed: 0.1, plain: 0.1 };
    const after = [true, false].map(isOwn => {
      const { parameters, optimizer } = setUp(open());
      const p = (name: string) => parameters.get(name);
      const { device } = parameters;
      const x = device.keep(device.tensor(gradientsAt(8).get('matrix')!, [7, 5]));
      optimizer.setRates(rates);
      for (let step = 0; step < 2; step++)
        device.scope(() => {
          const y = linear(x, p('matrix'), p('bias')); // (7, 7)
          const z = add(matmul(matmul(y, transpose(p('matrix'))), p('matrix')), p('bias')); // each more than once
          const loss = sum(square(z));
          if (isOwn) optimizer.backward(loss);
          else loss.backward();
          const inPlace = ['matrix', 'bias', 'second', 'ice'].map(name => {
            const { storage, offset } = p(name).grad ?? {};
            return storage === p('matrix').grad!.storage && offset === parameters.ranges.get(name)!.offset;
          });
          expect(inPlace).toEqual([true, isOwn, false, false]);
          optimizer.step(rates);
        });
      device.free(x);
      return parameters.flat.read();
    });
    const [own, copied] = await Promise.all(after);
    expect(own).toEqual(copied);
  });

  it('goes on from a saved state as if it had not been stopped', async () => {
    const rates = { decayed: 0.1, plain: 0.1, frozen: 0.1 };
    const straight = setUp(open());
    for (let step = 0; step < 3; step++) update(straight, gradientsAt(step), rates);
    const resumed = setUp(open());
    await resumed.parameters.load(await straight.parameters.save());
    resumed.optimizer.load(await straight.optimizer.save());
    for (const step of [4, 5, 7]) for (const run of [straight, resumed]) update(run, gradientsAt(step), rates);
    expect(await resumed.parameters.flat.read()).toEqual(await straight.parameters.flat.read());
    expect(await resumed.optimizer.save()).toEqual(await straight.optimizer.save());
  });
});
