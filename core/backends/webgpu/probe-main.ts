/** The child process of `probeWebGpu`: prints what it found as one line of JSON. */
import type { WebGpuProbe } from './probe.js';
import { openWebGpuBackend } from './webgpu.js';

async function probe(): Promise<WebGpuProbe> {
  try {
    const backend = await openWebGpuBackend();
    const { name, software } = backend.capabilities;
    await backend.close();
    return { name, software };
  } catch (error) {
    return { error: (error as Error).message.split('\n', 1)[0]! };
  }
}

process.stdout.write(`\n${JSON.stringify(await probe())}\n`);
