/** What the tests of the webgpu backend share: an adapter, or the reason why there is none. */
import { describe, it } from 'vitest';
import { openWebGpuBackend } from '../../../core/backends/webgpu/webgpu.js';
import { WebGpuUnavailableError } from '../../../core/faults.js';

async function findProblem(): Promise<string | undefined> {
  try {
    const backend = await openWebGpuBackend();
    await backend.close();
    return undefined;
  } catch (error) {
    if (error instanceof WebGpuUnavailableError) return error.message;
    throw error;
  }
}

const problem = await findProblem();

/**
 * `describe`, where there is an adapter; else one test that is skipped with the reason, or fails if
 * MGSD_REQUIRE_WEBGPU=1.
 */
export function describeWithAdapter(title: string, suite: () => void): void {
  if (problem === undefined) describe(title, suite);
  else
    it(title, context => {
      if (process.env['MGSD_REQUIRE_WEBGPU'] === '1') throw new Error(problem);
      context.skip(problem.split('\n', 1)[0]);
    });
}
