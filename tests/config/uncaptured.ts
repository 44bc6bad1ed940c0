/**
 * Setup of the serial test project: an uncaptured GPU error (a validation error, out of memory, an internal error that
 * no error scope was waiting for) fails the test during which it arrives, whoever made the device.
 */
import { afterEach } from 'vitest';

const uncaptured: string[] = [];

/** Returns the uncaptured GPU errors so far and forgets them: for tests that provoke one on purpose. */
export function takeUncapturedErrors(): string[] {
  return uncaptured.splice(0);
}

const webgpu = await import('webgpu').catch(() => undefined); // the tests themselves say what a missing binding means
if (webgpu) {
  Object.assign(globalThis, webgpu.globals);
  const adapter = GPUAdapter.prototype;
  // Called with the right `this` below.
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const requestDevice = adapter.requestDevice;
  adapter.requestDevice = async function (this: GPUAdapter, descriptor) {
    const device = await requestDevice.call(this, descriptor);
    device.addEventListener('uncapturederror', event => {
      uncaptured.push(event.error.message);
    });
    return device;
  };
}

afterEach(() => {
  const errors = takeUncapturedErrors();
  if (errors.length > 0) throw new Error(`Uncaptured GPU errors during this test:\n${errors.join('\n')}`);
});
