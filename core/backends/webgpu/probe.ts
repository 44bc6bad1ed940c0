/**
 * Looking for a GPU from a process of its own. Dawn and Vulkan loaders write warnings of their own to the terminal
 * when there is none, and a broken driver may take its process down with it: neither should happen to a run that was
 * never going to use one.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface WebGpuProbe {
  /** Name of the adapter; undefined if there is none. */
  readonly name?: string;
  /** True if it is emulated on the processor. */
  readonly software?: boolean;
  /** Why there is none, in one line. */
  readonly error?: string;
}

// The compiled script, from dist/core/backends/webgpu or, when tests run this file as TypeScript, from
// core/backends/webgpu.
const dist = import.meta.url.endsWith('.ts') ? '../../../dist/core/backends/webgpu/' : './';
const script = fileURLToPath(new URL(`${dist}probe-main.js`, import.meta.url));

/** Drivers that hang are given up after this long. */
const timeoutMilliseconds = 20_000;

/** What `openWebGpuBackend` would find on this machine. Never throws. */
export function probeWebGpu(): Promise<WebGpuProbe> {
  return new Promise(resolve => {
    execFile(process.execPath, [script], { timeout: timeoutMilliseconds, windowsHide: true }, (error, stdout) => {
      try {
        const line = stdout.trim().split('\n').at(-1) ?? '';
        resolve(JSON.parse(line) as WebGpuProbe);
      } catch {
        resolve({
          error: error
            ? `the search for a GPU failed (${error.message.split('\n', 1)[0]!})`
            : 'the search for a GPU failed',
        });
      }
    });
  });
}
