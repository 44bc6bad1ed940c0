import { expect, it } from 'vitest';
import { openDevice } from '../../core/index.js';
import { describeLinearLoss, fromLogits, makeInputs } from './linear-loss.js';
import { describeWithAdapter } from './backends/webgpu.js';

describeWithAdapter('losses of linear heads on webgpu', () => {
  describeLinearLoss('in chunks and all at once', () => openDevice('webgpu'), true);

  it('logits that no buffer holds are refused all at once', async () => {
    const device = await openDevice('webgpu');
    const { maxBufferBytes } = device.capabilities;
    const vocabulary = 151936;
    const rows = Math.ceil(maxBufferBytes / (4 * vocabulary)) + 1;
    device.scope(() => {
      const inputs = makeInputs(device, { rows, width: 1, vocabulary });
      expect(() => fromLogits('cross-entropy', inputs)).toThrow(/the largest buffer of .* has/);
    });
    await device.close();
  });
});
