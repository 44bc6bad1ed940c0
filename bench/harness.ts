/** What every benchmark here has in common: opening the device, measuring with a final fence, printing, and a JSON file. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { measure } from 'mitata';
import { describeDevice, openDevice } from '../core/index.js';
import type { Device, DeviceChoice } from '../core/index.js';

export interface BenchOptions {
  readonly device: DeviceChoice;
  readonly threads: number | undefined;
  /** Where the raw numbers go; undefined: nowhere. */
  readonly json: string | undefined;
}

/** `--device`, `--threads`, `--json FILE`. */
export function benchOptions(): BenchOptions {
  const { values } = parseArgs({
    options: { device: { type: 'string', default: 'auto' }, threads: { type: 'string' }, json: { type: 'string' } },
  });
  const choices: readonly string[] = ['auto', 'webgpu', 'wasm', 'cpu'];
  if (!choices.includes(values.device))
    throw new Error(`--device ${values.device}: choose one of ${choices.join(', ')}`);
  return {
    device: values.device as DeviceChoice,
    threads: values.threads === undefined ? undefined : Number(values.threads),
    json: values.json,
  };
}

export async function openBenchDevice({ device, threads }: BenchOptions): Promise<Device> {
  const opened = await openDevice(device, threads === undefined ? {} : { threads });
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
 * Time of `launch`, which may only enqueue work: `repeat` launches and a fence make one sample, after a warm-up.
 * @param repeat enough that the fence does not count
 */
export async function time(device: Device, launch: () => unknown, repeat = 1): Promise<Timing> {
  const sample = async () => {
    for (let i = 0; i < repeat; i++) await launch();
    await device.finish();
  };
  await sample();
  const stats = await measure(sample, { min_cpu_time: 3e8, min_samples: 12 });
  const ms = (ns: number) => ns / 1e6 / repeat;
  return {
    median: ms(stats.p50),
    p25: ms(stats.p25),
    p75: ms(stats.p75),
    best: ms(stats.min),
    samples: stats.samples.length,
  };
}

/** Writes a result with what is needed to judge it: machine, runtime, date, command. */
export function writeResult(file: string | undefined, device: Device, results: unknown): void {
  if (!file) return;
  const record = {
    date: new Date().toISOString(),
    command: ['node', path.relative('.', process.argv[1]!), ...process.argv.slice(2)].join(' '),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    device: device.capabilities,
    results,
  };
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(record, undefined, 1)}\n`);
  console.log(`written to ${file}`);
}
