/**
 * Growth of a training step's time with batch, width, depth and length, one at a time: exponents fitted in log space,
 * beside those of the operations. `npm run bench:scaling -- --device wasm --json bench/results/scaling-wasm.json
 * --readme`
 *
 * Every size is measured once per round, so that a slow moment of the machine hits all of them. Exponents come from
 * medians over rounds; single rounds give their range. Where operations do not explain the time, exponents by kernel
 * family do.
 */
import type { Device } from '../core/index.js';
import { commaList, oneOf, option } from '../mgsd/cli/options.js';
import { median, number, table } from './gpu/format.js';
import { benchCommand, progress, readmeOption, resultOptions, roundsOption, secondsOption } from './command.js';
import { machineOf, openBenchDevice, writeReadme, writeResult } from './harness.js';
import { countWork } from '../mgsd/runs/work.js';
import { batchSizes, batchWork } from './scaling-batch.js';
import type { Repeated } from './scaling-batch.js';
import { explain, familyOf, fit } from './scaling-fit.js';
import type { Exponent, Family, ScalingRow } from './scaling-fit.js';
import { sizes, Transformer, transformerFlops } from './transformer.js';
import type { Sizes } from './transformer.js';

const base: Sizes = { ...sizes, length: 64 };
const series: readonly { readonly what: string; readonly values: readonly number[] }[] = [
  { what: 'batch', values: [4, 8, 16, 32, 64] },
  { what: 'width', values: [64, 128, 192, 256, 384] },
  { what: 'layers', values: [2, 4, 8, 12] },
  { what: 'length', values: [32, 64, 128, 256, 512] },
  ...Object.keys(batchWork).map(what => ({ what, values: batchSizes })),
];
const names = series.map(({ what }) => what);
/** Milliseconds by family of one eager step. Only for backends whose launches are done when they return. */
async function familyTimes(device: Device, transformer: Transformer): Promise<Record<Family, number>> {
  const { backend } = device;
  const times: Record<Family, number> = { products: 0, attention: 0, rest: 0 };
  const launch = backend.launch.bind(backend);
  backend.launch = (kernel, operands, params) => {
    const start = performance.now();
    launch(kernel, operands, params);
    times[familyOf(kernel)] += performance.now() - start;
  };
  device.observer = () => undefined; // a replay has no launches to time
  await transformer.step();
  device.observer = undefined;
  backend.launch = launch;
  return times;
}

/** One size in one round: records a step, then repeats it. */
async function visit(device: Device, row: ScalingRow, seconds: number): Promise<void> {
  const work = workOf(device, row);
  for (let i = 0; i < 3; i++) await work.step(); // twice eagerly, once replayed
  const times: number[] = [];
  for (const end = performance.now() + 1000 * seconds; performance.now() < end || times.length === 0;) {
    const start = performance.now();
    await work.step();
    times.push(performance.now() - start);
  }
  row.milliseconds.push(median(times));
  if (!device.backend.timeLaunches && work instanceof Transformer) row.families.push(await familyTimes(device, work));
  work.dispose();
}

/** What is repeated for a row. */
function workOf(device: Device, { what, value }: ScalingRow): Transformer | Repeated {
  return batchWork[what]?.(device, value) ?? new Transformer(device, { ...base, [what]: value });
}

/** Operations of a step, by what the kernels must do. */
async function flopsOf(device: Device, row: Pick<ScalingRow, 'what' | 'value'>): Promise<number> {
  if (!batchWork[row.what]) return transformerFlops({ ...base, [row.what]: row.value });
  const work = workOf(device, row as ScalingRow);
  const { flops } = await countWork(device, row.value, () => work.step());
  work.dispose();
  return flops;
}

const options = benchCommand({
  command: 'npm run bench:scaling --',
  about: "How a training step's time grows, beside its operations: exponents fitted over rounds.",
  measures: series.map(({ what, values }) => `${what}: ${values.join(', ')}`),
  takes: '2 minutes on two cores, 20 on a software adapter',
  options: {
    only: option('--only <list>', 'only these', commaList(oneOf(names)), names),
    rounds: roundsOption,
    seconds: secondsOption,
    ...resultOptions,
    readme: readmeOption,
  },
  examples: [
    ['--device wasm --rounds 2', 'a quick look'],
    ['--device webgpu --only "scattered rows,attention"', 'two of them'],
    ['--device webgpu --json FILE --readme', 'kept'],
  ],
});
const rounds = options.rounds ?? 5;
const device = await openBenchDevice(options);
const chosen = series.filter(({ what }) => options.only.includes(what));
const rows: ScalingRow[] = [];
progress.begin(
  'operations',
  chosen.reduce((sum, { values }) => sum + values.length, 0),
);
for (const { what, values } of chosen)
  for (const value of values) {
    rows.push({ what, value, flops: await flopsOf(device, { what, value }), milliseconds: [], families: [] });
    progress.update(rows.length, what);
  }
progress.end();
for (let round = 0; round < rounds; round++) {
  const start = performance.now();
  progress.begin(`round ${round + 1} of ${rounds}`, rows.length);
  for (const [i, row] of rows.entries()) {
    progress.update(i, `${row.what} ${row.value}`);
    await visit(device, row, options.seconds ?? 0.4);
  }
  progress.end();
  console.log(`round ${round + 1} of ${rounds}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
}
const rowsOf = (what: string) => rows.filter(row => row.what === what);
const exponents: Exponent[] = chosen.map(({ what }) => fit(what, rowsOf(what)));

const cells = rows.map(({ what, value, flops, milliseconds }) => [
  what,
  String(value),
  number(median(milliseconds)),
  `${number(Math.min(...milliseconds))} to ${number(Math.max(...milliseconds))}`,
  number(flops / median(milliseconds) / 1e6),
]);
const difference = ({ time, operations }: Exponent) =>
  `${time < operations ? '' : '+'}${number((100 * time) / operations - 100)} %`;
const fits = exponents.map(exponent => {
  const { what, time, least, largest, operations, needsReason, families: byFamily } = exponent;
  const parts = Object.entries(byFamily).map(
    ([family, part]) => `${family} ${number(part.time)} (${Math.round(100 * part.share)} %)`,
  );
  return [
    what,
    number(time),
    `${number(least)} to ${number(largest)}`,
    number(operations),
    difference(exponent) + (needsReason ? ' (!)' : ''),
    parts.join(', ') || '-',
  ];
});
const reasons = exponents
  .filter(({ needsReason }) => needsReason)
  .map(exponent => `- ${explain(exponent, rowsOf(exponent.what))}`);
const markdown = [
  `Steps of a GPT (width 128, 4 layers, 16 sequences of 64 tokens) with one size varied at a time, and what must grow with the batch alone (rows of 64 in 64 columns; a step of stage 1 of tiny); medians of ${rounds} rounds, their range.`,
  table(['varied', 'value', 'step ms', 'over rounds', 'GFLOP/s'], cells),
  'Exponents of time from the medians, of single rounds, and of the operations; of the kernels by family, with their share of the time:',
  table(['varied', 'time', 'single rounds', 'operations', 'difference', 'families'], fits),
  ...(reasons.length > 0 ? [`More than 15 % off what the operations say (!):\n\n${reasons.join('\n')}`] : []),
].join('\n\n');
console.log(`\n${markdown}`);
writeResult(options.json, device, { base, rounds, rows, exponents }, markdown);
if (options.readme) writeReadme(`scaling-${device.capabilities.backend}`, paragraph());
await device.close();

/** The result in a few sentences. */
function paragraph(): string {
  const file = options.json === undefined ? 'not written' : `[JSON](results/${options.json.split(/[\\/]/).at(-1)!})`;
  const list = (of: (exponent: Exponent) => number) =>
    exponents.map(exponent => `${exponent.what}^${number(of(exponent))}`).join(', ');
  const ranges = exponents
    .map(({ what, least, largest }) => `${what} ${number(least)} to ${number(largest)}`)
    .join(', ');
  const verdict = reasons.length === 0 ? 'All are within 15 %.' : `More than 15 % off:\n\n${reasons.join('\n')}`;
  return (
    `On ${machineOf(device)} (${file}, ${rounds} rounds): time goes with ${list(({ time }) => time)} where the operations go with ` +
    `${list(({ operations }) => operations)}; single rounds say ${ranges}. ${verdict}`
  );
}
