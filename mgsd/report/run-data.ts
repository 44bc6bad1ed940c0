/**
 * What a report needs of a run's folder. It only reads: the run may still be going on, so nothing is locked, and whatever is
 * missing yet is left out.
 */
import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { RunConfig } from '../method/config.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import { errorCode, readFile, readJson } from '../runs/files.js';
import type { StageName } from '../method/stages/stage.js';
import { buildTable, rowTitles } from '../evaluation/table.js';
import type { RowName, TableRow } from '../evaluation/table.js';
import { stageNames } from '../runs/order.js';
import { itemSchema, looksFile, parseLooks } from '../runs/looks.js';
import type { Look } from '../runs/looks.js';

/** One line of the log: numbers by name. What JSON cannot hold (NaN, Infinity) has been written as text and is read back. */
export interface LoggedStep {
  readonly stage: StageName;
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface StoredCheckpoint {
  readonly stage: StageName;
  readonly step: number;
  readonly path: string;
}

export interface ReportRun {
  /** The folder's own name. */
  readonly name: string;
  readonly config: RunConfig;
  readonly log: readonly LoggedStep[];
  /** The same held-out puzzles while it learnt; none in the folders of old runs. */
  readonly looks: readonly Look[];
  /** Every puzzle's outcome, by row of the table. */
  readonly rows: ReadonlyMap<RowName, readonly ItemResult[]>;
  readonly table: readonly TableRow[];
  /** In the order of stages and steps. */
  readonly checkpoints: readonly StoredCheckpoint[];
  /** What it ran on, in words, if the folder says. */
  readonly device: string | null;
  /** When the final table was written, or, in a run that has not got there, when it began. */
  readonly date: Date;
  readonly finished: boolean;
}

const itemsSchema = z.array(itemSchema);

const deviceSchema = z.object({ description: z.string() });

/**
 * Reads a run.
 * @param config what config.json holds, checked
 * @param warn told in one line about everything that was left out because it is damaged
 * @throws FileError if the folder cannot be read
 */
export function readRun(folder: string, config: RunConfig, warn: (message: string) => void): ReportRun {
  const rows = new Map<RowName, readonly ItemResult[]>();
  for (const row of Object.keys(rowTitles) as RowName[]) {
    const items = optional(path.join(folder, `evaluation-${row}.json`), itemsSchema, warn);
    if (items && items.length > 0) rows.set(row, items);
  }
  const finished = fs.existsSync(path.join(folder, 'table.json'));
  return {
    name: path.basename(path.resolve(folder)),
    config,
    log: readLog(path.join(folder, 'log.jsonl'), warn),
    looks: parseLooks(linesOf(path.join(folder, looksFile))),
    rows,
    table: buildTable(comparable(rows, warn)),
    checkpoints: findCheckpoints(folder),
    device: optional(path.join(folder, 'device.json'), deviceSchema, warn)?.description ?? null,
    date: fs.statSync(path.join(folder, finished ? 'table.json' : 'config.json')).mtime,
    finished,
  };
}

/** A JSON file that may be absent, or damaged. */
function optional<T>(file: string, schema: z.ZodType<T>, warn: (message: string) => void): T | undefined {
  if (!fs.existsSync(file)) return undefined;
  try {
    return schema.parse(readJson(file));
  } catch (error) {
    const reason = error instanceof z.ZodError ? 'it has another form than this program writes' : messageOf(error);
    warn(`${file} is left out: ${reason}`);
    return undefined;
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Gaps are computed item by item, so rows over other puzzles than the first row's cannot stand in one table with it. */
function comparable(
  rows: ReadonlyMap<RowName, readonly ItemResult[]>,
  warn: (message: string) => void,
): ReadonlyMap<RowName, readonly ItemResult[]> {
  const [first] = rows.values();
  const same = (items: readonly ItemResult[]) =>
    items.length === first?.length && items.every(({ key }, i) => key === first[i]!.key);
  const odd = [...rows].filter(([, items]) => !same(items)).map(([row]) => row);
  for (const row of odd) warn(`the row "${row}" was evaluated on other puzzles than the rows before and is left out`);
  return new Map([...rows].filter(([row]) => !odd.includes(row)));
}

/** The whole lines of a file, without the half line that is just being written; none if it is not there. */
function linesOf(file: string): string[] {
  try {
    return readFile(file).toString('utf8').split('\n').slice(0, -1);
  } catch (error) {
    if (fs.existsSync(file) || errorCode((error as Error).cause) !== 'ENOENT') throw error;
    return [];
  }
}

function readLog(file: string, warn: (message: string) => void): LoggedStep[] {
  let damaged = 0;
  const steps = linesOf(file).flatMap(line => {
    try {
      return [loggedStep(JSON.parse(line))];
    } catch {
      damaged++;
      return [];
    }
  });
  if (damaged > 0) warn(`${file}: ${damaged} damaged lines are left out`);
  return steps;
}

function loggedStep(value: unknown): LoggedStep {
  const { stage, step, ...rest } = value as Record<string, unknown>;
  const name = stageNames.find(known => known === stage);
  if (name === undefined || !Number.isSafeInteger(step)) throw new Error('no line of a log');
  const metrics: Record<string, number> = {};
  for (const [key, field] of Object.entries(rest))
    if (typeof field === 'number' || field === 'NaN' || field === 'Infinity' || field === '-Infinity')
      metrics[key] = Number(field);
  return { stage: name, step: step as number, metrics };
}

function findCheckpoints(folder: string): StoredCheckpoint[] {
  const order = (stage: StageName) => stageNames.indexOf(stage);
  return fs
    .readdirSync(folder)
    .flatMap(name => {
      const [, of, step] = /^checkpoint-(\w+)-(\d+)\.safetensors$/.exec(name) ?? [];
      const stage = stageNames.find(known => known === of);
      return stage === undefined ? [] : [{ stage, step: Number(step), path: path.join(folder, name) }];
    })
    .sort((a, b) => order(a.stage) - order(b.stage) || a.step - b.step);
}

/** Puzzles per update of a stage. */
export function batchOf({ stage1, ...config }: RunConfig, stage: StageName): number {
  return stage === 'stage1' || stage === 'direct' ? stage1.batch : config[stage].batch;
}

/** Seconds that the updates of a stage took, summed from the logged speeds; evaluations are not in it. */
export function updateSeconds({ log, config }: ReportRun, stage: StageName): number {
  return log
    .filter(line => line.stage === stage && (line.metrics['samplesPerSecond'] ?? 0) > 0)
    .reduce((sum, { metrics }) => sum + batchOf(config, stage) / metrics['samplesPerSecond']!, 0);
}

/** The row that shows what a run has come to: after its last stage, from images. */
export function finalRow({ rows }: Pick<ReportRun, 'rows'>): RowName | undefined {
  return (['mgsd', 'direct', 'stage1', 'base', 'symbolic'] as const).find(row => rows.has(row));
}
