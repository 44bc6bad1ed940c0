/** Shared by all benchmarks: opening the device, timing with a final fence, printing, JSON, and the README's text. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { measure } from 'mitata';
import { describeDevice, openDevice } from '../core/index.js';
import type { Device } from '../core/index.js';
import type { DeviceFlags } from '../mgsd/cli/device.js';
import { InputError, messageOf } from '../mgsd/cli/errors.js';
import { withBlock } from './readme.js';

export async function openBenchDevice({ device, threads }: DeviceFlags): Promise<Device> {
  const opened = await openDevice(device, threads === undefined ? {} : { threads }).catch((error: unknown) => {
    throw device === 'auto' ? error : new InputError(`--device ${device}: ${messageOf(error)}`, { cause: error });
  });
  console.log(describeDevice(opened.capabilities));
  return opened;
}

export interface Timing {
  /** Milliseconds of one call. */
  readonly median: number;
  readonly p25: number;
  readonly p75: number;
  readonly best: number;
  readonly samples: number;
}

/**
 * Times `launch`, which may only enqueue work: a sample is `repeat` launches and a fence, after a warm-up.
 * @param repeat enough that the fence is negligible
 */
export async function time(device: Device, launch: () => unknown, repeat = 1, seconds = 0.3): Promise<Timing> {
  const sample = async () => {
    for (let i = 0; i < repeat; i++) await launch();
    await device.finish();
  };
  await sample();
  const stats = await measure(sample, { min_cpu_time: 1e9 * seconds, min_samples: 12 });
  const ms = (ns: number) => ns / 1e6 / repeat;
  return {
    median: ms(stats.p50),
    p25: ms(stats.p25),
    p75: ms(stats.p75),
    best: ms(stats.min),
    samples: stats.samples.length,
  };
}

/** The same as `time`, from samples in milliseconds measured elsewhere. */
export function timingOf(samples: readonly number[]): Timing {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { median: at(0.5), p25: at(0.25), p75: at(0.75), best: sorted[0]!, samples: sorted.length };
}

/** Interquartile range, as a share of the median. */
export const spreadOf = ({ median, p25, p75 }: Timing) => (p75 - p25) / median;

/** The running command, as typed. */
export function commandLine(): string {
  const args = process.argv.slice(2).map(arg => (/[ ,;()]/.test(arg) ? `"${arg}"` : arg));
  return ['node', path.relative('.', process.argv[1]!), ...args].join(' ');
}

/**
 * Writes a result with its context: machine, runtime, date, command. Tables go into a Markdown file of the same name.
 */
export function writeResult(file: string | undefined, device: Device, results: unknown, markdown?: string): void {
  if (!file) return;
  const record = {
    date: new Date().toISOString(),
    command: commandLine(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    device: device.capabilities,
    results,
  };
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(record, undefined, 1)}\n`);
  console.log(`written to ${file}`);
  if (markdown === undefined) return;
  const beside = file.replace(/(\.json)?$/, '.md');
  const machine = `${describeDevice(device.capabilities)}, ${record.node}, ${record.date.slice(0, 10)}`;
  writeFileSync(beside, `${machine}: \`${record.command}\`\n\n${markdown}\n`);
  console.log(`written to ${beside}`);
}

/** Describes the machine within a sentence. */
export function machineOf({ capabilities: { name, threads, features } }: Pick<Device, 'capabilities'>): string {
  const simd = features['simd'] === undefined ? '' : `, ${String(features['simd'])} SIMD`;
  return `${name}, ${threads} thread${threads === 1 ? '' : 's'}${simd}`;
}

/** Replaces a paragraph of bench/README.md; see readme.ts. */
export function writeReadme(block: string, text: string): void {
  const file = path.resolve(import.meta.dirname, '../../bench/README.md'); // beside the sources, not in dist/
  writeFileSync(file, withBlock(readFileSync(file, 'utf8'), block, text));
  console.log(`bench/README.md: ${block} is new`);
}
