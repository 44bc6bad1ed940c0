/** How much memory a run takes: in every line of its log, and at its end in a table. */
import type { LogRecord } from './store.js';

export interface MemoryUse {
  /** Most bytes of tensors on the device at any one time since the process began. */
  readonly deviceBytes: number;
  /** Most bytes of memory that the process had, which on the cpu and wasm backends hold the tensors too. */
  readonly hostBytes: number;
}

/** The peaks by stage, in the order of the log. A run that was resumed counts with all of its processes. */
export function peakMemory(log: readonly LogRecord[]): ReadonlyMap<string, MemoryUse> {
  const peaks = new Map<string, MemoryUse>();
  const number = (value: unknown) => (typeof value === 'number' ? value : 0);
  for (const { stage, deviceBytes, hostBytes } of log) {
    const before = peaks.get(stage);
    peaks.set(stage, {
      deviceBytes: Math.max(before?.deviceBytes ?? 0, number(deviceBytes)),
      hostBytes: Math.max(before?.hostBytes ?? 0, number(hostBytes)),
    });
  }
  return peaks;
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);

/** A small table below the results. */
export function memoryMarkdown(peaks: ReadonlyMap<string, MemoryUse>): string {
  return [
    '| peak memory | tensors on the device, MB | process, MB |',
    '| --- | ---: | ---: |',
    ...[...peaks].map(([stage, use]) => `| ${stage} | ${megabytes(use.deviceBytes)} | ${megabytes(use.hostBytes)} |`),
  ].join('\n');
}
