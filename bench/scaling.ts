/**
 * How the time of a training step grows with batch, width, depth and length, each varied by itself: the exponent of time fitted in
 * logarithms, beside that of the operations. `npm run bench:scaling -- --device wasm --json FILE`
 */
import { median, number, slope, table } from './gpu/format.js';
import { benchOptions, openBenchDevice, writeResult } from './harness.js';
import { sizes, Transformer, transformerFlops } from './transformer.js';
import type { Sizes } from './transformer.js';
import { openDevice } from '../core/index.js';
import type { Device } from '../core/index.js';

const base: Sizes = { ...sizes, length: 64 };
const series: readonly { readonly what: keyof Sizes; readonly values: readonly number[] }[] = [
  { what: 'batch', values: [4, 8, 16, 32, 64] },
  { what: 'width', values: [64, 128, 192, 256, 384] },
  { what: 'layers', values: [2, 4, 8, 12] },
  { what: 'length', values: [32, 64, 128, 256, 512] },
];

export interface ScalingRow {
  readonly what: string;
  readonly value: number;
  readonly milliseconds: number;
  readonly gflops: number;
}

export interface Exponent {
  readonly what: string;
  /** Of time, and of floating-point operations. */
  readonly time: number;
  readonly operations: number;
}

/** Median milliseconds of a step, after the recording. */
async function stepTime(device: Device, chosen: Sizes): Promise<number> {
  const transformer = new Transformer(device, chosen);
  for (let i = 0; i < 3; i++) await transformer.step();
  const times: number[] = [];
  for (const end = performance.now() + 1500; performance.now() < end || times.length < 5;) {
    const start = performance.now();
    await transformer.step();
    times.push(performance.now() - start);
  }
  return median(times);
}

const options = benchOptions();
const opened = await openBenchDevice(options);
await opened.close();
const rows: ScalingRow[] = [];
const exponents: Exponent[] = [];
for (const { what, values } of series) {
  const measured: (readonly [number, number])[] = [];
  for (const value of values) {
    const chosen = { ...base, [what]: value };
    // one size at a time has the memory to itself
    const device = await openDevice(options.device, options.threads === undefined ? {} : { threads: options.threads });
    const milliseconds = await stepTime(device, chosen);
    await device.close();
    measured.push([value, milliseconds]);
    rows.push({ what, value, milliseconds, gflops: transformerFlops(chosen) / milliseconds / 1e6 });
  }
  const operations = slope(values.map(value => [value, transformerFlops({ ...base, [what]: value })]));
  exponents.push({ what, time: slope(measured), operations });
}
const cells = rows.map(({ what, value, milliseconds, gflops }) => [
  what,
  String(value),
  number(milliseconds),
  number(gflops),
]);
console.log(table(['varied', 'value', 'step ms', 'GFLOP/s'], cells));
const fits = exponents.map(({ what, time, operations }) => [
  what,
  number(time),
  number(operations),
  `${number((100 * time) / operations - 100)} %`,
]);
console.log(`\n${table(['varied', 'exponent of time', 'of operations', 'difference'], fits)}`);
writeResult(options.json, opened, { base, rows, exponents });
