/**
 * The ablation: for every seed the method's own run, then one run for each row that differs from it. A stage that
 * another run of the seed has finished with the same settings is copied, not trained again. Finished runs are skipped,
 * so the same command resumes an interrupted ablation.
 *
 *     OUT/seed1/mgsd, OUT/seed1/forward-kl, ...   folders of runs, as `train` makes them
 *     OUT/ablation.json, OUT/ablation.md          the table, renewed after every run
 */
import fs from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Device } from '../../core/index.js';
import { encodeCheckpoint } from '../../models/index.js';
import type { ModelConfig } from '../../models/index.js';
import { ablationNames, ablationRows, methodRun, plannedImages, rowConfig, runOf } from './rows.js';
import type { AblationName } from './rows.js';
import { ablationMarkdown, ablationTable, commonSeeds } from './table.js';
import type { AblationResult, SeedItems } from './table.js';
import { resolveConfig } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import { configurationHash } from '../evaluation/made-from.js';
import { FileError } from '../runs/file-error.js';
import { writeFileAtomic, writeJson } from '../runs/files.js';
import { readCheckpoint, RunFolder } from '../runs/run-folder.js';
import { isLocked } from '../runs/lock.js';
import type { StageName } from '../method/stages/stage.js';
import type { RowName } from '../evaluation/table.js';
import { evaluatedRows, stageNames } from '../runs/order.js';
import { evaluationFile, readRow, writeRow } from '../runs/rows.js';
import { train } from '../runs/train.js';
import type { TrainObserver } from '../runs/train-options.js';

export interface AblateOptions {
  /** What all rows start from; its seed is replaced by each of `seeds`. */
  readonly config: RunConfig;
  readonly rows: readonly AblationName[];
  readonly seeds: readonly number[];
  readonly device: Device;
  /** Sizes of the model, where they are not those of the preset. */
  readonly model?: ModelConfig;
  readonly out: string;
  readonly signal?: AbortSignal;
  readonly observer?: TrainObserver;
  /** The command line, which the table names. */
  readonly command: string;
  /** Called when a run begins, resumes, or turns out to be complete. */
  readonly onRun?: (run: PlannedRun, state: 'begins' | 'goes on' | 'complete') => void;
  readonly onNote?: (note: string) => void;
}

/** One run of the ablation. */
export interface PlannedRun {
  readonly name: AblationName;
  readonly seed: number;
  readonly folder: string;
  readonly stages: readonly StageName[];
  readonly rows: readonly AblationName[];
  /** What is evaluated: everything of the method's run, else what its rows show. */
  readonly evaluations: readonly RowName[];
}

/** The runs that these rows need, in the order of training: seed by seed, the method's own first. */
export function plannedRuns(out: string, rows: readonly AblationName[], seeds: readonly number[]): PlannedRun[] {
  const chosen = ablationNames.filter(name => rows.includes(name));
  const needBudget = chosen.some(name => ablationRows[name].needsBudget);
  return seeds.flatMap(seed =>
    [...new Set([methodRun, ...chosen.map(runOf)] as const)].flatMap<PlannedRun>(name => {
      const shown = chosen.filter(row => runOf(row) === name);
      const isMethod = name === methodRun;
      const needed: AblationName[] = isMethod && needBudget ? [...shown, methodRun] : shown;
      const wanted = needed.flatMap(row => [...ablationRows[row].stages]);
      if (wanted.length === 0) return [];
      const stages = stageNames.filter(stage => wanted.includes(stage));
      const evaluations = isMethod ? stages.flatMap(evaluatedRows) : shown.map(row => ablationRows[row].evaluation);
      return [{ name, seed, folder: path.join(out, `seed${seed}`, name), stages, rows: shown, evaluations }];
    }),
  );
}

/** The configuration of a run; `images` is the budget of stages 1 and 2. */
export function runConfig({ name, seed }: PlannedRun, config: RunConfig, images: number): RunConfig {
  return rowConfig(ablationRows[name], { ...config, seed }, images);
}

/** Trains all runs and returns the table. @throws Interrupted when stopped; FileError if `out` holds other runs */
export async function ablate(options: AblateOptions): Promise<AblationResult[]> {
  const { out, rows, seeds } = options;
  let table: AblationResult[] = [];
  for (const run of plannedRuns(out, rows, seeds)) {
    await completeRun(run, options);
    table = writeTable(options) ?? table;
  }
  return table;
}

async function completeRun(run: PlannedRun, options: AblateOptions): Promise<void> {
  const { config: base, device, model, signal, observer, onRun, onNote } = options;
  const config = runConfig(run, base, methodImages(run.seed, options));
  const begun = readRun(run.folder);
  if (begun && !isDeepStrictEqual(begun.config, resolveConfig(config.preset, config)))
    throw new FileError(`${run.folder} was begun with another configuration: use the same options, or another --out`);
  if (begun && isEvaluated(begun.store, run.evaluations)) {
    onRun?.(run, 'complete');
    return;
  }
  onRun?.(run, begun ? 'goes on' : 'begins');
  const access = onNote && { warn: onNote };
  const folder = begun ? RunFolder.open(run.folder, access) : RunFolder.create(run.folder, config, access);
  try {
    for (const stage of ['stage0', 'stage1'] as const)
      if (run.stages.includes(stage)) takeOver(stage, folder, config, options, run);
    const wanted = { config, device, folder, stages: run.stages, evaluations: run.evaluations, resume: true };
    await train({ ...wanted, ...(model && { model }), ...(signal && { signal }), ...(observer && { observer }) });
  } finally {
    folder.close();
  }
}

/** A run as it is in its folder, and its configuration; undefined if there is none. */
function readRun(folder: string): { store: RunFolder; config: RunConfig } | undefined {
  if (!RunFolder.isRun(folder)) return undefined;
  const store = RunFolder.read(folder);
  const stored = store.readJson('config.json') as RunConfig;
  return { store, config: resolveConfig(stored.preset, stored) };
}

const isEvaluated = (store: RunFolder, rows: readonly RowName[]) => rows.every(row => store.has(evaluationFile(row)));

/** All settings that decide how a stage ends. */
function decidingSettings(stage: 'stage0' | 'stage1', config: RunConfig): object {
  const { stage1, stage2: _, stages: __, ...shared } = config;
  return stage === 'stage0' ? shared : { ...shared, stage1 };
}

/** Takes a finished stage from another run of the same seed that has been through it with the same settings. */
function takeOver(
  stage: 'stage0' | 'stage1',
  folder: RunFolder,
  config: RunConfig,
  { out, onNote }: AblateOptions,
  { seed, name: self }: PlannedRun,
): void {
  if (folder.checkpoints().some(file => file.stage === stage)) return;
  const root = path.join(out, `seed${seed}`);
  const rows = evaluatedRows(stage); // evaluated last: where they are, the stage has ended
  for (const name of fs.readdirSync(root)) {
    const other = path.join(root, name);
    const donor = name === self || isLocked(other) ? undefined : readRun(other);
    if (!donor || !isEvaluated(donor.store, rows)) continue;
    if (!isDeepStrictEqual(decidingSettings(stage, donor.config), decidingSettings(stage, config))) continue;
    const file = donor.store.checkpoints().find(checkpoint => checkpoint.stage === stage);
    if (!file) continue;
    const checkpoint = readCheckpoint(file.path);
    const metadata = { ...checkpoint.metadata, run: JSON.stringify(config) };
    folder.rewind(stage, 0);
    for (const record of donor.store.readLog()) if (record.stage === stage) folder.appendLog(record);
    for (const row of rows) {
      const { madeFrom, items } = readRow(donor.store, row);
      // what decides the stage is equal in both
      const own = madeFrom && { ...madeFrom, configuration: configurationHash(config) };
      writeRow(folder, row, { madeFrom: own, items });
    }
    folder.saveCheckpoint(stage, file.step, encodeCheckpoint({ ...checkpoint, metadata }));
    onNote?.(`${stage} is that of ${other}`);
    return;
  }
}

/** Images that the stages after stage 0 have used, by the log. */
function usedImages({ store, config }: NonNullable<ReturnType<typeof readRun>>, stages: readonly StageName[]): number {
  const { stage1, stage2 } = config;
  const perUpdate = { stage0: 0, stage1: stage1.batch, stage2: stage2.batch, direct: stage1.batch };
  const counts = store.readLog().map(({ stage }) => stages.find(name => name === stage));
  return counts.reduce((sum, stage) => sum + (stage ? perUpdate[stage] : 0), 0);
}

/**
 * What the method's run has used in stages 1 and 2, extensions by the gate included; until it has ended, what is
 * planned.
 */
function methodImages(seed: number, { out, config }: AblateOptions): number {
  const run = readRun(path.join(out, `seed${seed}`, methodRun));
  return run && isEvaluated(run.store, ['mgsd']) ? usedImages(run, ['stage1', 'stage2']) : plannedImages(config);
}

/** The results so far, by row. */
function readResults({ out, rows, seeds }: AblateOptions): Map<AblationName, SeedItems[]> {
  const results = new Map<AblationName, SeedItems[]>();
  for (const name of ablationNames.filter(row => rows.includes(row))) {
    const { evaluation, stages } = ablationRows[name];
    const list = seeds.flatMap((seed): SeedItems[] => {
      const run = readRun(path.join(out, `seed${seed}`, runOf(name)));
      if (!run || !isEvaluated(run.store, [evaluation])) return [];
      const { items } = readRow(run.store, evaluation);
      return [{ seed, items, images: usedImages(run, stages) }];
    });
    if (list.length > 0) results.set(name, list);
  }
  return results;
}

/** Writes the table over the seeds that have finished all rows; undefined while there is none. */
function writeTable(options: AblateOptions): AblationResult[] | undefined {
  const results = readResults(options);
  if (results.size < options.rows.length || commonSeeds(results).length === 0) return undefined;
  const table = ablationTable(results);
  const { out, command, config } = options;
  writeJson(path.join(out, 'ablation.json'), { command, config, rows: table });
  writeFileAtomic(path.join(out, 'ablation.md'), ablationMarkdown(table, command));
  return table;
}
