/**
 * Every kernel against its reference, in f32 and f16, as a run would compile it (`production`) and with Dawn's bounds checks
 * (`debug`). Kernels that choose between variants by shape also get the smallest shapes that choose each.
 */
import { openWebGpuBackend } from '../../core/backends/webgpu.js';
import { checkCase, conformanceCase, seededDraw } from '../../core/conformance.js';
import { kernels } from '../../kernels/index.js';
import type { GpuScale } from './scale.js';

export interface CorrectnessReport {
  readonly mode: 'production' | 'debug';
  readonly dtype: 'f32' | 'f16';
  readonly kernels: number;
  readonly calls: number;
  /** One line for each kernel that differs or fails. */
  readonly problems: readonly string[];
}

/** Runs until all is checked; `onReport` gets each part as soon as it is known. */
export async function checkKernels(
  scale: GpuScale,
  onReport: (reports: readonly CorrectnessReport[]) => void,
): Promise<CorrectnessReport[]> {
  const reports: CorrectnessReport[] = [];
  for (const mode of ['production', 'debug'] as const) {
    const backend = await openWebGpuBackend({ mode });
    for (const dtype of ['f32', 'f16'] as const) {
      if (!backend.capabilities.dtypes.includes(dtype)) continue;
      const problems: string[] = [];
      let calls = 0;
      let checked = 0;
      for (const [position, kernel] of kernels.entries()) {
        const hasFloats = Object.values(kernel.buffers).some(({ kind }) => kind === 'float');
        if (dtype === 'f16' && !hasFloats) continue;
        checked++;
        for (let call = 0; call < scale.calls; call++) {
          const draw = seededDraw(606, 1000 * position + call);
          const example = kernel.example(draw);
          const values = draw.pick([1, 0.01, 10]);
          const test = conformanceCase(kernel, example, dtype, values, 31 * call);
          calls++;
          try {
            const problem = await checkCase(backend, kernel, test);
            if (problem !== undefined) problems.push(problem);
            if (problem === undefined) continue;
          } catch (error) {
            problems.push(`${kernel.name}: ${error instanceof Error ? error.message : String(error)}`);
          }
          break; // one line per kernel is enough
        }
      }
      reports.push({ mode, dtype, kernels: checked, calls, problems });
      onReport(reports);
    }
    await backend.close();
  }
  return reports;
}
