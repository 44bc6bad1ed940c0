// navigator.gpu from Dawn's bindings: lent to peers that expect a browser's. With MGSD_PEERS_SLEEP=1 also our sleeping
// wait (see core/backends/webgpu/wait.ts), without which Dawn's polling takes a core that a software adapter needs.
import { create, globals } from 'webgpu';

export async function lendWebGpu() {
  Object.assign(globalThis, globals);
  const gpu = create(['enable-dawn-features=allow_unsafe_apis']);
  globalThis[Symbol.for('mgsd-lite.peers.gpu')] = gpu; // Dawn must not be collected
  const navigator = { userAgent: 'node', gpu };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  if (process.env['MGSD_PEERS_SLEEP'] === '1') sleepBetweenPolls();
}

/** Every wait for the device lets the main thread sleep between Dawn's polls. */
function sleepBetweenPolls() {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const patch = (prototype, name) => {
    const original = prototype[name];
    prototype[name] = async function (...args) {
      let pending = true;
      const work = original.apply(this, args).finally(() => (pending = false));
      for (let milliseconds = 0.05; pending; milliseconds = Math.min(1, 2 * milliseconds)) {
        await new Promise(setImmediate);
        if (pending) Atomics.wait(cell, 0, 0, milliseconds);
      }
      return await work;
    };
  };
  patch(globalThis.GPUQueue.prototype, 'onSubmittedWorkDone');
  patch(globalThis.GPUBuffer.prototype, 'mapAsync');
}
