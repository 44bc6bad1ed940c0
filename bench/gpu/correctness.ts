/**
 * Every kernel against its reference in f32, f16 and mixed precision, as a run compiles it (`production`) and with
 * Dawn's bounds checks (`debug`), and every variant of products and attention that the adapter can run, whether or not
 * its tuning table picks it. What matters most comes first: a list that is cut short has said so far what it knows.
 */
import { openDevice } from '../../core/backends/webgpu/device.js';
import { WebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import {
  attentionCases,
  checkCase,
  conformanceCase,
  matmulCases,
  matrixTolerance,
  seededDraw,
} from '../../kernels/cases.js';
import type { ConformanceCase } from '../../kernels/cases.js';
import { kernels } from '../../kernels/index.js';
import type { Kernel } from '../../kernels/index.js';
import { attempt, countWays } from './attempt.js';
import type { GpuScale } from './scale.js';

export interface CorrectnessReport {
  readonly mode: 'production' | 'debug';
  /** What is checked: the kernels of a dtype, or the variants of a profile. */
  readonly what: string;
  /** Calls in all, and how many of them are done. */
  readonly planned: number;
  checked: number;
  /** Launches by variant where a kernel has several. */
  readonly ways: Record<string, number>;
  /** One line for each call that differs, fails or runs in another way than it was meant to. */
  readonly problems: string[];
}

type Mode = CorrectnessReport['mode'];

/** A call, and the variant that it is meant to reach. */
interface Check {
  readonly kernel: Kernel;
  readonly test: ConformanceCase;
  readonly selects?: string;
}

/** Compiled side by side before they are checked. */
const together = 32;
/** Milliseconds between two reports. */
const period = 2000;

/** Random calls of every kernel with floats of one dtype. */
function registryChecks(dtype: 'f32' | 'f16' | 'mixed', calls: number, mayTakeMatrices: boolean): Check[] {
  const hasFloats = (kernel: Kernel) => Object.values(kernel.buffers).some(({ kind }) => kind === 'float');
  return kernels
    .filter(kernel => dtype === 'f32' || hasFloats(kernel))
    .flatMap((one, position) => {
      // attention may take matrices, whose operands are rounded once more
      const mayRound = mayTakeMatrices && one.name.startsWith('attention');
      const kernel = mayRound ? { ...one, tolerance: matrixTolerance } : one;
      return Array.from({ length: calls }, (_, call): Check => {
        const draw = seededDraw(606, 1000 * position + call);
        const example = kernel.example(draw);
        const float = () => (dtype === 'mixed' ? draw.pick(['f32', 'f16'] as const) : dtype);
        const types = Object.fromEntries(Object.keys(kernel.buffers).map(name => [name, float()]));
        return { kernel, test: conformanceCase(kernel, example, types, draw.pick([1, 0.01, 10]), 31 * call) };
      });
    });
}

/** Every variant that the adapter can run, on shapes that select it. */
function wayChecks({ target }: WebGpuBackend): Check[] {
  return [...attentionCases(target), ...matmulCases(target)].map(({ kernel, dtypes, example, selects }) => ({
    kernel,
    test: conformanceCase(kernel, example, dtypes, 1, 7),
    selects,
  }));
}

/** Runs a check; what it says if all is not well. @param isRehearsal true if nothing is computed */
async function problemOf(
  backend: WebGpuBackend,
  { kernel, test, selects }: Check,
  report: CorrectnessReport,
  isRehearsal: boolean,
) {
  const { result, ways } = await countWays(backend, kernel.name, () => checkCase(backend, kernel, test));
  const names = Object.keys(ways);
  for (const name of names.some(name => !/^\d+$/.test(name)) ? names : [])
    report.ways[`${kernel.name}, ${name}`] = (report.ways[`${kernel.name}, ${name}`] ?? 0) + ways[name]!;
  if (result !== undefined && !isRehearsal) return result;
  return selects === undefined || selects in ways ? undefined : `ran as ${names.join(', ') || 'nothing'}`;
}

/** Checks a list; each kernel of random calls is given up at its first problem. */
async function run(
  backend: WebGpuBackend,
  list: {
    readonly mode: Mode;
    readonly what: string;
    readonly checks: readonly Check[];
    readonly isRehearsal: boolean;
  },
  onReport: (report: CorrectnessReport, isDone: boolean) => void,
): Promise<void> {
  const { checks, isRehearsal, ...named } = list;
  const report: CorrectnessReport = { ...named, planned: checks.length, checked: 0, ways: {}, problems: [] };
  const bad = new Set<Kernel>();
  for (let at = 0; at < checks.length; at += together) {
    const chunk = checks.slice(at, at + together).filter(({ kernel, selects }) => selects ?? !bad.has(kernel));
    const launches = chunk.map(({ kernel, test }) => ({
      kernel,
      operands: Object.keys(kernel.buffers).map(name => ({ dtype: test.dtypes[name]! })),
      params: Object.keys(kernel.params).map(name => test.example.params[name]!),
    }));
    await backend.compile(launches).catch(() => undefined); // the call says which shader it is
    for (const check of chunk) {
      const { kernel, test, selects } = check;
      const types = [...new Set(Object.values(test.dtypes))].join(' and ');
      const name = `${kernel.name} in ${types}${selects ? `, ${selects}` : ''}, ${JSON.stringify(test.example.params)}`;
      const before = report.problems.length;
      const problem = await attempt(name, report.problems, () => problemOf(backend, check, report, isRehearsal));
      if (problem !== undefined) report.problems.push(`${name}: ${problem}`);
      if (report.problems.length > before) bad.add(kernel);
      report.checked++;
      onReport(report, false);
    }
  }
  onReport(report, true);
}

/** Runs until all is checked; `onReports` gets what is known so far, every two seconds and after each list. */
export async function checkKernels(
  { calls, isRehearsal = false }: GpuScale,
  onReports: (reports: readonly CorrectnessReport[]) => void,
): Promise<void> {
  const done: CorrectnessReport[] = [];
  let saved = performance.now();
  const onReport = (report: CorrectnessReport, isDone: boolean) => {
    if (isDone) done.push(report);
    else if (performance.now() - saved < period) return;
    saved = performance.now();
    onReports(isDone ? done : [...done, report]);
  };
  for (const mode of ['production', 'debug'] as const) {
    const best = new WebGpuBackend(await openDevice({ mode }));
    const plain = best.target.profile === 'alu' ? best : new WebGpuBackend(await openDevice({ mode, profile: 'alu' }));
    const isMatrix = best.target.profile === 'sgmat';
    const ways = (backend: WebGpuBackend) => {
      const what = `ways of products and attention, profile ${backend.target.profile}`;
      return run(backend, { mode, what, checks: wayChecks(backend), isRehearsal }, onReport);
    };
    const registry = (dtype: 'f32' | 'f16' | 'mixed') => {
      const what = `kernels in ${dtype}, profile ${best.target.profile}`;
      return run(best, { mode, what, checks: registryChecks(dtype, calls, isMatrix), isRehearsal }, onReport);
    };
    if (isMatrix) await ways(best);
    await registry('f32');
    if (mode === 'production') await registry('f16');
    await ways(plain);
    if (mode === 'production') await registry('mixed');
    for (const backend of new Set([best, plain])) await backend.close();
  }
}
