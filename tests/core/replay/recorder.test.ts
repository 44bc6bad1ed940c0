/** Recording and replaying: on cpu and wasm, and what the recorder refuses. */
import { describe, expect, it } from 'vitest';
import { assignRegions } from '../../../core/replay/recording.js';
import { add, Device, formatRecording, mul, openDevice, Recorder, sum } from '../../../core/index.js';
import { CpuBackend } from '../../../core/backends/cpu.js';
import { always, testRecorder, Trainee } from './recorder.js';

describe('on cpu', () => {
  testRecorder(() => openDevice('cpu'));
});

describe('on wasm', () => {
  testRecorder(() => openDevice('wasm', { threads: 1 }));
});

const x = { x: { values: Float32Array.of(1, 2) } };

describe('a recorder', () => {
  const device = new Device(new CpuBackend());

  it('gives eager steps and replays in the same words', () => {
    const recorder = new Recorder(device, { enabled: false });
    let runs = 0;
    for (let i = 0; i < 4; i++) recorder.run('a', x, inputs => ({ y: (runs++, sum(inputs.x)) }));
    expect(runs).toBe(4);
    expect(recorder.statistics).toEqual({ recordings: 0, replays: 0, bytes: 0 });
  });

  it('tells of a number that changes but was left in the step', () => {
    const recorder = new Recorder(device);
    const step = (rate: number) => recorder.run('a', x, inputs => ({ y: mul(inputs.x, device.full([1], rate)) }));
    step(1);
    expect(() => step(0.5)).toThrow(
      /the step "a \{x:f32\[2\]\}" cannot be recorded: the host writes other values .*pass what changes between steps as an input/,
    );
  });

  it('tells of a tensor that is made anew outside of every step', () => {
    const recorder = new Recorder(device);
    const step = () => {
      const outside = device.full([2], 3);
      return recorder.run('a', x, inputs => ({ y: add(inputs.x, outside) }));
    };
    step();
    step();
    step();
    expect(step).toThrow(/operand b of launch 0 \(binary_add\) is another tensor in the next step/);
  });

  it('refuses a read-back inside, and names the tensor', () => {
    const recorder = new Recorder(device);
    const reads = () =>
      recorder.run('a', x, inputs => {
        const y = sum(inputs.x);
        void y.item();
        return { y };
      });
    expect(reads).toThrow(/it reads a tensor \[\] \(made by .*\) back to the host: return the tensor/);
  });

  it('refuses asynchronous steps, tensors that are kept, and writes to tensors from outside', () => {
    const recorder = new Recorder(device);
    expect(() => recorder.run('a', x, inputs => Promise.resolve({ y: sum(inputs.x) }))).toThrow(/asynchronous/);
    expect(() => recorder.run('b', x, inputs => ({ kept: device.keep(sum(inputs.x)).size }))).toThrow(
      /is kept beyond its end/,
    );
    const outside = device.zeros([2]);
    const writes = () =>
      recorder.run('c', x, inputs => {
        device.write(outside, [1, 2]);
        return { y: add(inputs.x, outside) };
      });
    expect(writes).toThrow(/writes into a tensor \[2\] .* made outside of it: write it before/);
  });

  it('tells the same arrays in another nesting apart', () => {
    const recorder = new Recorder(device);
    const [a, b] = [{ values: Float32Array.of(1) }, { values: Float32Array.of(2) }];
    const nestings: object[] = [
      { a, b },
      { a: { a, b } },
      { a: [a, b] },
      { a: { a }, b },
      [a, b],
      [a, undefined, b],
      { b, a },
    ];
    for (const nesting of nestings)
      for (let i = 0; i < 3; i++) recorder.run('k', nesting, () => ({ y: device.full([1], 0) }));
    expect(recorder.statistics).toMatchObject({ recordings: nestings.length, replays: nestings.length });
    expect([...recorder.recordings().keys()].slice(0, 3)).toEqual([
      'k {a:f32[1],b:f32[1]}',
      'k {a:{a:f32[1],b:f32[1]}}',
      'k {a:[f32[1],f32[1]]}',
    ]);
    recorder.dispose();
  });

  it('refuses inputs that are no arrays, and names them', () => {
    const recorder = new Recorder(device);
    const run = (inputs: object) => () => recorder.run('a', inputs, () => ({}));
    expect(run({ text: { rate: 0.5 } })).toThrow(/input text.rate is 0.5, not an array for the device: pass/);
    expect(run({ images: [x.x, new Map()] })).toThrow(/input images\[1\] is a Map/);
  });

  it('takes integers for sizes: another one is another recording', () => {
    const recorder = new Recorder(device);
    for (const size of [2, 3, 2, 2, 3, 3])
      expect(recorder.run('k', { size }, ({ size: n }) => ({ y: device.full([n], 0) })).y.shape).toEqual([size]);
    expect(recorder.statistics).toMatchObject({ recordings: 2, replays: 2 });
    recorder.dispose();
  });

  it('restores a constant that the step itself writes over', async () => {
    const recorder = new Recorder(device);
    const { assign } = await import('../../../core/primitives.js');
    const step = async (value: number) => {
      const { y } = recorder.run('a', { x: { values: Float32Array.of(value) } }, inputs => {
        const sums = device.zeros([2]);
        const twice = add(sums, sums); // reads zeros, if nobody has written over them
        assign(sums.view([1], [1], 0), inputs.x);
        return { y: add(twice, sums) };
      });
      return Array.from(await y.read());
    };
    for (const value of [1, 2, 3, 4]) expect(await step(value)).toEqual([value, 0]);
    expect(recorder.statistics.replays).toBe(2);
  });

  it('prints a step as a table: kernel, operands, FLOP, bytes', async () => {
    const trainee = new Trainee(device);
    const recorder = new Recorder(device);
    for (let step = 0; step < 3; step++) await trainee.step(recorder, step, always());
    const [key, trace] = [...recorder.recordings()][0]!;
    expect(key).toContain('targets:f32[9,5]');
    const lines = formatRecording(trace).split('\n');
    expect(lines[0]).toMatch(/^kernel +operands +FLOP +bytes$/);
    // 2 * 9 * 8 * 24 = 3456
    expect(lines.find(line => line.startsWith('matmul_nn_bias'))).toMatch(/\[9, 8\] \[8, 24\] .* 3456 +\d+$/);
    expect(lines.at(-1)).toMatch(new RegExp(`^${trace.launches.length} launches +\\d+ +\\d+$`));
    recorder.dispose();
  });

  it('gives all memory back', async () => {
    const trainee = new Trainee(device);
    const before = device.memory();
    const recorder = new Recorder(device);
    for (let step = 0; step < 4; step++) await device.scope(() => trainee.step(recorder, step, [1 + (step % 2)]));
    expect(device.memory().liveBytes).toBeGreaterThan(before.liveBytes);
    recorder.dispose();
    expect(device.memory().liveBuffers).toBe(before.liveBuffers);
  });
});

describe('memory by lifetime', () => {
  it('shares a region between buffers that do not live together, the largest first', () => {
    const buffers = [
      { bytes: 100, firstUse: 0, lastUse: 1 },
      { bytes: 200, firstUse: 1, lastUse: 2 },
      { bytes: 50, firstUse: 2, lastUse: 3 },
      { bytes: 150, firstUse: 3, lastUse: 4 },
    ];
    expect(assignRegions(buffers, [])).toEqual({ regions: [1, 0, 1, 0], made: [200, 100] });
  });

  it('takes regions that are there, the smallest that holds a buffer', () => {
    const buffers = [
      { bytes: 100, firstUse: 0, lastUse: 1 },
      { bytes: 90, firstUse: 1, lastUse: 2 },
    ];
    expect(assignRegions(buffers, [500, 120, 80])).toEqual({ regions: [1, 0], made: [] });
  });
});
