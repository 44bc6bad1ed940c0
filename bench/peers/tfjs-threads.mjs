// The multi-threaded build of tfjs-backend-wasm, which switches it off under Node itself (tensorflow/tfjs#3830). What
// stands in its way: it starts workers from blob: URLs, which Node's Worker refuses, it hands them its own source as
// its bundle has it, with variables that are not theirs, and it takes half the processors whatever `setThreadsCount`
// says.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

/** Lends it `threads` threads; call it before tfjs is loaded. Afterwards set the flag WASM_HAS_MULTITHREAD_SUPPORT. */
export function lendThreads(threads) {
  const require = createRequire(import.meta.url);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tfjs-threads-'));
  const main = require.resolve('@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js');
  const {
    wasmWorkerContents,
  } = require('@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js');
  const script = path.join(folder, 'worker.cjs');
  writeFileSync(script, wasmWorkerContents.replace(/\n/g, '\\n')); // as the package does before it makes a Blob of it
  const workers = require('node:worker_threads');
  const { Worker } = workers;
  workers.Worker = class extends Worker {
    constructor(url, options) {
      super(String(url).startsWith('blob:') ? script : url, options);
    }

    postMessage(message, transfer) {
      super.postMessage(message?.cmd === 'load' ? { ...message, urlOrBlob: main } : message, transfer);
    }
  };
  require('node:os').cpus = () => Array.from({ length: 2 * threads }, () => ({ model: '', speed: 0, times: {} }));
}
