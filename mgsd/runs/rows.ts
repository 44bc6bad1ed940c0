/** The rows of a run's table: evaluated once after their stage, and stored with the run. */
import { z } from 'zod';
import { evaluate } from '../evaluation/evaluate.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import { configurationHash, itemsHash, otherOrigin } from '../evaluation/made-from.js';
import { puzzlesHash, resultsHash, weightsHash } from '../evaluation/made-from.js';
import type { MadeFrom } from '../evaluation/made-from.js';
import { evaluatePerception, isAskable, summarizePerception } from '../evaluation/perception.js';
import { buildTable, rowTitles } from '../evaluation/table.js';
import type { RowName, TableRow } from '../evaluation/table.js';
import type { RunConfig } from '../method/config.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import type { StageName } from '../method/stages/stage.js';
import { decodedOrNot } from './checkpoints.js';
import { FileError } from './file-error.js';
import { itemSchema } from './looks.js';
import type { OpenStage } from './open-stage.js';
import { evaluatedRows, plannedRows, stageNames } from './order.js';
import type { RunStore } from './store.js';
import { Interrupted } from './train-options.js';
import type { TrainOptions } from './train-options.js';

/** The file that holds the outcomes of a row. */
export const evaluationFile = (row: RowName) => `evaluation-${row}.json`;

const perceptionFile = (stage: StageName) => `perception-${stage}.json`;

const madeFromSchema = z.object({ weights: z.string(), configuration: z.string(), puzzles: z.string() });

/** An evaluation file: where it is from, the outcomes, and their hash. The first runs kept the outcomes alone. */
const rowSchema = z.preprocess(
  value => (Array.isArray(value) ? { items: value as unknown[] } : value),
  z.object({
    madeFrom: madeFromSchema.optional(),
    sha256: z.string().optional(),
    items: z
      .array(
        itemSchema.extend({
          progress: z.number().optional(),
          parsed: z.boolean().optional(),
          illegal: z.boolean().optional(),
          fields: z.record(z.string(), z.boolean()).optional(),
        }),
      )
      .min(1),
  }),
);

/** A row as its file holds it. */
export interface StoredRow {
  readonly madeFrom?: MadeFrom | undefined;
  readonly items: readonly ItemResult[];
}

/** @throws FileError if the file cannot be read, was changed, or holds something else */
export function readRow(folder: RunStore, row: RowName): StoredRow {
  const name = evaluationFile(row);
  const stored = folder.readJson(name);
  const { success, data } = rowSchema.safeParse(stored);
  if (!success) throw new FileError(`${folder.file(name)} holds no results.`);
  const { sha256, ...rest } = data;
  if (sha256 !== undefined && sha256 !== resultsHash(row, (stored as StoredRow).items))
    throw new FileError(`${folder.file(name)} does not hold the results that were written to it.`);
  return rest as StoredRow;
}

export function writeRow(folder: RunStore, row: RowName, { madeFrom, items }: StoredRow): void {
  folder.writeJson(evaluationFile(row), { madeFrom, sha256: resultsHash(row, items), items });
}

/** What the results of a stage are made from. */
async function originOf({ model }: OpenStage, config: RunConfig, heldOut: readonly PuzzleGroup[]): Promise<MadeFrom> {
  return {
    weights: weightsHash(await model.parameters.save()),
    configuration: configurationHash(config),
    puzzles: puzzlesHash(heldOut),
  };
}

/** Evaluates the rows that follow a stage, unless the run has them already, made from the same. */
export async function evaluateRows(
  opened: OpenStage,
  heldOut: readonly PuzzleGroup[],
  { folder, config, observer, signal, evaluations }: TrainOptions,
): Promise<void> {
  const { stage, model } = opened;
  const madeFrom = await originOf(opened, config, heldOut);
  for (const [row, input] of plannedRows(stage.name)) {
    if (evaluations?.includes(row) === false) continue;
    if (signal?.aborted) throw new Interrupted(undefined);
    const onProgress = (done: number, total: number) => {
      if (signal?.aborted) throw new Interrupted(undefined);
      observer?.onEvaluation?.(row, done, total);
    };
    let items = storedItems(folder, row, madeFrom, note => observer?.onNote?.(note));
    if (!items) {
      items = await evaluate(model, heldOut, { input, onProgress });
      writeRow(folder, row, { madeFrom, items });
    }
    observer?.onRow?.(row, items);
  }
}

const notMadeFrom = (other: readonly string[]) => `was not made from this run's ${other.join(' and ')}`;

/** Outcomes from an earlier process; undefined if there are none, or they are damaged or made from something else. */
function storedItems(
  folder: RunStore,
  row: RowName,
  expected: MadeFrom,
  onNote: (note: string) => void,
): readonly ItemResult[] | undefined {
  const name = evaluationFile(row);
  if (!folder.has(name)) return undefined;
  try {
    const { madeFrom, items } = readRow(folder, row);
    const puzzles = itemsHash(items); // the file may have been shortened
    const other = otherOrigin({ ...madeFrom, puzzles }, expected);
    if (madeFrom && other.length === 0) return items;
    const reason = other.length > 0 ? notMadeFrom(other) : 'does not say what it was made from';
    onNote(`${folder.file(name)} ${reason}: it is computed again`);
  } catch (error) {
    onNote(`${(error as Error).message} It is computed again.`);
  }
  return undefined;
}

/**
 * Asks the model its perception questions after a stage that sees images, and stores scores and answers, unless the run
 * has them already, made from the same, or stage 1 taught no answers.
 */
export async function evaluateQuestions(
  opened: OpenStage,
  heldOut: readonly PuzzleGroup[],
  { config, folder, observer }: TrainOptions,
): Promise<void> {
  const { stage, model } = opened;
  const name = perceptionFile(stage.name);
  if ((stage.name !== 'stage1' && stage.name !== 'stage2') || !isAskable(config)) return;
  const madeFrom = await originOf(opened, config, heldOut);
  if (folder.has(name) && isMadeFrom(folder, name, madeFrom)) return;
  const items = await evaluatePerception(model, heldOut);
  const scores = summarizePerception(items);
  folder.writeJson(name, { madeFrom, scores, items });
  const said = Object.entries(scores).map(([world, { allExact }]) => `${world} ${(100 * allExact.value).toFixed(1)} %`);
  observer?.onNote?.(
    `all perception questions answered correctly: ${said.join(', ')}; question by question: ${folder.file(name)}`,
  );
}

function isMadeFrom(folder: RunStore, name: string, expected: MadeFrom): boolean {
  try {
    const { madeFrom } = z.object({ madeFrom: madeFromSchema }).parse(folder.readJson(name));
    return otherOrigin(madeFrom, expected).length === 0;
  } catch {
    return false;
  }
}

/**
 * All rows that the run has. Left out with a warning: what is damaged, and what was made from another configuration,
 * other weights than those of its stage's newest checkpoint, or other puzzles.
 * @param expected beside the weights
 */
export function readRows(
  folder: RunStore,
  expected: Partial<Omit<MadeFrom, 'weights'>>,
  warn: (message: string) => void,
): Map<RowName, StoredRow> {
  const rows = new Map<RowName, StoredRow>();
  for (const stage of stageNames) {
    const names = evaluatedRows(stage).filter(row => folder.has(evaluationFile(row)));
    const newest = names.length > 0 ? folder.checkpoints().find(file => file.stage === stage) : undefined;
    const checkpoint = newest && decodedOrNot(newest, folder);
    const weights = checkpoint && { weights: weightsHash(checkpoint.parameters) };
    for (const name of names) {
      try {
        const row = readRow(folder, name);
        const found = { ...row.madeFrom, puzzles: itemsHash(row.items) };
        const other = otherOrigin(found, { ...expected, ...weights });
        if (other.length === 0) rows.set(name, row);
        else warn(`The row "${name}" is left out: ${folder.file(evaluationFile(name))} ${notMadeFrom(other)}`);
      } catch (error) {
        warn(`The row "${name}" is left out: ${(error as Error).message}`);
      }
    }
  }
  const inOrder = (Object.keys(rowTitles) as RowName[]).filter(name => rows.has(name));
  return new Map(inOrder.map(name => [name, rows.get(name)!]));
}

/** The table of these rows. */
export function tableOf(rows: ReadonlyMap<RowName, StoredRow>): TableRow[] {
  const table = buildTable(new Map([...rows].map(([name, { items }]) => [name, items])));
  return table.map(row => {
    const { madeFrom } = rows.get(row.name)!;
    return madeFrom ? { ...row, madeFrom } : row;
  });
}

/** The files of a run that are made from these stages, those that sum them up included. */
export function derivedFiles(folder: RunStore, stages: readonly StageName[]): string[] {
  const rows = stages.flatMap(evaluatedRows);
  const own = [...rows.map(evaluationFile), ...stages.map(perceptionFile)].filter(name => folder.has(name));
  const isSummedUp = own.length > 0 || rowsOfTable(folder).some(name => rows.includes(name));
  return isSummedUp ? [...own, 'table.json', 'table.md', 'report.html'] : own;
}

/** The rows of the table that the run has, damaged or not. */
function rowsOfTable(folder: RunStore): RowName[] {
  if (!folder.has('table.json')) return [];
  try {
    return z
      .array(z.object({ name: z.string() }))
      .parse(folder.readJson('table.json'))
      .map(({ name }) => name as RowName);
  } catch {
    return Object.keys(rowTitles) as RowName[];
  }
}
