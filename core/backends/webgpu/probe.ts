/**
 * Looking for a GPU from a process of its own. Dawn and Vulkan loaders write warnings of their own to the terminal
 * when there is none, and a broken driver may take its process down with it: neither should happen to a run that was
 * never going to use one. A browser takes care of that itself.
 */
import { probeGpu } from '../../platform.js';
import { openWebGpuBackend } from './webgpu.js';

export interface WebGpuProbe {
  /** Name of the adapter; undefined if there is none. */
  readonly name?: string;
  /** True if it is emulated on the processor. */
  readonly software?: boolean;
  /** Why there is none, in one line. */
  readonly error?: string;
}

/** What `openWebGpuBackend` finds in this process. Never throws. */
export async function probeHere(): Promise<WebGpuProbe> {
  try {
    const backend = await openWebGpuBackend();
    const { name, software } = backend.capabilities;
    await backend.close();
    return { name, software };
  } catch (error) {
    return { error: (error as Error).message.split('\n', 1)[0]! };
  }
}

/** What `openWebGpuBackend` would find on this machine. Never throws. */
export async function probeWebGpu(): Promise<WebGpuProbe> {
  try {
    const printed = await probeGpu();
    if (printed === undefined) return await probeHere();
    return JSON.parse(printed.trim().split('\n').at(-1) ?? '') as WebGpuProbe;
  } catch (error) {
    return { error: `the search for a GPU failed (${(error as Error).message.split('\n', 1)[0]!})` };
  }
}
