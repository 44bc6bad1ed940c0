/** Training in f16 on a matrix unit, beside f32 on the processor. */
import { expect, it } from 'vitest';
import { openWebGpuBackend } from '../../../core/backends/webgpu/webgpu.js';
import { Device, openDevice } from '../../../core/index.js';
import { modelPresets, VisionLanguageModel } from '../../../models/index.js';
import type { Precision } from '../../../models/index.js';
import { groundingStage } from '../../../mgsd/method/stages/stage1.js';
import { makeOptimizer } from '../../../mgsd/method/stages/stage.js';
import { describeWithMatrices } from '../../core/backends/webgpu.js';
import { groups, miniatureConfig } from '../miniature-run.js';

/** Loss and gradient norm of six updates of stage 1. */
async function updates(device: Device, precision: Precision): Promise<(readonly [loss: number, norm: number])[]> {
  const config = miniatureConfig({ precision });
  const model = new VisionLanguageModel(device, modelPresets.tiny, { precision }).initialize(5);
  const optimizer = makeOptimizer(model, config);
  const stage = groundingStage({ config, student: model, optimizer, groups });
  const found: (readonly [number, number])[] = [];
  for (let step = 0; step < 6; step++) {
    const { loss, gradNorm, skipped = 0 } = await (await stage.step(step)).metrics;
    expect(skipped).toBe(0);
    found.push([loss!, gradNorm!]);
  }
  for (const done of [stage, optimizer, model]) done.dispose();
  return found;
}

describeWithMatrices('training on a matrix unit', () => {
  it('has the losses of f32, through six updates', async () => {
    const backend = await openWebGpuBackend({ profile: 'sgmat' });
    const [half, wide] = [new Device(backend), await openDevice('wasm')];
    const [halves, wides] = [await updates(half, 'f16'), await updates(wide, 'f32')];
    halves.forEach(([loss, norm], step) => {
      expect(Math.abs(loss / wides[step]![0] - 1), `loss of update ${step}`).toBeLessThan(0.005);
      expect(Math.abs(norm / wides[step]![1] - 1), `norm of update ${step}`).toBeLessThan(0.05);
    });
    const ran = backend.selections().map(({ kernel, variant }) => `${kernel} ${variant}`);
    for (const way of [
      /^matmul_nn.* staged/,
      /^matmul_nt.* staged/,
      /^matmul_tn.* staged/,
      /^attention matrix/,
      /^attention_grad matrix/,
    ])
      expect(
        ran.filter(name => way.test(name)),
        String(way),
      ).not.toEqual([]);
    for (const device of [half, wide]) await device.close();
  }, 240_000); // a processor compiles the shaders of a whole training step first
});
