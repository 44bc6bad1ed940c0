/**
 * What recording and replaying must keep on every backend: a small network with attention, trained through a recorder
 * or without.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import {
  AdamW,
  add,
  attention,
  crossEntropy,
  gatherRows,
  layerNorm,
  linear,
  mul,
  Parameters,
  Random,
  Recorder,
  sum,
} from '../../../core/index.js';
import type { Device, HostArray, ParameterSpec, Tensor } from '../../../core/index.js';

const [width, heads, vocabulary] = [8, 2, 5];
const matrix = (name: string, rows: number, cols: number): ParameterSpec => ({
  ...{ name, shape: [rows, cols], group: 'matrix', init: { normal: 0.5 } },
});
const vector = (name: string, size: number, constant: number): ParameterSpec => ({
  ...{ name, shape: [size], group: 'vector', init: { constant } },
});
const specs = [
  matrix('embedding', vocabulary, width),
  matrix('qkv', width, 3 * width),
  vector('qkv.bias', 3 * width, 0),
  matrix('out', width, vocabulary),
  vector('out.bias', vocabulary, 0),
  vector('norm.gain', width, 1),
  vector('norm.bias', width, 0),
];

type InputName = 'tokens' | 'targets' | 'weights' | 'table';
type InputTensors = Readonly<Record<InputName, Tensor>>;

/** What a step is given: sequences of these lengths; everything follows from `step`. */
export function inputsOf(step: number, lengths: readonly number[]): Record<InputName, HostArray> {
  const rows = lengths.reduce((a, b) => a + b, 0);
  const random = new Random(4, 1, step);
  const starts = lengths.map((_, s) => lengths.slice(0, s).reduce((a, b) => a + b, 0));
  return {
    tokens: {
      values: Int32Array.from({ length: rows }, () => Math.floor(vocabulary * random.uniform())),
      dtype: 'i32',
    },
    targets: {
      values: Float32Array.from({ length: rows * vocabulary }, () => random.uniform() / vocabulary),
      shape: [rows, vocabulary],
    },
    weights: { values: new Float32Array(rows).fill(1 / rows) },
    table: {
      values: Int32Array.from(lengths.flatMap((length, s) => [starts[s]!, length, starts[s]!, length, 1, 0])),
      shape: [lengths.length, 6],
      dtype: 'i32',
    },
  };
}

export class Trainee {
  readonly parameters: Parameters;
  readonly optimizer: AdamW;

  constructor(device: Device) {
    this.parameters = new Parameters(device, specs);
    this.parameters.initialize(new Random(1, 1));
    this.optimizer = new AdamW(this.parameters);
  }

  loss({ tokens, targets, weights, table }: InputTensors): Tensor {
    const p = (name: string) => this.parameters.get(name);
    const x = gatherRows(p('embedding'), tokens);
    const qkv = linear(layerNorm(x, p('norm.gain'), p('norm.bias')), p('qkv'), p('qkv.bias'));
    const logits = linear(attention(qkv, { heads, table, maxLength: 6 }), p('out'), p('out.bias'));
    return sum(crossEntropy(logits, targets, weights));
  }

  /** One update through the recorder, with a learning rate that is another in every step. */
  async step(recorder: Recorder, step: number, lengths: readonly number[]): Promise<number> {
    const groups = this.optimizer.setRates({ matrix: 0.02 / (step + 1), vector: 0.01 * (1 + (step % 3)) });
    const { loss } = recorder.run(groups, inputsOf(step, lengths), inputs => {
      const loss = this.loss(inputs);
      loss.backward();
      this.optimizer.update();
      return { loss };
    });
    return await loss.item();
  }

  async state(): Promise<number[]> {
    const { m, v, state } = await this.optimizer.save();
    return [...(await this.parameters.flat.read()), ...m, ...v, ...state];
  }
}

const batches = [
  [3, 2, 4],
  [5, 1],
  [6, 6, 2, 2],
] as const;
export const always = () => batches[0];
/** The shape changes in every step, and each comes back. */
const ragged = (step: number) => batches[step % batches.length]!;

async function trajectory(
  device: Device,
  options: { readonly enabled?: boolean; readonly capacity?: number },
  lengths: (step: number) => readonly number[],
  steps = 9,
  between: (trainee: Trainee, step: number) => Promise<unknown> = () => Promise.resolve(),
) {
  const trainee = new Trainee(device);
  const recorder = new Recorder(device, options);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    losses.push(await trainee.step(recorder, step, lengths(step)));
    await between(trainee, step);
  }
  const result = { losses, state: await trainee.state(), statistics: recorder.statistics };
  recorder.dispose();
  trainee.optimizer.dispose();
  device.free(trainee.parameters.flat);
  return result;
}

/** The tests, on a device of any kind. */
export function testRecorder(open: () => Promise<Device>): void {
  let device: Device;
  beforeAll(async () => {
    device = await open();
  });
  afterAll(() => device.close());

  const eager = (lengths: (step: number) => readonly number[], steps?: number) =>
    trajectory(device, { enabled: false }, lengths, steps);

  it('takes the same steps as eager execution, bit by bit, with another learning rate in each', async () => {
    const [plain, recorded] = [await eager(always), await trajectory(device, {}, always)];
    expect(recorded.statistics).toMatchObject({ recordings: 1, replays: 7 });
    expect(recorded.losses).toEqual(plain.losses);
    expect(recorded.state).toEqual(plain.state);
    expect(plain.losses.at(-1)).toBeLessThan(plain.losses[0]!);
  });

  it('takes another shape in mid-run, and comes back to one', async () => {
    const [plain, recorded] = [await eager(ragged, 12), await trajectory(device, {}, ragged, 12)];
    expect(recorded.statistics).toMatchObject({ recordings: 3, replays: 6 });
    expect(recorded.losses).toEqual(plain.losses);
    expect(recorded.state).toEqual(plain.state);
  });

  it('sees more shapes than it keeps recordings for: the least recently used is evicted, results stay', async () => {
    const [plain, recorded] = [await eager(ragged, 12), await trajectory(device, { capacity: 2 }, ragged, 12)];
    expect(recorded.statistics.recordings).toBeLessThanOrEqual(2);
    expect(recorded.losses).toEqual(plain.losses);
    expect(recorded.state).toEqual(plain.state);
    const few = (step: number) => (step < 6 ? batches[0] : ragged(step % 2));
    const kept = await trajectory(device, { capacity: 2 }, few, 12);
    expect(kept.statistics.replays).toBeGreaterThan(4);
    expect(kept.state).toEqual((await eager(few, 12)).state);
  });

  it('leaves evaluations between steps alone, and they leave it alone', async () => {
    const evaluated: number[][] = [[], []];
    const evaluate = (into: number[]) => async (trainee: Trainee, step: number) => {
      into.push(
        await device.scope(async () => {
          return await trainee.loss(device.fromHost(inputsOf(100 + step, batches[2]))).item();
        }),
      );
    };
    const plain = await trajectory(device, { enabled: false }, always, 8, evaluate(evaluated[0]!));
    const recorded = await trajectory(device, {}, always, 8, evaluate(evaluated[1]!));
    expect(recorded.state).toEqual(plain.state);
    expect(evaluated[1]).toEqual(evaluated[0]);
  });

  it('resumes from a saved state as if nothing had happened', async () => {
    const straight = await eager(always, 8);
    const first = new Trainee(device);
    const recorder = new Recorder(device);
    for (let step = 0; step < 4; step++) await first.step(recorder, step, always());
    const [values, moments] = [await first.parameters.save(), await first.optimizer.save()];
    recorder.dispose();
    const second = new Trainee(device);
    await second.parameters.load(values);
    second.optimizer.load(moments);
    const other = new Recorder(device);
    const losses: number[] = [];
    for (let step = 4; step < 8; step++) losses.push(await second.step(other, step, always()));
    expect(losses).toEqual(straight.losses.slice(4));
    expect(await second.state()).toEqual(straight.state);
    other.dispose();
  });

  it('takes a tree of inputs: nested objects, arrays, undefined members', async () => {
    const recorder = new Recorder(device);
    const step = async (k: number, scale: number | undefined) => {
      const array = (...values: number[]) => ({ values: Float32Array.from(values, value => value + k) });
      const inputs = {
        images: [array(1, 2), array(3, 4)],
        text: { rows: { values: [1, 0], dtype: 'i32' }, scale: scale === undefined ? undefined : { values: [scale] } },
      } as const;
      const { y } = recorder.run('tree', inputs, ({ images: [a, b], text }) => {
        const x = gatherRows(add(a, b).view([2, 1]), text.rows);
        return { y: [text.scale ? mul(x, text.scale) : x] as const };
      });
      return Array.from(await y[0].read());
    };
    for (let k = 0; k < 4; k++) {
      expect(await step(k, undefined)).toEqual([6 + 2 * k, 4 + 2 * k]);
      expect(await step(k, 10)).toEqual([60 + 20 * k, 40 + 20 * k]);
    }
    expect(recorder.statistics).toMatchObject({ recordings: 2, replays: 4 });
    recorder.dispose();
  });

  it('records again when memory from outside was freed', async () => {
    const recorder = new Recorder(device);
    const step = async (factor: Tensor) => {
      const { y } = recorder.run('scale', { x: { values: Float32Array.of(1, 2, 3) } }, ({ x }) => ({
        y: mul(x, factor),
      }));
      return Array.from(await y.read());
    };
    const two = device.full([1], 2);
    for (let i = 0; i < 3; i++) expect(await step(two)).toEqual([2, 4, 6]);
    device.free(two);
    const three = device.full([1], 3);
    for (let i = 0; i < 3; i++) expect(await step(three)).toEqual([3, 6, 9]);
    recorder.dispose();
    device.free(three);
  });

  it('allocates nothing and reads nothing back in a steady step', async () => {
    const trainee = new Trainee(device);
    const recorder = new Recorder(device);
    for (let step = 0; step < 4; step++) await trainee.step(recorder, step, always());
    const before = device.memory();
    const { backend } = device;
    const spies = (['allocate', 'free', 'read'] as const).map(name => vi.spyOn(backend, name));
    for (let step = 4; step < 7; step++) {
      const groups = trainee.optimizer.setRates({ matrix: 0.01 / step, vector: 0.02 });
      recorder.run(groups, inputsOf(step, always()), () => {
        throw new Error('a steady step does not run its body');
      });
    }
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
    const after = device.memory();
    expect(after.allocations).toBe(before.allocations);
    expect(after.liveBytes).toBe(before.liveBytes);
    recorder.dispose();
  });
}
