/** Recorded updates on wasm, and padding. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice, Random } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { padBatch } from '../../../models/index.js';
import { drawPuzzles } from '../../../mgsd/method/puzzles.js';
import { packTraces, renderPuzzles } from '../../../mgsd/method/packing.js';
import { computeTerm, supervisedTerm } from '../../../mgsd/method/stages/loss-term.js';
import { planTrace } from '../../../mgsd/method/targets.js';
import { cpu } from '../../core/devices.js';
import { randomModel } from '../../models/miniature.js';
import { groups } from '../miniature-run.js';
import { testReplayedStages } from './replay.js';

let wasm: Device;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
});
afterAll(() => wasm.close());

describe('recorded updates on wasm', () => {
  testReplayedStages(() => wasm, 12);
});

describe('padding to buckets', () => {
  const random = new Random(3);
  const puzzles = drawPuzzles(groups, random, 5);
  const traces = puzzles.map(({ world, instance }) => planTrace(world, instance, random));

  it('adds rows and outputs that name nothing, in a sequence of their own', () => {
    const model = randomModel(cpu, 1);
    const packed = packTraces(puzzles, traces, 'symbolic', model.config);
    const padded = padBatch(packed);
    expect(padded.table.rows % 64).toBe(0);
    expect(padded.outputs.length % 64).toBe(0);
    expect(padded.table.spans.at(-1)).toEqual({ length: padded.table.rows - packed.table.rows, prefix: 0 });
    expect(padded.table.maxLength).toBeGreaterThanOrEqual(Math.max(...padded.table.spans.map(({ length }) => length)));
    expect(Array.from(padded.tokens.subarray(0, packed.table.rows))).toEqual(Array.from(packed.tokens));
    expect(padded.tokens.subarray(packed.table.rows).every(token => token === -1)).toBe(true);
    expect(padded.outputs.subarray(packed.outputs.length).every(row => row === -1)).toBe(true);
    model.dispose();
  });

  it.each(['image', 'symbolic'] as const)('changes neither loss nor gradients of %s batches', async mode => {
    const gradients = async (inBuckets: boolean) => {
      const model = randomModel(cpu, 1, { dtype: 'f64' });
      const images = mode === 'image' && { images: renderPuzzles(puzzles, model.config) };
      const packed = packTraces(puzzles, traces, mode, model.config);
      const { loss } = computeTerm(cpu, supervisedTerm(model, puzzles, traces, packed, { ...images, inBuckets }));
      loss.backward();
      const grads = [...model.parameters.entries()].map(async ([, tensor]) => (await tensor.grad?.read()) ?? []);
      const values = (await Promise.all(grads)).flatMap(grad => Array.from(grad));
      return [await loss.item(), ...values];
    };
    const [plain, padded] = [await gradients(false), await gradients(true)];
    expect(padded.length).toBe(plain.length);
    padded.forEach((value, i) => {
      expect(Math.abs(value - plain[i]!)).toBeLessThanOrEqual(1e-13 * Math.max(1, Math.abs(plain[i]!)));
    });
  });
});
