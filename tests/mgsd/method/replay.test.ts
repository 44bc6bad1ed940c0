/** Recorded updates on wasm, and padding. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice, Random } from '../../../core/index.js';
import type { Device, HostArray } from '../../../core/index.js';
import { modelInputs, padBatch } from '../../../models/index.js';
import { drawPuzzles } from '../../../mgsd/method/puzzles.js';
import { packSequences, packSupervised } from '../../../mgsd/method/packing.js';
import { presets } from '../../../mgsd/method/presets.js';
import { supervisedLoss } from '../../../mgsd/method/stages/supervision.js';
import { planExample } from '../../../mgsd/method/targets.js';
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
  const examples = puzzles.map(puzzle => planExample(puzzle, random, presets.tiny.stage0.noise));

  it('adds rows and outputs that name nothing, in a sequence of their own', () => {
    const model = randomModel(cpu, 1);
    const packed = packSequences(examples, 'symbolic', model.config);
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
    const gradients = async (isPadded: boolean) => {
      const model = randomModel(cpu, 1, { dtype: 'f64' });
      const padded = packSupervised(examples, mode, model, 'world');
      const batch = packSequences(examples, mode, model.config);
      const rows = batch.outputs.length;
      const V = model.config.vocabulary;
      const cut = ({ values, ...array }: HostArray, length: number, shape: readonly number[]): HostArray => ({
        ...array,
        values: Array.from(values).slice(0, length),
        shape,
      });
      const plain = {
        sequences: modelInputs(batch, model.config, padded.sequences.patches),
        targets: cut(padded.targets, rows * V, [rows, V]),
        weights: cut(padded.weights, rows, [rows]),
      };
      const loss = supervisedLoss(model, cpu.fromHost(isPadded ? padded : plain));
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
