/** The launches that the roofline bench measures. */
import { generate, patchCount, vocabulary } from '../../models/index.js';
import type { DecodePath } from '../../models/index.js';
import type { Device } from '../../core/index.js';
import { decodeElements, kernels } from '../../kernels/index.js';
import type { Cost, NumberArray } from '../../kernels/index.js';
import { Transformer } from '../transformer.js';
import { openWorkload } from '../workload.js';
import type { Captured, Captures, Loaded } from './capture.js';
import { attentionWork, hasTable, rolloutWork } from '../../mgsd/runs/work.js';

/** Square products in all layouts, for comparison with other engines. */
export function squares(sides: readonly number[] = [256, 512, 1024]): Captured[] {
  return sides.flatMap(n =>
    ['nn', 'nt', 'tn'].map((layout): Captured => {
      const kernel = kernels.find(({ name }) => name === `matmul_${layout}`)!;
      const values = Float32Array.from({ length: n * n }, (_, i) => (((i * 7919) % 1000) - 500) / 500);
      const lengths: Readonly<Record<string, number>> = { a: n * n, b: n * n, bias: n, residual: n * n, c: n * n };
      const buffers = Object.keys(kernel.buffers).map(name => {
        const length = lengths[name]!;
        const content = name === 'c' ? undefined : values.slice(0, length).buffer;
        return { name, dtype: 'f32' as const, length, content };
      });
      const params = { m: n, n, k: n, batch: 1, strideA: 0, strideB: 0 };
      return { kernel, params, buffers, calls: {} };
    }),
  );
}

/**
 * Largest relative error of a product on a few elements: all of them would take the reference seconds. Bias, ReLU and
 * residual are read off its name.
 */
export async function productError(loaded: Loaded, { kernel, params, buffers }: Captured): Promise<number> {
  const { m, n, k } = params as Readonly<Record<'m' | 'n' | 'k', number>>;
  const [a, b, bias, residual] = buffers.map(({ content, dtype, length }) =>
    content ? decodeElements(content, dtype, 0, length) : new Float32Array(0),
  ) as unknown as readonly [NumberArray, NumberArray, NumberArray, NumberArray];
  const has = (part: string) => kernel.name.includes(`_${part}`);
  loaded.restore();
  const after = decodeElements(await loaded.run('c'), buffers[4]!.dtype);
  let [worst, largest] = [0, 2 ** -20];
  for (let s = 0; s < 256; s++) {
    const [i, j] = [(s * 37) % m, (s * 101) % n];
    let sum = 0;
    for (let l = 0; l < k; l++) sum += a[has('tn') ? l * m + i : i * k + l]! * b[has('nt') ? j * k + l : l * n + j]!;
    if (has('bias')) sum += bias[j]!;
    if (has('relu')) sum = Math.max(sum, 0);
    if (has('residual')) sum += residual[i * n + j]!;
    largest = Math.max(largest, Math.abs(sum));
    const error = Math.abs(sum - after[i * n + j]!);
    if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
  }
  return worst / largest;
}

/** Operations and elements that a launch really has to process, see work.ts. */
export async function workOf(loaded: Loaded, { kernel, params, buffers }: Captured): Promise<Cost> {
  const table = buffers.find(({ name }) => name === 'table')?.content;
  if (hasTable(kernel) && table) return attentionWork(kernel, params, new Int32Array(table));
  if (kernel.name !== 'rollout') return kernel.cost(params);
  loaded.restore();
  return rolloutWork(kernel, params, new Int32Array(await loaded.run('tokens')));
}

/**
 * All launches of the default run: a step of each stage, rollouts on every decode path of the device (stage 2 takes the
 * fastest), and the transformer for comparing engines.
 */
export async function captureSteps(device: Device, captures: Captures): Promise<void> {
  const { stages, student } = await openWorkload(device);
  for (const stage of stages)
    await captures.watch(device, stage.name, async () => {
      const { metrics } = await stage.step(0);
      await metrics;
    });
  for (const path of ['steps', 'fused', 'rollout'] as const)
    await captures
      .watch(device, `decode ${path}`, () => decode(path))
      .catch((error: unknown) => {
        // the software profile of webgpu does without the rollout kernel, and models may not suit it
        console.log(`decode ${path}: left out (${error instanceof Error ? error.message : String(error)})`);
      });
  const transformer = new Transformer(device);
  await captures.watch(device, 'transformer', () => transformer.step());

  async function decode(path: DecodePath): Promise<void> {
    const { config } = student;
    const patches = patchCount(config);
    const prompts = Array.from({ length: 64 }, () => [5, 6, ...new Array<number>(patches).fill(vocabulary.IMG)]);
    const pixels = new Float32Array(64 * patches * 3 * config.patchSize ** 2).fill(0.5);
    const options = { maxTokens: 8, temperature: 1, seed: 1, stream: 2, step: 3, path };
    await device.scope(() =>
      generate(student, prompts, options, device.tensor(pixels, [64 * patches, 3 * config.patchSize ** 2])),
    );
  }
}
