/**
 * Levers: what each change of a preset is worth, on validation boards that are neither trained on nor reported.
 *
 *     npm run bench:levers -- --file bench/levers/default.json --seeds 1,2,3 --json bench/results/levers.json
 *
 * The file names a preset, changes that all runs share (or the file that has them), the last stage to train, and the
 * levers by name; the first is the baseline. Every lever is trained as often as the baseline, paired by seed: at equal
 * updates, and with `--equal-time` again with as many updates as take the baseline's processor time. Finished stages
 * stay in `--out`, so an interrupted sweep goes on where it was, and levers that share a stage train it once.
 *
 * Validation boards come from the training side of the split, on layouts that the sweep sets aside (`sweepPuzzles`).
 */
import path from 'node:path';
import { z } from 'zod';
import type { PresetName } from '../models/index.js';
import { tQuantile } from '../mgsd/evaluation/intervals.js';
import { resolveConfig } from '../mgsd/method/config.js';
import { readJson } from '../mgsd/runs/files.js';
import { mean, runStages, sweptStages } from './levers/run.js';
import type { StageRecord } from './levers/run.js';
import { checkInput, InputError } from '../mgsd/cli/errors.js';
import { commaList, option, required, toggle, wholeNumber } from '../mgsd/cli/options.js';
import { benchCommand, resultOptions, seedsOption } from './command.js';
import { table } from './gpu/format.js';
import { openBenchDevice, writeResult } from './harness.js';

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

const sweepSchema = z.strictObject({
  preset: z.string(),
  stage: z.enum(sweptStages),
  /** Changes of the preset, or the file that has them. */
  base: z.union([z.string(), z.record(z.string(), z.unknown())]).default({}),
  levers: z.record(z.string(), z.record(z.string(), z.unknown())),
});

const values = benchCommand({
  command: 'npm run bench:levers --',
  about: 'What each change of a preset is worth, on validation boards, paired by seed with the first lever.',
  measures: ['the levers of a file: loss, success by input, processor time, at equal updates or equal time'],
  takes: 'as long as it trains: levers times seeds runs; each is printed as it ends',
  options: {
    file: required('--file <file>', 'the sweep: a preset, its levers, and the last stage to train'),
    only: option('--only <list>', 'these levers beside the first', commaList(String)),
    seeds: seedsOption,
    puzzles: option('--puzzles <n>', 'validation puzzles per board', wholeNumber(1), 64),
    equalTime: toggle('--equal-time', "again with as many updates as take the baseline's processor time"),
    out: option('--out <folder>', 'where finished stages stay, so that a sweep can go on', String, 'runs/levers'),
    ...resultOptions,
  },
  examples: [['--file bench/levers/default.json --seeds 1 --json FILE', 'a sweep with one seed']],
});
const given = readJson(values.file);
const { base: shared, ...sweep } = checkInput(() => sweepSchema.parse(given), values.file);
const base = typeof shared === 'string' ? readJson(path.resolve(path.dirname(values.file), shared)) : shared;
const all = Object.keys(sweep.levers);
const unknown = values.only?.find(name => !all.includes(name));
if (unknown !== undefined) throw new InputError(`--only ${unknown}: choose from ${all.join(', ')}`);
const names = all.filter((name, i) => i === 0 || (values.only?.includes(name) ?? true));
const { seeds } = values;
const device = await openBenchDevice(values);
const setting = { device, out: values.out, puzzles: values.puzzles };

/** One run: what a lever reached from a seed, stage by stage. */
interface Run {
  readonly lever: string;
  readonly budget: 'updates' | 'time';
  readonly records: readonly StageRecord[];
}
const runs: Run[] = [];

/** A lever's configuration, with the updates of the swept stage times `factor`. */
function configOf(lever: string, seed: number, factor = 1) {
  const preset = sweep.preset as PresetName;
  const config = resolveConfig(preset, base, sweep.levers[lever], { seed });
  if (factor === 1) return config;
  const { steps, warmup } = config[sweep.stage];
  const scaled = (count: number) => Math.max(1, Math.round(factor * count));
  return resolveConfig(preset, config, { [sweep.stage]: { steps: scaled(steps), warmup: scaled(warmup) } });
}

async function run(lever: string, budget: Run['budget'], seed: number, factor?: number): Promise<StageRecord> {
  const records = await runStages(configOf(lever, seed, factor), sweep.stage, setting);
  runs.push({ lever, budget, records });
  const last = records.at(-1)!;
  const reached = Object.entries(last.success).map(([input, { macro }]) => `${input} ${percent(macro)}`);
  console.log(
    `${lever}, equal ${budget}, seed ${seed}: ${last.updates} updates, ${last.cpuSeconds.toFixed(0)} s of processor, ` +
      `loss ${last.loss.toFixed(4)}; ${reached.join(', ')}`,
  );
  return last;
}

const cost = ({ cpuSeconds, updates }: StageRecord) => cpuSeconds / updates;

for (const seed of seeds) {
  let baseline: StageRecord | undefined;
  for (const lever of names) {
    const record = await run(lever, 'updates', seed);
    baseline ??= record;
    if (values.equalTime && record !== baseline) await run(lever, 'time', seed, cost(baseline) / cost(record));
  }
}

/** The mean of differences paired by seed, with its 95 % half-width (Student's t); null for one seed. */
function paired(differences: readonly number[]): { readonly mean: number; readonly half: number | null } {
  const n = differences.length;
  const middle = mean(differences);
  if (n < 2) return { mean: middle, half: null };
  const variance = differences.reduce((sum, d) => sum + (d - middle) ** 2, 0) / (n - 1);
  return { mean: middle, half: tQuantile(n - 1) * Math.sqrt(variance / n) };
}

/** Rows of lever and budget: updates, processor seconds, loss and success by input, and the difference in points. */
function rows(): string[][] {
  const last = ({ records }: Run) => records.at(-1)!;
  const of = (lever: string, budget: Run['budget']) =>
    runs.filter(run => run.lever === lever && run.budget === budget).map(last);
  const baseline = of(names[0]!, 'updates');
  return names.flatMap(lever =>
    (['updates', 'time'] as const).flatMap(budget => {
      const found = of(lever, budget);
      if (found.length === 0) return [];
      const average = (value: (record: StageRecord) => number) => mean(found.map(value));
      const cells = Object.keys(found[0]!.success).map(input => {
        const { mean: gain, half } = paired(
          found.map(({ success }, i) => success[input]!.macro - baseline[i]!.success[input]!.macro),
        );
        const reached = percent(average(({ success }) => success[input]!.macro));
        const points = `${gain < 0 ? '' : '+'}${(100 * gain).toFixed(1)}`;
        return lever === names[0]
          ? reached
          : `${reached} (${points}${half === null ? '' : ` ± ${(100 * half).toFixed(1)}`})`;
      });
      return [
        [
          lever,
          budget,
          average(({ updates }) => updates).toFixed(0),
          average(({ cpuSeconds }) => cpuSeconds).toFixed(0),
          average(({ loss }) => loss).toFixed(4),
          ...cells,
        ],
      ];
    }),
  );
}

const shown = Object.keys(runs[0]!.records.at(-1)!.success);
const head = ['lever', 'at equal', 'updates', 'processor seconds', 'loss', ...shown];
const text = table(head, rows());
console.log(text);
writeResult(values.json, device, { sweep: { ...sweep, base }, seeds, puzzles: setting.puzzles, runs }, text);
await device.close();
