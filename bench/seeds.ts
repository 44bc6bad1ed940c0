/**
 * The tables of results: whole runs of a preset for several seeds, one after another, each timed from data to table.
 * `npm run bench:seeds -- --seeds 1,2,3 --json bench/results/worlds-seeds.json --write` writes them into
 * mgsd/RESULTS.md, and those of the default preset in short into README.md. `--config FILE` changes the preset, as in
 * `mgsd-lite train`, and names the table after the file. Runs go to `--runs FOLDER`: a complete one there is read, an
 * incomplete one resumed.
 */
import { existsSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import type { Device } from '../core/index.js';
import { loadModel, vocabulary } from '../models/index.js';
import { finalCheckpoint } from '../mgsd/runs/checkpoints.js';
import type { Rates } from '../mgsd/evaluation/breakdown.js';
import { defaultPreset, resolveConfig } from '../mgsd/method/config.js';
import type { RunConfig } from '../mgsd/method/config.js';
import { evaluate } from '../mgsd/evaluation/evaluate.js';
import type { ItemResult } from '../mgsd/evaluation/evaluate.js';
import { readJson, writeJson } from '../mgsd/runs/files.js';
import { heldOutGroups } from '../mgsd/method/puzzles.js';
import { RunFolder } from '../mgsd/runs/run-folder.js';
import { stageNames } from '../mgsd/runs/order.js';
import { train } from '../mgsd/runs/train.js';
import type { TrainObserver } from '../mgsd/runs/train-options.js';
import { readLooks } from '../mgsd/runs/looks.js';
import { configOptions, option, toggle } from '../mgsd/cli/options.js';
import { benchCommand, resultOptions, seedsOption } from './command.js';
import { openBenchDevice } from './harness.js';
import { insertBlock, insertResults, resultTables, summaryTable } from './seeds-text.js';
import type { CurvePoint, SeedResult, Shift } from './seeds-text.js';

const values = benchCommand({
  command: 'npm run bench:seeds --',
  about: 'The tables of results: whole runs of a preset, one for each seed, timed from data to table.',
  measures: ['every row of a run, in the held-out look and on larger boards too'],
  takes: 'six to ten minutes a seed for the default preset on two cores; says what it does',
  options: {
    seeds: seedsOption,
    preset: configOptions.preset,
    config: configOptions.config,
    direct: toggle('--direct', 'also train on plan labels behind images, for comparison'),
    runs: option('--runs <folder>', 'where runs go; complete ones there are read', String, 'runs/bench-seeds'),
    ...resultOptions,
    write: toggle('--write', 'also write the tables into mgsd/RESULTS.md and README.md'),
  },
  examples: [
    ['--seeds 1 --threads 2', 'one run'],
    ['--direct --json FILE --write', 'the tables of mgsd/RESULTS.md'],
  ],
});
const preset = values.preset ?? defaultPreset;
const changes = values.config === undefined ? {} : readJson(values.config);
/** Of runs, and of the marks around their table. */
const name = values.config === undefined ? preset : path.basename(values.config, '.json');
const { seeds } = values;

async function runSeed(seed: number): Promise<SeedResult> {
  const root = path.join(values.runs, `${name}-seed${seed}`);
  const finished = path.join(root, 'seed-result.json');
  let result = existsSync(finished) ? (readJson(finished) as SeedResult) : undefined;
  const wantsDirect = values.direct === true && !result?.rows.some(({ name }) => name === 'direct');
  if (result?.shift && !wantsDirect) return result;
  const config = resolveConfig(preset, changes, { seed });
  console.log(`seed ${seed}:`);
  const device = await openBenchDevice(values);
  const resume = RunFolder.isRun(root);
  const options = {
    stages: stageNames,
    warn: (line: string) => {
      console.log(line);
    },
  };
  const folder = resume ? RunFolder.open(root, options) : RunFolder.create(root, config, options);
  const started = performance.now();
  const minutes = () => (performance.now() - started) / 60000;
  const observer: TrainObserver = {
    onNote: note => {
      console.log(`  ${note}`);
    },
    onRow: (row, items) => {
      const success = items.filter(item => item.success).length / items.length;
      console.log(`  ${minutes().toFixed(1)} min  ${row}: ${(100 * success).toFixed(1)} %`);
    },
  };
  if (!result) {
    const rows = await train({ config, device, folder, stages: ['stage0', 'stage1', 'stage2'], resume, observer });
    result = {
      seed,
      minutes: resume ? undefined : minutes(),
      rows,
      threads: device.capabilities.threads,
      curve: curveOf(folder),
    };
    writeJson(finished, result);
  }
  if (!result.shift) {
    result = { ...result, shift: await measureShift(config, device, folder) };
    writeJson(finished, result);
  }
  if (wantsDirect) {
    const rows = await train({ config, device, folder, stages: ['direct'], resume: true, observer });
    result = { ...result, rows };
    writeJson(finished, result);
  }
  folder.close();
  await device.close();
  return result;
}

/** Evaluations on the same few held-out puzzles during training. */
function curveOf(folder: RunFolder): CurvePoint[] {
  return readLooks(folder).map(({ stage, step, input, items }) => ({
    stage,
    step,
    input,
    success: shares(
      items,
      ({ world }) => world,
      ({ success }) => success,
    ),
    recapExact: shares(
      items,
      ({ world }) => world,
      ({ recapExact }) => recapExact,
    ),
  }));
}

/** Success on boards in the held-out look, and on boards one size larger than any in training, if there are. */
async function measureShift(config: RunConfig, device: Device, folder: RunFolder): Promise<Shift> {
  const student = await loadModel(device, finalCheckpoint(folder, 'stage2', config), { trainable: false });
  const planner = await loadModel(device, finalCheckpoint(folder, 'stage0', config), { trainable: false });
  const same = heldOutGroups(config);
  const larger = heldOutGroups({
    ...config,
    tasks: config.tasks.flatMap(task => {
      const level = Math.max(...task.levels) + 1;
      return level > vocabulary.MAXIMUM_SIZE ? [] : { ...task, levels: [level], pool: { [level]: 1 } };
    }),
  });
  try {
    return {
      heldOutLook: successes(await evaluate(student, same, { input: 'image', style: 'held-out' })),
      larger: successes(await evaluate(student, larger, { input: 'image' })),
      largerSymbolic: successes(await evaluate(planner, larger, { input: 'symbolic' })),
    };
  } finally {
    student.dispose();
    planner.dispose();
  }
}

/** Success by `world level`. */
const successes = (items: readonly ItemResult[]) =>
  shares(
    items,
    ({ world, level }) => `${world} ${level}`,
    ({ success }) => success,
  );

/** Share of items that satisfy `holds`, by name. */
function shares<T>(items: readonly T[], nameOf: (item: T) => string, holds: (item: T) => boolean) {
  return Object.fromEntries(
    [...new Set(items.map(nameOf))].map(name => {
      const own = items.filter(item => nameOf(item) === name);
      return [name, own.filter(holds).length / own.length] as const;
    }),
  );
}

/** Without details by world and board size: those are in the run's own table.json. */
function briefly(result: SeedResult): object {
  const brief = (rates: Readonly<Record<string, Rates>>) =>
    Object.fromEntries(
      Object.entries(rates).map(([name, { items, success, optimal, detourSuccess, recapExact }]) => [
        name,
        { items, success, optimal, detourSuccess, recapExact },
      ]),
    );
  const rows = result.rows.map(row => ({
    ...row,
    byTask: brief(row.byTask),
    byTaskLevel: brief(row.byTaskLevel),
  }));
  return { ...result, rows };
}

const results: SeedResult[] = [];
for (const seed of seeds) results.push(await runSeed(seed));
const config = resolveConfig(preset, changes, { seed: seeds[0]! });
const chosen = `--preset ${preset}${values.config === undefined ? '' : ` --config ${values.config}`}`;
const command = `npm run bench:seeds -- ${chosen} --seeds ${seeds.join()}${values.direct ? ' --direct' : ''}`;
const machine = { processor: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), node: process.version };
console.log(resultTables(results));
if (values.json)
  writeJson(values.json, { date: new Date().toISOString(), command, machine, config, results: results.map(briefly) });
if (values.write) {
  const given = { results, config, chosen, machine, command, json: values.json };
  insertResults('mgsd/RESULTS.md', `${name} results`, given);
  if (name === defaultPreset) insertBlock('README.md', 'summary', summaryTable(results));
}
