/**
 * A whole run: stage 0, stage 1, stage 2, each evaluated when it is done, with checkpoints on the way. All randomness
 * follows from the seed and the step, so a run that was stopped resumes as if it had not been.
 */
import { buildTable, tableMarkdown } from '../evaluation/table.js';
import type { TableRow } from '../evaluation/table.js';
import { runPuzzles } from '../method/puzzles.js';
import { decodeRunState } from './checkpoints.js';
import { memoryMarkdown, peakMemory } from './memory-log.js';
import { openStage } from './open-stage.js';
import { evaluatedRows, stageNames, stagesOf } from './order.js';
import { evaluateQuestions, evaluateRows, evaluationFile, readEvaluations } from './rows.js';
import { runUpdates } from './stage-loop.js';
import type { CheckpointFile, RunStore } from './store.js';
import type { TrainOptions } from './train-options.js';

/** Runs the stages and returns the table, which is also written into the store. @throws Interrupted when stopped */
export async function train(options: TrainOptions): Promise<TableRow[]> {
  const { config, device, folder, from, observer, stages = stagesOf(config), puzzles = runPuzzles(config) } = options;
  const { name: deviceName, dtypes } = device.capabilities;
  if (config.precision === 'f16' && !dtypes.includes('f16'))
    observer?.onNote?.(`${deviceName} has no f16 (shader-f16): this run computes in f32`);
  if (from !== undefined) setAsideAfter(findCheckpoint(folder, from), options);
  for (const name of stages) {
    const opened = await openStage(name, puzzles, options);
    try {
      await runUpdates(opened, puzzles, options);
      await evaluateRows(opened, puzzles.heldOut, options);
      await evaluateQuestions(opened, puzzles.heldOut, options);
    } finally {
      opened.dispose();
    }
  }
  const table = buildTable(readEvaluations(folder));
  folder.writeTable(table, `${tableMarkdown(table)}\n\n${memoryMarkdown(peakMemory(folder.readLog()))}`);
  return table;
}

/** A checkpoint of a run by its name or path. @throws Error if there is none */
export function findCheckpoint(folder: RunStore, from: string): CheckpointFile {
  const file = folder.checkpoints().find(({ name, path }) => name === from || path === from);
  if (!file) throw new Error(`${from} is no checkpoint of ${folder.path}`);
  return file;
}

/** Moves everything newer than a checkpoint to a folder of its own, so that the run can resume from there. */
function setAsideAfter(file: CheckpointFile, { folder, config, observer }: TrainOptions): void {
  decodeRunState(file, folder.read(file.name), config); // refuses a bad one before anything is moved
  const later = stageNames.slice(stageNames.indexOf(file.stage));
  const moved = folder.setAside(file, [...later.flatMap(evaluatedRows).map(evaluationFile), 'table.json', 'table.md']);
  if (moved !== undefined) observer?.onNote?.(`files newer than ${file.path} were moved to ${moved}`);
}
