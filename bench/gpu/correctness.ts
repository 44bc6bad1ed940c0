/**
 * Every kernel against its reference in f32, f16 and mixed precision, both as a run compiles it (`production`) and with
 * Dawn's bounds checks (`debug`). Then every variant of products and attention that the adapter can run, whether or not
 * its tuning table picks it.
 */
import { openDevice } from '../../core/backends/webgpu/device.js';
import { WebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { attentionCases, checkCase, conformanceCase, matmulCases, seededDraw } from '../../kernels/cases.js';
import { kernels } from '../../kernels/index.js';
import type { Kernel, WgslMachine, WgslProfile } from '../../kernels/index.js';
import type { GpuScale } from './scale.js';

export interface CorrectnessReport {
  readonly mode: 'production' | 'debug';
  /** What was checked: the kernels of a dtype, or the variants of a profile. */
  readonly what: string;
  readonly checked: number;
  /** One line for each kernel or variant that differs or fails. */
  readonly problems: readonly string[];
}

type Mode = CorrectnessReport['mode'];

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Random calls of every kernel with floats of one dtype; the first problem of each. */
async function checkRegistry(
  backend: WebGpuBackend,
  mode: Mode,
  dtype: 'f32' | 'f16' | 'mixed',
  calls: number,
): Promise<CorrectnessReport> {
  const hasFloats = (kernel: Kernel) => Object.values(kernel.buffers).some(({ kind }) => kind === 'float');
  const chosen = kernels.filter(kernel => dtype === 'f32' || hasFloats(kernel));
  const problems: string[] = [];
  for (const [position, kernel] of chosen.entries()) {
    let problem: string | undefined;
    for (let call = 0; call < calls && problem === undefined; call++) {
      const draw = seededDraw(606, 1000 * position + call);
      const example = kernel.example(draw);
      const float = () => (dtype === 'mixed' ? draw.pick(['f32', 'f16'] as const) : dtype);
      const types = Object.fromEntries(Object.keys(kernel.buffers).map(name => [name, float()]));
      const test = conformanceCase(kernel, example, types, draw.pick([1, 0.01, 10]), 31 * call);
      problem = await checkCase(backend, kernel, test).catch((error: unknown) => `${kernel.name}: ${messageOf(error)}`);
    }
    if (problem !== undefined) problems.push(problem);
  }
  return {
    mode,
    what: `kernels in ${dtype}, profile ${String(backend.capabilities.features['profile'])}`,
    checked: chosen.length,
    problems,
  };
}

/** Every tile that the adapter can run, on shapes that select it; picking another variant is a problem too. */
async function checkWays(
  backend: WebGpuBackend,
  mode: Mode,
  profile: WgslProfile,
  machine: WgslMachine,
): Promise<CorrectnessReport> {
  const problems: string[] = [];
  const cases = [...matmulCases({ profile, machine }), ...attentionCases({ profile, machine })];
  for (const { kernel, dtypes, example, selects } of cases) {
    const types = [...new Set(Object.values(dtypes))].join(' and ');
    const name = `${kernel.name} in ${types}, ${selects}, ${JSON.stringify(example.params)}`;
    const before = backend.selections().length;
    try {
      const problem = await checkCase(backend, kernel, conformanceCase(kernel, example, dtypes, 1, 7));
      const taken = backend.selections().slice(before);
      if (problem !== undefined) problems.push(`${name}: ${problem}`);
      else if (taken.length > 0 && !taken.some(({ variant }) => variant === selects))
        problems.push(`${name}: ran as ${taken.map(({ variant }) => variant).join(', ')}`);
    } catch (error) {
      problems.push(`${name}: ${messageOf(error)}`);
    }
  }
  return { mode, what: `ways of products and attention, profile ${profile}`, checked: cases.length, problems };
}

/** Runs until all is checked; `onReports` gets what is known so far after each part. */
export async function checkKernels(
  { calls }: GpuScale,
  onReports: (reports: readonly CorrectnessReport[]) => void,
): Promise<void> {
  const reports: CorrectnessReport[] = [];
  const add = (report: CorrectnessReport) => {
    reports.push(report);
    onReports(reports);
  };
  for (const mode of ['production', 'debug'] as const) {
    const opened = await openDevice({ mode });
    const backend = new WebGpuBackend(opened);
    add(await checkRegistry(backend, mode, 'f32', calls));
    add(await checkRegistry(backend, mode, 'f16', calls));
    add(await checkRegistry(backend, mode, 'mixed', calls));
    add(await checkWays(backend, mode, opened.profile, opened.machine));
    await backend.close();
    if (opened.profile === 'alu') continue;
    const plain = await openDevice({ mode, profile: 'alu' });
    const alu = new WebGpuBackend(plain);
    add(await checkWays(alu, mode, 'alu', plain.machine));
    await alu.close();
  }
}
