/**
 * A whole run: data, stage 0, stage 1, stage 2, and an evaluation after each, with checkpoints on the way. Everything random
 * hangs on the seed and the step, so a run that was stopped goes on as if it had not been.
 */
import path from 'node:path';
import { AdamW } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import { loadModel, modelPresets, noDecayGroups, VisionLanguageModel } from '../../models/index.js';
import { finalCheckpoint, newestCheckpoint, readRunState, restoreOptimizer } from './checkpoints.js';
import type { RunConfig } from '../method/config.js';
import { memoryMarkdown, peakMemory } from './memory-log.js';
import { checkPuzzles, heldOutGroups, trainingGroups } from '../method/puzzles.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import type { RunFolder } from './run-folder.js';
import { evaluatedRows, stageBefore, stageNames, stagesOf } from './order.js';
import { evaluateQuestions, evaluateRows, evaluationFile, readEvaluations } from './rows.js';
import { guardOf, runStage } from './stage-loop.js';
import { makeStage } from '../method/stages/index.js';
import type { StageName } from '../method/stages/stage.js';
import { buildTable, tableMarkdown } from '../evaluation/table.js';
import type { TableRow } from '../evaluation/table.js';
import type { TrainOptions } from './train-options.js';

/** Runs the stages and returns the table; it is also written into the folder. @throws Interrupted when stopped */
export async function train(options: TrainOptions): Promise<TableRow[]> {
  const { config, device, folder, stages = stagesOf(config) } = options;
  const heldOut = heldOutGroups(config);
  if (options.from !== undefined) setAsideAfter(options.from, options);
  for (const name of stages) {
    const start = options.resume
      ? newestCheckpoint(folder, name, config, note => options.observer?.onNote?.(note))
      : undefined;
    const owned: { dispose(): void }[] = [];
    const own = <T extends { dispose(): void }>(made: T): T => {
      owned.push(made);
      return made;
    };
    try {
      const { precision } = config;
      const model = own(
        start ? await loadModel(device, start.checkpoint, { precision }) : await startingModel(name, options),
      );
      const optimizer = own(new AdamW(model.parameters, { ...config.optimizer, noDecay: noDecayGroups }));
      if (start) restoreOptimizer(optimizer, start.checkpoint);
      const teacher = name === 'stage2' ? own(await teacherModel(config, device, folder)) : undefined;
      const build = (m: VisionLanguageModel, t: VisionLanguageModel | undefined, o: AdamW) =>
        makeStage(name, { config, student: m, planner: t, optimizer: o, groups: groupsOf(name, config, m, heldOut) });
      const stage = build(model, teacher, optimizer);
      own({ dispose: () => stage.dispose() });
      if (start) stage.loadState?.(start.checkpoint.optimizer);
      const step = start?.step ?? 0;
      if (options.resume && step < stage.steps) folder.rewindLog(name, step);
      options.observer?.onStage?.({ stage: name, title: stage.title, step, steps: stage.steps });
      const guard = own(await guardOf(stage, model, teacher, optimizer, build, options));
      await runStage(stage, step, model, optimizer, guard, heldOut, options);
      await evaluateRows(stage, model, heldOut, options);
      await evaluateQuestions(stage, model, heldOut, options);
    } finally {
      for (const made of owned.reverse()) made.dispose();
    }
  }
  const table = buildTable(readEvaluations(folder));
  folder.writeTable(table, `${tableMarkdown(table)}\n\n${memoryMarkdown(peakMemory(folder.readLog()))}`);
  return table;
}

/** Everything that came after a checkpoint goes into a folder of its own, so that the run can go on from there. */
function setAsideAfter(from: string, { folder, config, observer }: TrainOptions): void {
  const file = folder.checkpoints().find(checkpoint => isSameFile(checkpoint.path, from));
  if (!file) throw new Error(`${from} is no checkpoint of ${folder.path}`);
  readRunState(file, config); // refuses a bad one before anything is moved
  const later = stageNames.slice(stageNames.indexOf(file.stage as StageName));
  const rows = later.flatMap(evaluatedRows).map(row => path.basename(evaluationFile(folder, row)));
  const moved = folder.setAside(file, [...rows, 'table.json', 'table.md']);
  if (moved !== undefined) observer?.onNote?.(`what came after ${file.path} was moved to ${moved}`);
}

const isSameFile = (a: string, b: string) => path.resolve(a) === path.resolve(b);

/** The training puzzles of a stage, checked against the model and the held-out ones. */
function groupsOf(
  name: StageName,
  config: RunConfig,
  model: VisionLanguageModel,
  heldOut: readonly PuzzleGroup[],
): PuzzleGroup[] {
  const limits = { stage0: Infinity, stage1: config.stage1.images, stage2: config.stage2.prompts, direct: config.stage2.prompts };
  const training = trainingGroups(config, limits[name]);
  checkPuzzles(model.config, training, heldOut);
  return training;
}

/** Fresh weights for stage 0, else those that the stage before ended with. */
async function startingModel(
  name: StageName,
  { config, device, folder, model }: TrainOptions,
): Promise<VisionLanguageModel> {
  const after = stageBefore(name);
  const { precision } = config;
  if (after) return await loadModel(device, finalCheckpoint(folder, after, config), { precision });
  return new VisionLanguageModel(device, model ?? modelPresets[config.preset], { precision }).initialize(config.seed);
}

/** The frozen planner of stage 0. */
async function teacherModel(config: RunConfig, device: Device, folder: RunFolder): Promise<VisionLanguageModel> {
  const { precision } = config;
  return await loadModel(device, finalCheckpoint(folder, 'stage0', config), { precision, trainable: false });
}
