/** Recording and replaying on a GPU, or on the software adapter. */
import { describe, expect, it } from 'vitest';
import { openWebGpuBackend } from '../../../core/backends/webgpu/webgpu.js';
import { Device, Recorder } from '../../../core/index.js';
import { always, inputsOf, testRecorder, Trainee } from './recorder.js';
import { describeWithAdapter } from '../backends/webgpu.js';

describeWithAdapter('on webgpu', () => {
  testRecorder(async () => new Device(await openWebGpuBackend()));

  describe('a replay', () => {
    it('is one submission, and makes neither buffers nor bind groups', async () => {
      const backend = await openWebGpuBackend();
      const device = new Device(backend);
      const trainee = new Trainee(device);
      const recorder = new Recorder(device);
      for (let step = 0; step < 3; step++) await trainee.step(recorder, step, always());
      await device.finish();
      const before = backend.statistics;
      for (let step = 3; step < 6; step++) {
        trainee.optimizer.setRates({ matrix: 0.01 / step, vector: 0.02 });
        recorder.run('matrix vector', inputsOf(step, always()), () => {
          throw new Error('a steady step does not run its body');
        });
      }
      expect(backend.statistics).toEqual({ ...before, batches: before.batches + 3 });
      await device.close();
    });
  });
});
