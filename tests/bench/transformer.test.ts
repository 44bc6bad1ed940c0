/** The step that engines are compared by: the sizes that its name promises, and it learns. */
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../core/index.js';
import { sizes, Transformer, transformerFlops, transformerTokens } from '../../bench/transformer.js';

describe('the transformer of bench:peers', () => {
  it('has 0.84 million parameters, starts at the loss of a guess, and learns', async () => {
    const device = await openDevice('wasm', { threads: 1 });
    const transformer = new Transformer(device);
    expect(transformer.parameters.count).toBe(842_496);
    const losses = [];
    for (let i = 0; i < 4; i++) losses.push(await transformer.step());
    expect(losses[0]).toBeCloseTo(Math.log(sizes.vocabulary), 0);
    for (let i = 1; i < losses.length; i++) expect(losses[i]).toBeLessThan(losses[i - 1]! - 0.05);
    transformer.dispose();
    expect(device.memory()).toMatchObject({ liveBuffers: 0, pooledBytes: 0 });
    await device.close();
  });

  it('targets are the next inputs', () => {
    const { inputs, targets } = transformerTokens();
    expect(inputs).toHaveLength(sizes.batch * sizes.length);
    for (let t = 0; t + 1 < sizes.length; t++) expect(targets[t]).toBe(inputs[t + 1]);
  });

  it('counts what it does: about 11 GFLOP', () => {
    expect(transformerFlops() / 1e9).toBeCloseTo(11.3, 0);
  });
});
