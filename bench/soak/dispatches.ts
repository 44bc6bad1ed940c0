/** Many dispatches on a GPU under forced garbage collection: Dawn's objects must outlive their last use. */
import { add, Device } from '../../core/index.js';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';

export interface DispatchReport {
  readonly dispatches: number;
  readonly collections: number;
  readonly adapter: string;
  readonly problems: readonly string[];
}

/** Adds 1 repeatedly, one dispatch each. Needs `--expose-gc` to force collections. */
export async function dispatchUnderCollections(dispatches: number): Promise<DispatchReport> {
  const device = new Device(await openWebGpuBackend());
  const one = device.full([64], 1);
  let sum = device.zeros([64]);
  let collections = 0;
  const problems: string[] = [];
  for (let i = 1; i <= dispatches; i++) {
    const next = add(sum, one);
    device.free(sum);
    sum = next;
    if (i % 50 === 0) {
      globalThis.gc?.();
      collections++;
    }
    if (i % 500 !== 0) continue;
    const values = await sum.read();
    if (values.some(value => value !== i)) problems.push(`after ${i} dispatches the sum is ${values[0]}`);
  }
  const adapter = device.capabilities.name;
  await device.close();
  return { dispatches, collections: globalThis.gc ? collections : 0, adapter, problems };
}
