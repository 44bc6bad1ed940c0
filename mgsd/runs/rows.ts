/** The rows of a run's table: evaluated once after their stage, and stored with the run. */
import { evaluate } from '../evaluation/evaluate.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import { evaluatePerception, isAskable, summarizePerception } from '../evaluation/perception.js';
import { rowTitles } from '../evaluation/table.js';
import type { RowName } from '../evaluation/table.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import type { OpenStage } from './open-stage.js';
import { plannedRows } from './order.js';
import type { RunStore } from './store.js';
import { Interrupted } from './train-options.js';
import type { TrainOptions } from './train-options.js';

/** The file that holds the outcomes of a row. */
export const evaluationFile = (row: RowName) => `evaluation-${row}.json`;

/** Evaluates the rows that follow a stage, unless the run has them already. */
export async function evaluateRows(
  { stage, model }: OpenStage,
  heldOut: readonly PuzzleGroup[],
  { folder, observer, signal, evaluations }: TrainOptions,
): Promise<void> {
  for (const [row, input] of plannedRows(stage.name)) {
    if (evaluations?.includes(row) === false) continue;
    if (signal?.aborted) throw new Interrupted(undefined);
    const onProgress = (done: number, total: number) => {
      if (signal?.aborted) throw new Interrupted(undefined);
      observer?.onEvaluation?.(row, done, total);
    };
    const stored = storedItems(folder, evaluationFile(row), note => observer?.onNote?.(note));
    const items = stored ?? (await evaluate(model, heldOut, { input, onProgress }));
    folder.writeJson(evaluationFile(row), items);
    observer?.onRow?.(row, items);
  }
}

/** Outcomes from an earlier process; undefined if there are none, or the file is damaged. */
function storedItems(
  folder: RunStore,
  name: string,
  onNote: (note: string) => void,
): readonly ItemResult[] | undefined {
  if (!folder.has(name)) return undefined;
  try {
    const items = folder.readJson(name);
    const isItem = (item: unknown) => typeof (item as Partial<ItemResult> | null)?.success === 'boolean';
    if (Array.isArray(items) && items.length > 0 && items.every(isItem)) return items as ItemResult[];
    onNote(`${folder.file(name)} holds no results: they are computed again`);
  } catch (error) {
    onNote(`${error instanceof Error ? error.message : String(error)} It is computed again.`);
  }
  return undefined;
}

/**
 * Asks the model its perception questions after a stage that sees images, and stores scores and answers, unless the run
 * has them already or stage 1 taught no answers.
 */
export async function evaluateQuestions(
  { stage, model }: OpenStage,
  heldOut: readonly PuzzleGroup[],
  { config, folder, observer }: TrainOptions,
): Promise<void> {
  const name = `perception-${stage.name}.json`;
  if ((stage.name !== 'stage1' && stage.name !== 'stage2') || !isAskable(config) || folder.has(name)) return;
  const items = await evaluatePerception(model, heldOut);
  const scores = summarizePerception(items);
  folder.writeJson(name, { scores, items });
  const said = Object.entries(scores).map(([world, { allExact }]) => `${world} ${(100 * allExact.value).toFixed(1)} %`);
  observer?.onNote?.(
    `all perception questions answered correctly: ${said.join(', ')}; question by question: ${folder.file(name)}`,
  );
}

/** All rows that the run has. */
export function readEvaluations(folder: RunStore): Map<RowName, readonly ItemResult[]> {
  const rows = (Object.keys(rowTitles) as RowName[]).filter(row => folder.has(evaluationFile(row)));
  return new Map(rows.map(row => [row, folder.readJson(evaluationFile(row)) as ItemResult[]]));
}
