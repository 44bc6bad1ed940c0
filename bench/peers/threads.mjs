// A global Worker over worker_threads, as browsers have one: lent to peers that share work between threads only where
// they find it.
import { resolveObjectURL } from 'node:buffer';
import { Worker as NodeWorker } from 'node:worker_threads';

const prelude = `const { parentPort } = require('node:worker_threads');
globalThis.self = globalThis;
globalThis.postMessage = message => parentPort.postMessage(message);
parentPort.on('message', data => globalThis.onmessage({ data }));
`;

/** Lends `threads` threads; call it before the peer is imported. */
export function lendWorker(threads) {
  const navigator = { userAgent: 'node', hardwareConcurrency: threads };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  globalThis.Worker = class {
    onmessage;
    onerror;
    #worker;

    constructor(url) {
      this.#worker = resolveObjectURL(String(url))
        .text()
        .then(source => {
          const worker = new NodeWorker(prelude + source, { eval: true });
          worker.on('message', data => this.onmessage?.({ data }));
          worker.on('error', error => this.onerror?.(error));
          return worker;
        });
    }

    postMessage(data) {
      void this.#worker.then(worker => worker.postMessage(data));
    }
  };
}
