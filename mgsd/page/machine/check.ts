/** Every kernel on the worker's device against its reference, on calls that a seed draws. */
import type { Capabilities } from '../../../core/index.js';
import { checkKernel } from '../../../kernels/cases.js';
import { kernels } from '../../../kernels/index.js';
import type { Kernel } from '../../../kernels/index.js';
import { useDevice } from '../device.js';
import { messageOf } from '../protocol.js';
import type { Told } from '../protocol.js';

export interface CheckRequest {
  /** Only kernels with this in their names; '' for all. */
  readonly named: string;
  /** Of each kernel and element type. */
  readonly calls: number;
}

/** A kernel in an element type that differs from its reference, or does not run. */
export interface Failure {
  readonly kernel: string;
  readonly dtype: 'f32' | 'f16';
  readonly problem: string;
}

export interface CheckEvent {
  readonly done: number;
  readonly total: number;
  /** So far. */
  readonly failures: readonly Failure[];
}

export interface Checked {
  /** Kernels, each element type on its own. */
  readonly checked: number;
  readonly callsEach: number;
  readonly failures: readonly Failure[];
  readonly device: Capabilities;
}

/** Other users of the device get their turn between two kernels. */
export async function checkEach({ named, calls }: CheckRequest, { emit, signal }: Told<CheckEvent>): Promise<Checked> {
  const device = await useDevice(({ capabilities }) => Promise.resolve(capabilities));
  const checks = kernels
    .filter(({ name }) => name.includes(named))
    .flatMap(kernel => typesOf(kernel, device).map(dtype => ({ kernel, dtype })));
  const failures: Failure[] = [];
  let done = 0;
  for (const { kernel, dtype } of checks) {
    signal.throwIfAborted();
    const problem = await useDevice(({ backend }) => checkKernel(backend, kernel, dtype, calls)).catch(messageOf);
    if (problem !== undefined) failures.push({ kernel: kernel.name, dtype, problem });
    emit({ done: ++done, total: checks.length, failures });
  }
  return { checked: done, callsEach: calls, failures, device };
}

/** f16 too, where the device has it and the kernel has a use for it. */
function typesOf({ buffers }: Kernel, { dtypes }: Capabilities): readonly ('f32' | 'f16')[] {
  const hasFloats = Object.values(buffers).some(({ kind }) => kind === 'float');
  return hasFloats && dtypes.includes('f16') ? ['f32', 'f16'] : ['f32'];
}
