/** Reads a run's folder for a report. The run may still be training: nothing is locked, missing files are left out. */
import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { ItemResult } from '../evaluation/evaluate.js';
import { configurationHash } from '../evaluation/made-from.js';
import type { RowName, TableRow } from '../evaluation/table.js';
import type { RunConfig } from '../method/config.js';
import type { StageName } from '../method/stages/stage.js';
import { readLooks } from '../runs/looks.js';
import type { Look } from '../runs/looks.js';
import { readRows, tableOf } from '../runs/rows.js';
import type { StoredRow } from '../runs/rows.js';
import { RunFolder } from '../runs/run-folder.js';
import type { CheckpointFile, LogRecord } from '../runs/store.js';

export interface ReportRun {
  /** The folder's own name. */
  readonly name: string;
  readonly config: RunConfig;
  readonly log: readonly LogRecord[];
  /** The same held-out puzzles at several updates of each stage. */
  readonly looks: readonly Look[];
  /** Every puzzle's outcome, by row of the table. */
  readonly rows: ReadonlyMap<RowName, readonly ItemResult[]>;
  readonly table: readonly TableRow[];
  /** Oldest first, by stage and step. */
  readonly checkpoints: readonly CheckpointFile[];
  /** What it ran on, in words, if the folder says. */
  readonly device: string | null;
  /** When the final table was written or, of an unfinished run, when it began. */
  readonly date: Date;
  readonly finished: boolean;
}

const deviceSchema = z.object({ description: z.string() });

/**
 * Reads a run.
 * @param config what config.json holds, checked
 * @param warn receives one line for everything that is damaged and left out
 * @throws FileError if the folder cannot be read
 */
export function readRun(folder: string, config: RunConfig, warn: (message: string) => void): ReportRun {
  const store = RunFolder.read(folder, { warn });
  const stored = readRows(store, { configuration: configurationHash(config) }, warn);
  const finished = store.has('table.json');
  return {
    name: path.basename(path.resolve(folder)),
    config,
    log: store.readLog(),
    looks: readLooks(store),
    rows: new Map([...stored].map(([row, { items }]) => [row, items])),
    table: tableOf(comparable(stored, warn)),
    checkpoints: store.checkpoints().reverse(),
    device: readOptional(store, 'device.json', deviceSchema, warn)?.description ?? null,
    date: fs.statSync(store.file(finished ? 'table.json' : 'config.json')).mtime,
    finished,
  };
}

/** A JSON file that may be absent, or damaged. */
function readOptional<T>(
  store: RunFolder,
  name: string,
  schema: z.ZodType<T>,
  warn: (message: string) => void,
): T | undefined {
  if (!store.has(name)) return undefined;
  try {
    return schema.parse(store.readJson(name));
  } catch (error) {
    const reason =
      error instanceof z.ZodError ? 'it has another form than this program writes' : (error as Error).message;
    warn(`${store.file(name)} is left out: ${reason}`);
    return undefined;
  }
}

/** Gaps are computed puzzle by puzzle, so rows over other puzzles than the first row's cannot stand in its table. */
function comparable(
  rows: ReadonlyMap<RowName, StoredRow>,
  warn: (message: string) => void,
): ReadonlyMap<RowName, StoredRow> {
  const [first] = rows.values();
  const keys = ({ items }: StoredRow) => items.map(({ key }) => key).join();
  const odd = [...rows].filter(([, row]) => first && keys(row) !== keys(first)).map(([row]) => row);
  for (const row of odd) warn(`the row "${row}" was evaluated on other puzzles than the rows before and is left out`);
  return new Map([...rows].filter(([row]) => !odd.includes(row)));
}

/** Puzzles per update of a stage. */
export function batchOf({ stage1, ...config }: RunConfig, stage: StageName): number {
  return stage === 'stage1' || stage === 'direct' ? stage1.batch : config[stage].batch;
}

/** Seconds that the updates of a stage took by the logged speeds, evaluations not included. */
export function updateSeconds({ log, config }: ReportRun, stage: StageName): number {
  const speeds = log.filter(record => record.stage === stage).map(record => Number(record['samplesPerSecond']));
  return speeds.reduce((sum, speed) => sum + (speed > 0 ? batchOf(config, stage) / speed : 0), 0);
}

/** The row after a run's last stage, from images, with its outcomes; undefined before the first evaluation. */
export function finalResult({ rows }: ReportRun): { row: RowName; items: readonly ItemResult[] } | undefined {
  const row = (['mgsd', 'direct', 'stage1', 'base', 'symbolic'] as const).find(name => rows.has(name));
  return row && { row, items: rows.get(row)! };
}
