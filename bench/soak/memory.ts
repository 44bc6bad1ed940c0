/** Memory over many steps of stage 2 with rollouts of varying length: buffers and bytes on device and host. */
import type { Device } from '../../core/index.js';
import { VisionLanguageModel } from '../../models/index.js';
import { trainingGroups } from '../../mgsd/method/puzzles.js';
import { distillationStage } from '../../mgsd/method/stages/stage2.js';
import { miniatureConfig, miniatureModel } from './miniature.js';
import { makeOptimizer } from '../../mgsd/method/stages/stage.js';

export interface MemoryReport {
  readonly steps: number;
  /** Shortest and longest mean length of a step's responses, in tokens. */
  readonly responseTokens: readonly [number, number];
  /**
   * Maxima in each quarter: tensors, bytes of tensors, bytes kept for reuse, and bytes of JavaScript objects after GC.
   */
  readonly liveBuffers: readonly number[];
  readonly liveBytes: readonly number[];
  readonly pooledBytes: readonly number[];
  readonly heapBytes: readonly number[];
  /** Bytes of the process at the end of each quarter. */
  readonly processBytes: readonly number[];
  /** Buffers requested from the backend by the end of each quarter. */
  readonly allocations: readonly number[];
  readonly problems: readonly string[];
}

/** Allowed growth of the JavaScript heap from the second quarter on, in bytes: optimised code and the like. */
const heapSlack = 8e6;

const quarters = [0, 1, 2, 3] as const;

/**
 * @param eager without recordings: the number of live tensors must then be equal after every step. With them, some 16
 *   step shapes keep their memory, and no quarter may need more than those before it
 */
export async function memoryOverSteps(device: Device, steps: number, eager: boolean): Promise<MemoryReport> {
  const config = miniatureConfig({ stage2: { steps, warmup: 0, visionRate: 1e-3, decoderRate: 1e-3 } });
  const model = new VisionLanguageModel(device, miniatureModel).initialize(1);
  const teacher = await model.frozenCopy();
  const optimizer = makeOptimizer(model, config);
  const groups = trainingGroups(config, 24);
  const stage = distillationStage({ config, student: model, planner: teacher, optimizer, groups });
  if (eager) device.resultObserver = () => {};
  const problems: string[] = [];
  const lengths: number[] = [];
  const [liveBuffers = [], liveBytes = [], pooledBytes = [], heapBytes = [], processBytes = [], allocations = []] =
    Array.from({ length: 6 }, () => quarters.map(() => 0));
  const raise = (list: number[], q: number, value: number) => (list[q] = Math.max(list[q]!, value));
  const before = device.memory();
  for (let step = 0; step < steps; step++) {
    const { metrics } = await stage.step(step);
    lengths.push((await metrics)['responseLength']!);
    const memory = device.memory();
    const q = Math.floor((4 * step) / steps);
    raise(liveBuffers, q, memory.liveBuffers);
    raise(liveBytes, q, memory.liveBytes);
    raise(pooledBytes, q, memory.pooledBytes);
    const grew = memory.liveBuffers !== before.liveBuffers || memory.liveBytes !== before.liveBytes;
    if (eager && grew && problems.length < 5)
      problems.push(
        `after step ${step} there are ${memory.liveBuffers} tensors with ${memory.liveBytes} bytes, ` +
          `not ${before.liveBuffers} with ${before.liveBytes}`,
      );
    if (Math.floor((4 * (step + 1)) / steps) > q) {
      globalThis.gc?.();
      heapBytes[q] = process.memoryUsage().heapUsed;
      processBytes[q] = process.memoryUsage().rss;
      allocations[q] = memory.allocations;
    }
    await new Promise(resolve => setImmediate(resolve));
  }
  device.resultObserver = undefined;
  stage.dispose();
  for (const owner of [optimizer, model, teacher]) owner.dispose();

  const flat = (what: string, list: readonly number[], slack: number) => {
    const bound = Math.max(list[0]!, list[1]!) + slack;
    for (const q of [2, 3])
      if (list[q]! > bound) problems.push(`${what} in quarter ${q + 1}: ${list[q]!}, more than the ${bound} before`);
  };
  flat('tensors', liveBuffers, 0.25 * liveBuffers[1]!);
  flat('bytes of tensors', liveBytes, 0.1 * liveBytes[1]!);
  flat('bytes kept for reuse', pooledBytes, 0.1 * pooledBytes[1]! + 2 ** 20);
  if (globalThis.gc) flat('bytes of objects', heapBytes, heapSlack);
  return {
    steps,
    responseTokens: [Math.min(...lengths), Math.max(...lengths)].map(x => Math.round(10 * x) / 10) as [number, number],
    liveBuffers,
    liveBytes,
    pooledBytes,
    heapBytes,
    processBytes,
    allocations,
    problems,
  };
}
