/** What the parts of the GPU day share: one bad measurement does not end the others, and which way ran is counted. */
import type { WebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { messageOf } from '../../mgsd/cli/errors.js';

/** Runs one of many measurements; what goes wrong is noted, and the others go on. */
export async function attempt<T>(what: string, problems: string[], body: () => Promise<T>): Promise<T | undefined> {
  try {
    return await body();
  } catch (error) {
    problems.push(`${what}: ${messageOf(error)}`);
    return undefined;
  }
}

/** Launches of a kernel's variants, by name. */
export type Ways = Readonly<Record<string, number>>;

function launchesOf(backend: WebGpuBackend, kernel: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const entry of backend.selections())
    if (entry.kernel === kernel) counts.set(entry.variant, (counts.get(entry.variant) ?? 0) + entry.launches);
  return counts;
}

/** Runs `body` and counts which variants of the kernel it launched. */
export async function countWays<T>(
  backend: WebGpuBackend,
  kernel: string,
  body: () => Promise<T>,
): Promise<{ readonly result: T; readonly ways: Ways }> {
  const before = launchesOf(backend, kernel);
  const result = await body();
  const added = [...launchesOf(backend, kernel)].map(
    ([name, count]) => [name, count - (before.get(name) ?? 0)] as const,
  );
  return { result, ways: Object.fromEntries(added.filter(([, count]) => count > 0)) };
}
