/**
 * The ablation: for every seed the method's own run, then one for each row that differs from it. Runs of one seed share
 * what is the same: a stage that another run has been through with the same settings is taken over, not trained again.
 * A run that is complete is not begun again, so the same command goes on where it was stopped.
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
import { ablationNames, ablationRows, methodRun, plannedImages, rowConfig } from './rows.js';
import type { AblationName, AblationRow } from './rows.js';
import { ablationMarkdown, ablationTable } from './table.js';
import type { AblationResult, SeedItems } from './table.js';
import { resolveConfig } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import { FileError } from '../runs/file-error.js';
import { readJson, writeFileAtomic, writeJson } from '../runs/files.js';
import { readCheckpoint, RunFolder } from '../runs/run-folder.js';
import { isLocked } from '../runs/lock.js';
import type { StageName } from '../method/stages/stage.js';
import type { RowName } from '../evaluation/table.js';
import { evaluatedRows, stageNames } from '../runs/order.js';
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
  /** For the table: what was typed. */
  readonly command: string;
  /** A run begins, goes on, or is complete already. */
  readonly onRun?: (run: PlannedRun, state: 'begins' | 'goes on' | 'complete') => void;
  readonly onNote?: (note: string) => void;
}

/** One run of the ablation. */
export interface PlannedRun {
  readonly name: string;
  readonly seed: number;
  readonly folder: string;
  readonly stages: readonly StageName[];
  readonly rows: readonly AblationName[];
  /** What is evaluated: everything of the method's run, else what its rows show. */
  readonly evaluations: readonly RowName[];
}

/** The runs that these rows need, in the order in which they are done: the method's own first, seed by seed. */
export function plannedRuns(out: string, rows: readonly AblationName[], seeds: readonly number[]): PlannedRun[] {
  const chosen = ablationNames.filter(name => rows.includes(name));
  const needBudget = chosen.some(name => ablationRows[name].needsBudget);
  const names = [...new Set([methodRun, ...chosen.map(name => ablationRows[name].run)])];
  return seeds.flatMap(seed =>
    names.flatMap<PlannedRun>(name => {
      const own = chosen.filter(row => ablationRows[row].run === name);
      const wanted = own.flatMap(row => [...ablationRows[row].stages]);
      if (name === methodRun && needBudget) wanted.push('stage0', 'stage1', 'stage2');
      if (wanted.length === 0) return [];
      const stages = stageNames.filter(stage => wanted.includes(stage));
      const shown = own.map(row => ablationRows[row].evaluation);
      const evaluations = name === methodRun ? stages.flatMap(evaluatedRows) : [...new Set(shown)];
      return [{ name, seed, folder: path.join(out, `seed${seed}`, name), stages, rows: own, evaluations }];
    }),
  );
}

/** The row that says what a run changes. */
function rowOfRun(name: string): AblationRow {
  const found = ablationNames.find(row => ablationRows[row].run === name);
  return ablationRows[found ?? 'mgsd'];
}

/** The configuration of a run; `images` is the budget of stages 1 and 2. */
export function runConfig(run: Pick<PlannedRun, 'name' | 'seed'>, config: RunConfig, images: number): RunConfig {
  return rowConfig(rowOfRun(run.name), { ...config, seed: run.seed }, images);
}

/** Does all runs and returns the table. @throws Interrupted when stopped; FileError if `out` holds other runs */
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
  const isBegun = RunFolder.isRun(run.folder);
  if (isBegun) checkSame(run.folder, config);
  if (isBegun && run.evaluations.every(row => fs.existsSync(evaluationFile(run.folder, row)))) {
    onRun?.(run, 'complete');
    return;
  }
  onRun?.(run, isBegun ? 'goes on' : 'begins');
  const access = onNote && { warn: onNote };
  const folder = isBegun ? RunFolder.open(run.folder, access) : RunFolder.create(run.folder, config, access);
  try {
    for (const stage of ['stage0', 'stage1'] as const)
      if (run.stages.includes(stage)) takeOver(stage, folder, config, options, run);
    const wanted = { config, device, folder, stages: run.stages, evaluations: run.evaluations, resume: true };
    await train({ ...wanted, ...(model && { model }), ...(signal && { signal }), ...(observer && { observer }) });
  } finally {
    folder.close();
  }
}

const evaluationFile = (folder: string, row: string) => path.join(folder, `evaluation-${row}.json`);

function checkSame(folder: string, config: RunConfig): void {
  const stored = readJson(path.join(folder, 'config.json')) as RunConfig;
  if (!isDeepStrictEqual(resolveConfig(stored.preset, stored), resolveConfig(config.preset, config)))
    throw new FileError(`${folder} was begun with another configuration: use the same options, or another --out`);
}

/** All that decides how a stage ends. */
function decides(stage: 'stage0' | 'stage1', config: RunConfig): object {
  const { stage1, stage2: _, stages: __, ...shared } = config;
  return stage === 'stage0' ? shared : { ...shared, stage1 };
}

/** Takes a finished stage from another run of the same seed, if one has gone through it with the same settings. */
function takeOver(
  stage: 'stage0' | 'stage1',
  folder: RunFolder,
  config: RunConfig,
  { out, onNote }: AblateOptions,
  { seed, folder: own }: PlannedRun,
): void {
  if (folder.checkpoints().some(file => file.stage === stage)) return;
  const root = path.join(out, `seed${seed}`);
  for (const name of fs.readdirSync(root)) {
    const donor = path.join(root, name);
    if (path.resolve(donor) === path.resolve(own) || !RunFolder.isRun(donor) || isLocked(donor)) continue;
    const stored = readJson(path.join(donor, 'config.json')) as RunConfig;
    if (!isDeepStrictEqual(decides(stage, resolveConfig(stored.preset, stored)), decides(stage, config))) continue;
    const rows = evaluatedRows(stage); // the last that is done of a stage, so that it is through
    if (!rows.every(row => fs.existsSync(evaluationFile(donor, row)))) continue;
    const from = RunFolder.open(donor);
    try {
      const file = from.checkpoints().find(checkpoint => checkpoint.stage === stage);
      if (file === undefined) continue;
      const checkpoint = readCheckpoint(file.path);
      const metadata = { ...checkpoint.metadata, run: JSON.stringify(config) };
      folder.rewindLog(stage, 0);
      for (const record of from.readLog()) if (record.stage === stage) folder.appendLog(record);
      for (const row of rows) fs.copyFileSync(evaluationFile(donor, row), evaluationFile(own, row));
      folder.saveCheckpoint(stage, file.step, encodeCheckpoint({ ...checkpoint, metadata }));
      onNote?.(`${stage} is that of ${donor}`);
      return;
    } finally {
      from.close();
    }
  }
}

/** Images that a run's stages after stage 0 have used, by its log. */
function usedImages(folder: string, stages: readonly StageName[]): number {
  const { stage1, stage2 } = readJson(path.join(folder, 'config.json')) as RunConfig;
  const perUpdate: Readonly<Record<string, number>> = {
    stage1: stage1.batch,
    stage2: stage2.batch,
    direct: stage1.batch,
  };
  const log = path.join(folder, 'log.jsonl');
  const lines = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n') : [];
  let images = 0;
  for (const line of lines) {
    const stage = /^\{"stage":"(\w+)"/.exec(line)?.[1] ?? '';
    if ((stages as readonly string[]).includes(stage)) images += perUpdate[stage] ?? 0;
  }
  return images;
}

/**
 * What the method's run has used in stages 1 and 2 if it is through, extensions by the gate included; else what is
 * planned.
 */
function methodImages(seed: number, { out, config }: AblateOptions): number {
  const folder = path.join(out, `seed${seed}`, methodRun);
  const isThrough = fs.existsSync(evaluationFile(folder, 'mgsd'));
  return isThrough ? usedImages(folder, ['stage1', 'stage2']) : plannedImages(config);
}

/** The results that there are, by row. */
function readResults({ out, rows, seeds }: AblateOptions): Map<AblationName, SeedItems[]> {
  const results = new Map<AblationName, SeedItems[]>();
  for (const name of ablationNames.filter(row => rows.includes(row))) {
    const { run, evaluation, stages } = ablationRows[name];
    for (const seed of seeds) {
      const folder = path.join(out, `seed${seed}`, run);
      const file = evaluationFile(folder, evaluation);
      if (!fs.existsSync(file)) continue;
      const items = readJson(file) as ItemResult[];
      results.set(name, [...(results.get(name) ?? []), { seed, items, images: usedImages(folder, stages) }]);
    }
  }
  return results;
}

/** Writes the table of the seeds that are through; undefined while there is none. */
function writeTable(options: AblateOptions): AblationResult[] | undefined {
  const results = readResults(options);
  const missing = options.rows.length - results.size;
  const common = options.seeds.filter(seed => [...results.values()].every(list => list.some(one => one.seed === seed)));
  if (missing > 0 || common.length === 0) return undefined;
  const table = ablationTable(results);
  const { out, command, config } = options;
  writeJson(path.join(out, 'ablation.json'), { command, config, rows: table });
  writeFileAtomic(path.join(out, 'ablation.md'), ablationMarkdown(table, command));
  return table;
}
