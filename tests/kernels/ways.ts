/** Ways of computing a kernel, each held to the reference on the smallest shapes that select it. */
import { expect, it } from 'vitest';
import type { WebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { checkCase, conformanceCase } from '../../kernels/cases.js';
import type { AttentionCase, MatmulCase } from '../../kernels/cases.js';

/** A case of any family. */
export type WayCase = AttentionCase | MatmulCase;

/** Runs a case, holds it to the reference, and returns the variants of the passes that ran. */
export async function runCase(
  backend: WebGpuBackend,
  { kernel, example, dtypes }: Omit<WayCase, 'selects'>,
): Promise<string[]> {
  const launches = () => {
    const counts = new Map<string, number>();
    for (const entry of backend.selections())
      if (entry.kernel === kernel.name) counts.set(entry.variant, (counts.get(entry.variant) ?? 0) + entry.launches);
    return counts;
  };
  const before = launches();
  expect(await checkCase(backend, kernel, conformanceCase(kernel, example, dtypes, 1, 7))).toBeUndefined();
  return [...launches()].filter(([variant, count]) => count > (before.get(variant) ?? 0)).map(([variant]) => variant);
}

/** Declares one test for all shapes of a kernel, its types and its way. */
export function declareWays(cases: readonly WayCase[], backend: Promise<WebGpuBackend>): void {
  const labels = cases.map(
    ({ kernel, selects, dtypes }) => `${kernel.name} ${[...new Set(Object.values(dtypes))].join()} ${selects}`,
  );
  for (const label of new Set(labels))
    it(
      label,
      async () => {
        for (const test of cases.filter((_, i) => labels[i] === label))
          expect(await runCase(await backend, test)).toContain(test.selects);
      },
      240_000,
    ); // a software adapter takes up to a minute to compile some of them, once
}
