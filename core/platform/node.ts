/** Node's side of the seam. Its modules are asked for by name, so that bundles for browsers need none of them. */
import type { Platform } from '../platform.js';
import { dawnSource } from './dawn.js';

/** Drivers that hang are given up after this long. */
const probeMilliseconds = 20_000;

/** A compiled file of the package. Tests run this file as TypeScript, from core/platform and not dist/core/platform. */
function compiled(file: string): URL {
  const here = import.meta.url;
  return new URL(`../../${here.endsWith('.ts') ? 'dist/' : ''}${file}`, here);
}

export function nodePlatform(node: NodeJS.Process): Platform {
  const os = node.getBuiltinModule('node:os');
  const fs = node.getBuiltinModule('node:fs');
  const threads = node.getBuiltinModule('node:worker_threads');
  return {
    runtime: `Node.js ${node.version}`,
    processorName: os.cpus()[0]?.model ?? 'processor',
    processors: os.availableParallelism(),
    machineMemory() {
      const limit = node.constrainedMemory(); // 0, or far beyond any machine, where there is no limit
      return limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem();
    },
    nextTurn: () => new Promise(resolve => setImmediate(resolve)),
    sha256(parts) {
      const hash = node.getBuiltinModule('node:crypto').createHash('sha256');
      for (const part of parts) hash.update(part);
      return hash.digest('hex');
    },
    async compileKernels(simd) {
      const file = compiled(`kernels/kernels${simd === 'relaxed' ? '-relaxed' : ''}.wasm`);
      let bytes: Uint8Array<ArrayBuffer>;
      try {
        bytes = fs.readFileSync(file);
      } catch (error) {
        throw new Error(`the WebAssembly kernels are missing (${file.pathname}): build them with \`npm run build\``, {
          cause: error,
        });
      }
      return await WebAssembly.compile(bytes);
    },
    enableRelaxedSimd: () => node.getBuiltinModule('node:v8').setFlagsFromString('--experimental-wasm-relaxed-simd'),
    startKernelThread(start, ended) {
      // node's own options, --eval for one, are not for it
      const worker = new threads.Worker(compiled('core/backends/wasm/worker.js'), { workerData: start, execArgv: [] });
      const ready = new Promise<void>((resolve, reject) => {
        const fail = (reason: string) => {
          ended(reason);
          reject(new Error(reason));
        };
        worker.once('message', () => {
          worker.unref();
          resolve();
        });
        worker.on('error', error => {
          fail(String(error));
        });
        worker.on('exit', code => {
          fail(`it ended with exit code ${code}`);
        });
      });
      return { ready, terminate: () => worker.terminate() };
    },
    inKernelThread: run => run(threads.workerData as never, () => threads.parentPort?.postMessage('ready')),
    gpuSource: request => dawnSource(node, request),
    async probeGpu() {
      const { execFile } = node.getBuiltinModule('node:child_process');
      const script = node.getBuiltinModule('node:url').fileURLToPath(compiled('core/backends/webgpu/probe-main.js'));
      return await new Promise((resolve, reject) => {
        execFile(node.execPath, [script], { timeout: probeMilliseconds, windowsHide: true }, (error, stdout) => {
          if (stdout.trim() === '' && error) reject(new Error(error.message, { cause: error }));
          else resolve(stdout);
        });
      });
    },
  };
}
