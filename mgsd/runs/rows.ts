/** The rows of a run's table: evaluated once after their stage, and kept as files of the run. */
import fs from 'node:fs';
import type { VisionLanguageModel } from '../../models/index.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import { readJson, writeJson } from './files.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import type { RunFolder } from './run-folder.js';
import { plannedRows } from './order.js';
import { scoreOf, watchedItems } from './best.js';
import { evaluatePerception, isAskable, summarizePerception } from '../evaluation/perception.js';
import type { Stage } from '../method/stages/stage.js';
import { rowTitles } from '../evaluation/table.js';
import type { RowName } from '../evaluation/table.js';
import { Interrupted } from './train-options.js';
import type { TrainOptions } from './train-options.js';

/** Where the run keeps what came of a row. */
export const evaluationFile = (folder: RunFolder, row: RowName) => folder.file(`evaluation-${row}.json`);

/** Evaluates the rows that follow a stage, unless the folder has them. */
export async function evaluateRows(
  stage: Stage,
  model: VisionLanguageModel,
  heldOut: readonly PuzzleGroup[],
  { folder, observer, signal, evaluations }: TrainOptions,
): Promise<void> {
  for (const [k, [row, input]] of plannedRows(stage.name).entries()) {
    if (evaluations?.includes(row) === false) continue;
    if (signal?.aborted) throw new Interrupted(undefined);
    const file = evaluationFile(folder, row);
    const stored = storedItems(file, note => observer?.onNote?.(note));
    const items =
      stored ??
      (await evaluate(model, heldOut, {
        input,
        onProgress: (done, total) => {
          if (signal?.aborted) throw new Interrupted(undefined);
          observer?.onEvaluation?.(row, done, total);
        },
      }));
    writeJson(file, items);
    if (k === 0) folder.rate(stage.name, stage.steps, scoreOf(stage.name, watchedItems(items)));
    observer?.onRow?.(row, items);
  }
}

/** What an earlier process has evaluated; undefined if nothing, or if the file is damaged. */
function storedItems(file: string, onNote: (note: string) => void): readonly ItemResult[] | undefined {
  if (!fs.existsSync(file)) return undefined;
  try {
    const items = readJson(file);
    const isItem = (item: unknown) => typeof (item as Partial<ItemResult> | null)?.success === 'boolean';
    if (Array.isArray(items) && items.length > 0 && items.every(isItem)) return items as ItemResult[];
    onNote(`${file} holds no results: they are computed again`);
  } catch (error) {
    onNote(`${error instanceof Error ? error.message : String(error)} It is computed again.`);
  }
  return undefined;
}

/**
 * Asks the model its perception questions after a stage that sees images, and stores scores and answers, unless the run has
 * them or stage 1 taught no answers.
 */
export async function evaluateQuestions(
  stage: Stage,
  model: VisionLanguageModel,
  heldOut: readonly PuzzleGroup[],
  { config, folder, observer }: TrainOptions,
): Promise<void> {
  const file = folder.file(`perception-${stage.name}.json`);
  if ((stage.name !== 'stage1' && stage.name !== 'stage2') || !isAskable(config) || fs.existsSync(file)) return;
  const items = await evaluatePerception(model, heldOut);
  const scores = summarizePerception(items);
  writeJson(file, { scores, items });
  const said = Object.entries(scores).map(([world, { allExact }]) => `${world} ${(100 * allExact.value).toFixed(1)} %`);
  observer?.onNote?.(`all perception questions answered correctly: ${said.join(', ')}; question by question: ${file}`);
}

/** All rows that the folder has. */
export function readEvaluations(folder: RunFolder): Map<RowName, readonly ItemResult[]> {
  const rows = (Object.keys(rowTitles) as RowName[]).filter(row => fs.existsSync(evaluationFile(folder, row)));
  return new Map(rows.map(row => [row, readJson(evaluationFile(folder, row)) as ItemResult[]]));
}
