/** Faults of a GPU that only a browser's timing shows, on a device that is a stand-in. */
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { Faults } from '../../../core/backends/webgpu/faults.js';

/** A device that is lost once `lose` is called. */
function fragileDevice() {
  const news = new EventTarget();
  const lose = () => news.dispatchEvent(new Event('lost'));
  const lost = once(news, 'lost').then(() => ({ reason: 'unknown', message: 'taken away' }));
  return { device: { lost, addEventListener: () => undefined } as unknown as GPUDevice, lose };
}

it('a wait that fails says that the device is lost, even if that is known only later', async () => {
  const { device, lose } = fragileDevice();
  const faults = new Faults(device, false);
  setTimeout(lose, 100);
  const mapping = Promise.reject(new Error('Buffer was unmapped before mapping was resolved.'));
  await expect(faults.wait(mapping)).rejects.toThrow('The GPU device was lost (taken away)');
});

it('a wait that fails on a device that is still there says why', async () => {
  const faults = new Faults(fragileDevice().device, false);
  await expect(faults.wait(Promise.reject(new Error('not mappable')))).rejects.toThrow('not mappable');
});
