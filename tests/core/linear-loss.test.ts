/** Losses of linear heads: equal to those of all logits, chosen by size, bounded in memory; see linear-loss.ts beside this. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CpuBackend } from '../../core/backends/cpu.js';
import { DryBackend } from '../../core/backends/dry.js';
import {
  crossEntropy,
  Device,
  gradcheck,
  linearCrossEntropy,
  linearReverseKl,
  lossChunkRows,
  mul,
  noGrad,
  openDevice,
  Recorder,
  square,
  sum,
  tokenCrossEntropy,
} from '../../core/index.js';
import type { HostArray, Tensor } from '../../core/index.js';
import { cpu, drawFrom } from './devices.js';
import { chunksOf, describeLinearLoss, evaluate, fromLogits, inChunks, launchesOf, losses, makeInputs } from './linear-loss.js'; // prettier-ignore
import type { LossName } from './linear-loss.js';

describeLinearLoss('losses of linear heads on cpu', () => Promise.resolve(new Device(new CpuBackend())), false);
describeLinearLoss('losses of linear heads on wasm', () => openDevice('wasm', { threads: 1 }), true);

describe('rows of a chunk', () => {
  const anywhere = { maxBufferBytes: 2 ** 32 };

  it('are all rows up to 32 MiB of logits, then a power of two, and never fewer than 128 where there is room', () => {
    expect(lossChunkRows(1, 128, anywhere)).toBe(64);
    expect(lossChunkRows(7000, 128, anywhere)).toBe(7040);
    expect(lossChunkRows(1024, 8192, anywhere)).toBe(1024);
    expect(lossChunkRows(1025, 8192, anywhere)).toBe(1024);
    expect(lossChunkRows(1024, 32768, anywhere)).toBe(256);
    expect(lossChunkRows(1024, 151936, anywhere)).toBe(128);
    expect(lossChunkRows(1024, 151936, { maxBufferBytes: 2 ** 26 })).toBe(64);
  });

  it('are a multiple of 64, no more than there are, and their logits fit into a buffer', () => {
    const sizes = [fc.integer({ min: 1, max: 20000 }), fc.integer({ min: 2, max: 200000 })] as const;
    fc.assert(
      fc.property(...sizes, fc.constantFrom(2 ** 27, 2 ** 28, 2 ** 32), (rows, vocabulary, maxBufferBytes) => {
        const chunk = lossChunkRows(rows, vocabulary, { maxBufferBytes });
        expect(chunk % 64).toBe(0);
        expect(chunk).toBeLessThan(rows + 64);
        expect(4.5 * chunk * vocabulary).toBeLessThanOrEqual(maxBufferBytes);
      }),
      { seed: 20260606 },
    );
  });

  it('the smallest shapes that select two chunks by themselves', () => {
    for (const [shape, chunks] of [
      [{ rows: 128, width: 1, vocabulary: 65536 }, [128]],
      [{ rows: 129, width: 1, vocabulary: 65536 }, [128, 1]],
    ] as const)
      cpu.scope(() => {
        const inputs = makeInputs(cpu, { ...shape, dtype: 'f32' });
        expect(chunksOf(launchesOf(cpu, () => noGrad(() => inChunks('cross-entropy', inputs, undefined))).launches)).toEqual(chunks); // prettier-ignore
      });
  });

  it('can be given, as multiples of 64', () => {
    const inputs = makeInputs(cpu, { rows: 65, width: 1, vocabulary: 3 });
    expect(chunksOf(launchesOf(cpu, () => inChunks('JSD', inputs, 64)).launches)).toEqual([64, 1]);
    expect(chunksOf(launchesOf(cpu, () => inChunks('JSD', inputs, 128)).launches)).toEqual([65]);
    for (const chunkRows of [0, 32, 100, 1.5, -64])
      expect(() => inChunks('JSD', inputs, chunkRows)).toThrow(/chunkRows is .* must be a multiple of 64/);
  });
});

describe('memory', () => {
  const [width, vocabulary] = [16, 4096];
  /** Bytes beyond the inputs at the peak of a step, forward and backward. */
  const peakOf = (name: LossName, rows: number, form: 'chunks' | 'logits') => {
    const device = new Device(new DryBackend(new CpuBackend().capabilities));
    return device.scope(() => {
      const inputs = makeInputs(device, { rows, width, vocabulary });
      const before = device.memory().liveBytes;
      device.scope(() => {
        (form === 'chunks' ? inChunks(name, inputs, 64) : fromLogits(name, inputs)).loss.backward();
      });
      return device.memory().peakBytes - before;
    });
  };

  it.each(losses)('%s: that of a chunk, and of gradients; more rows add what is as wide as x', name => {
    const [few, many] = [peakOf(name, 256, 'chunks'), peakOf(name, 4096, 'chunks')];
    const chunk = 64 * vocabulary * 4;
    const weights = width * vocabulary * 4;
    expect(few).toBeLessThan(1.2 * (3 * chunk + 2 * weights));
    expect(many - few).toBeLessThan(1.2 * (4096 - 256) * 4 * (2 * width + 16));
    expect(peakOf(name, 4096, 'logits')).toBeGreaterThan(2 * 4096 * vocabulary * 4);
  });
});

describe('linear losses', () => {
  it('form no gradients where nobody will ask for them', () => {
    cpu.scope(() => {
      const inputs = makeInputs(cpu, { rows: 130, width: 3, vocabulary: 7 });
      const products = (body: () => unknown) =>
        launchesOf(cpu, body).launches.filter(([name]) => name.startsWith('matmul')).length;
      expect(products(() => noGrad(() => inChunks('cross-entropy', inputs, 64)))).toBe(3);
      expect(products(() => inChunks('cross-entropy', inputs, 64))).toBe(9);
    });
  });

  it('pass the gradient check through a layer before the head, with what flows in not 1', async () => {
    const property = fc.asyncProperty(fc.gen(), async gen => {
      const draw = drawFrom(gen);
      const shape = { rows: draw.pick([3, 66]), width: draw.pick([1, 3]), vocabulary: draw.pick([2, 5]) };
      const [name, turned] = [draw.pick(losses), draw.pick([true, false])];
      await cpu.scope(async () => {
        const inputs = makeInputs(cpu, { ...shape, turned, dtype: 'f64' });
        const { x, w, bias } = inputs.student;
        const f = (...[a, b, c]: Tensor[]) => {
          const { loss } = inChunks(name, { ...inputs, student: { x: square(a!), w: b!, bias: c! } }, 64);
          return mul(loss, loss);
        };
        const report = await gradcheck(f, [x, w, bias], { tolerance: 1e-5 });
        expect(report.ok, JSON.stringify(report.worst)).toBe(true);
      });
    });
    await fc.assert(property, { seed: 20260606, numRuns: 6, endOnFailure: false });
  });

  it('give on wasm the same bits when they are recorded and replayed', async () => {
    const device = await openDevice('wasm', { threads: 1 });
    const weights = [device.keep(device.tensor(Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)), [3, 4]).trainable()), device.keep(device.zeros([4]).trainable())] as const; // prettier-ignore
    const inputsOf = (step: number) => ({
      x: { values: Float32Array.from({ length: 390 }, (_, i) => Math.cos(i + step)), shape: [130, 3] },
      tokens: { values: Int32Array.from({ length: 130 }, (_, i) => (i * step) % 4), dtype: 'i32' },
      weight: { values: new Float32Array(130).fill(1 / 130) },
    }) satisfies Record<string, HostArray>; // prettier-ignore
    const run = async (recorder: Recorder) => {
      const seen: number[][] = [];
      for (let step = 1; step < 5; step++)
        await device.scope(async () => {
          const result = recorder.run('step', inputsOf(step), ({ x, tokens, weight }) => {
            const [w, bias] = weights;
            const { loss, rows } = linearCrossEntropy({ x, w, bias }, tokens, weight, { chunkRows: 64 });
            loss.backward();
            const gradient = w.grad!;
            w.grad = bias.grad = undefined;
            return { loss, rows, gradient };
          });
          for (const tensor of Object.values(result)) seen.push(Array.from(await tensor.read()));
        });
      return seen;
    };
    const recorder = new Recorder(device);
    expect(await run(recorder)).toEqual(await run(new Recorder(device, { enabled: false })));
    expect(recorder.statistics.replays).toBe(2);
    await device.close();
  });

  it('of tokens have on wasm the bits of one-hot targets', async () => {
    const device = await openDevice('wasm', { threads: 1 });
    for (const [rows, cols] of [
      [1, 1],
      [5, 7],
      [9, 128],
    ] as const)
      // prettier-ignore
      await device.scope(async () => {
        const logits = device.tensor(Float32Array.from({ length: rows * cols }, (_, i) => 5 * Math.sin(i * i)), [rows, cols]).trainable(); // prettier-ignore
        const tokens = Int32Array.from({ length: rows }, (_, i) => (3 * i) % cols);
        const oneHot = new Float32Array(rows * cols);
        tokens.forEach((token, i) => (oneHot[i * cols + token] = 1));
        const weight = device.tensor(Float32Array.from({ length: rows }, (_, i) => 0.3 - i));
        const evaluated = async (loss: Tensor) => {
          logits.grad = undefined;
          sum(loss).backward();
          return [...(await loss.read()), ...(await logits.grad!.read())];
        };
        const [sparse, dense] = [
          await evaluated(tokenCrossEntropy(logits, device.tensor(tokens, [rows], { dtype: 'i32' }), weight)),
          await evaluated(crossEntropy(logits, device.tensor(oneHot, [rows, cols]), weight)),
        ];
        expect(sparse).toEqual(dense);
      });
    await device.close();
  });

  it('say what does not fit', () => {
    const { student, teacher, tokens, weight, floor } = makeInputs(cpu, { rows: 4, width: 3, vocabulary: 5 });
    const other = makeInputs(cpu, { rows: 4, width: 2, vocabulary: 6 }).teacher;
    const cases: [() => unknown, RegExp][] = [
      [() => linearCrossEntropy({ ...student, w: other.w }, tokens, weight), /x \[4, 3\], w \[2, 6\] and bias \[5\] must be \[rows, width\]/],
      [() => linearCrossEntropy(student, weight, weight), /tokens must be i32 \[4\], not f32 \[4\]/],
      [() => linearCrossEntropy(student, tokens, floor), /weight \[1\] must be \[4\]/],
      [() => linearReverseKl(student, other, weight, floor), /the teacher's head gives \[4, 6\] logits, the student's \[4, 5\]/],
      [() => linearReverseKl(student, teacher, weight, floor, { gradientScale: weight }), /gradientScale \[4\] must be one number/],
      [() => tokenCrossEntropy(student.x, floor, weight), /needs one i32 token per row, got f32 \[1\] for \[4, 3\]/],
    ]; // prettier-ignore
    for (const [call, message] of cases) expect(call).toThrow(message);
  });

  it('of no rows are 0, and so are their gradients', async () => {
    await cpu.scope(async () => {
      const inputs = makeInputs(cpu, { rows: 0, width: 3, vocabulary: 5, dtype: 'f64' });
      const { loss, w, bias } = await evaluate(inputs, inChunks('reverse KL', inputs, undefined));
      expect([...loss, ...w, ...bias]).toEqual(new Array(1 + 15 + 5).fill(0));
    });
  });
});
