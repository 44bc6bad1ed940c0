/**
 * A whole run: data, stage 0, stage 1, stage 2, and an evaluation after each, with checkpoints on the way. Everything random
 * hangs on the seed and the step, so a run that was stopped goes on as if it had not been.
 */
import { AdamW, DeviceError } from '../core/index.js';
import type { Device, DeviceFault } from '../core/index.js';
import { loadModel, modelPresets, noDecayGroups, VisionLanguageModel } from '../models/index.js';
import type { ModelConfig } from '../models/index.js';
import { StepGuard, TooManyBadSteps } from './bad-steps.js';
import {
  captureState,
  finalCheckpoint,
  newestCheckpoint,
  readRunState,
  Rescue,
  restoreOptimizer,
  saveState,
  WeightsNotFinite,
} from './checkpoints.js';
import type { RunConfig } from './config.js';
import { evaluate } from './evaluate.js';
import type { EvaluationInput, ItemResult } from './evaluate.js';
import { readJson, writeJson } from './files.js';
import { memoryMarkdown, memoryNow, peakMemory } from './memory-use.js';
import { recordPerception } from './perception.js';
import { checkPuzzles, gateGroups, heldOutGroups, trainingGroups } from './puzzles.js';
import type { PuzzleGroup } from './puzzles.js';
import type { RunFolder } from './run-folder.js';
import { scoreOf, watchedItems } from './score.js';
import { directStage } from './stages/direct.js';
import { Gate, gateTensor } from './stages/gate.js';
import { planningStage } from './stages/stage0.js';
import { groundingStage } from './stages/stage1.js';
import { distillationStage } from './stages/stage2.js';
import type { Metrics, Stage, StageName } from './stages/stage.js';
import { buildTable, rowTitles, tableMarkdown } from './table.js';
import type { RowName, TableRow } from './table.js';
import { appendLook, isLookDue, look, watchFile } from './watch.js';
import fs from 'node:fs';
import path from 'node:path';

/** Stages in the order of a run; a run folder is opened with them. */
export const stageNames: readonly StageName[] = ['stage0', 'stage1', 'stage2', 'direct'];

/** The stages of a run with this configuration, in their order. */
export function stagesOf({ stages = ['stage0', 'stage1', 'stage2'] }: RunConfig): StageName[] {
  return stageNames.filter(name => stages.includes(name));
}

/** One update, as it is told to an observer. */
export interface StepReport {
  readonly stage: StageName;
  readonly title: string;
  /** Updates done, and in all. */
  readonly step: number;
  readonly steps: number;
  readonly metrics: Metrics;
  /** Puzzles per second, over the last steps. */
  readonly samplesPerSecond: number;
}

/** Told what happens, as it happens. */
export interface TrainObserver {
  /** A stage begins, or goes on after `step` updates. */
  onStage?(report: Pick<StepReport, 'stage' | 'title' | 'step' | 'steps'>): void;
  /** An update is done; its metrics have arrived. */
  onStep?(report: StepReport): void;
  /** Puzzles of a row have been evaluated. */
  onEvaluation?(row: RowName, done: number, total: number): void;
  /** A row of the table is done. */
  onRow?(row: RowName, items: readonly ItemResult[]): void;
  /** Something that people should know, in a line. */
  onNote?(note: string): void;
}

/** What a training needs. */
export interface TrainOptions {
  readonly config: RunConfig;
  readonly device: Device;
  readonly folder: RunFolder;
  /** Stages to run; default those of the configuration. Those before them must be in the folder. */
  readonly stages?: readonly StageName[];
  /** Rows that are evaluated after their stages; default all of `evaluatedRows`. */
  readonly evaluations?: readonly RowName[];
  /** Goes on from the newest good checkpoint in the folder. */
  readonly resume?: boolean;
  /** With `resume`: goes on from this checkpoint of the folder instead; what came after it is set aside there. */
  readonly from?: string;
  /** Sizes of the model, where they are not those of the configuration's preset. */
  readonly model?: ModelConfig;
  /** Updates between checkpoints. Default 200. */
  readonly checkpointEvery?: number;
  /** Ends the run after the present step, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly observer?: TrainObserver;
}

/** The run was stopped by its signal; a checkpoint says where. */
export class Interrupted extends Error {
  override name = 'Interrupted';
  readonly checkpoint: string | undefined;

  constructor(checkpoint: string | undefined) {
    super('interrupted');
    this.checkpoint = checkpoint;
  }
}

/** The run cannot go on: its device failed, or its numbers did. The message says where, why, and what is left. */
export class RunStopped extends Error {
  override name = 'RunStopped';
  readonly reason: DeviceFault | 'numbers';
  readonly stage: StageName;

  constructor(reason: DeviceFault | 'numbers', stage: StageName, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
    this.stage = stage;
  }
}

/** What each stage starts from, and the rows that are evaluated after it. */
const plan: Readonly<
  Record<StageName, { after: 'stage0' | 'stage1' | undefined; rows: readonly (readonly [RowName, EvaluationInput])[] }>
> = {
  stage0: { after: undefined, rows: [['symbolic', 'symbolic'], ['base', 'image']] }, // prettier-ignore
  stage1: { after: 'stage0', rows: [['stage1', 'image'], ['stage1-symbolic', 'symbolic']] }, // prettier-ignore
  stage2: {
    after: 'stage1',
    rows: [['mgsd', 'image'], ['mgsd-symbolic', 'symbolic'], ['mgsd-blank', 'blank'], ['mgsd-shuffled', 'shuffled']], // prettier-ignore
  },
  direct: { after: 'stage0', rows: [['direct', 'image']] },
};

/** Steps whose metrics may be outstanding: enough to keep an asynchronous device busy. */
const stepsInFlight = 2;

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
        makeStage(name, options, heldOut, m, t, o);
      const stage = build(model, teacher, optimizer);
      own({ dispose: () => stage.dispose?.() });
      if (start) stage.loadState?.(start.checkpoint.optimizer);
      const step = start?.step ?? 0;
      if (options.resume && step < stage.steps) folder.rewindLog(name, step);
      options.observer?.onStage?.({ stage: name, title: stage.title, step, steps: stage.steps });
      const guard = own(await guardOf(stage, model, teacher, optimizer, build, options));
      await runStage(stage, step, model, optimizer, guard, heldOut, options);
      await evaluateRows(stage, model, heldOut, options);
      if (name === 'stage1' || name === 'stage2') await recordPerception(name, model, heldOut, options);
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

function makeStage(
  name: StageName,
  { config, folder }: Pick<TrainOptions, 'config' | 'folder'>,
  heldOut: readonly PuzzleGroup[],
  model: VisionLanguageModel,
  teacher: VisionLanguageModel | undefined,
  optimizer: AdamW,
): Stage {
  const groups = (limit?: number) => {
    const training = trainingGroups(config, limit);
    checkPuzzles(model.config, training, heldOut);
    return training;
  };
  switch (name) {
    case 'stage0':
      return planningStage(config, model, optimizer, groups());
    case 'stage1':
      return groundingStage(config, model, optimizer, groups(config.stage1.images));
    case 'stage2':
      return distillationStage(
        config,
        model,
        teacher!,
        optimizer,
        groups(config.stage2.prompts),
        gateOf(config, folder),
      );
    case 'direct':
      return directStage(config, model, optimizer, groups(config.stage2.prompts));
  }
}

/** What stage 1's gate has measured at its end; undefined without a gate. */
function gateOf(config: RunConfig, folder: RunFolder): Gate | undefined {
  if (config.stage1.gate.recapExact === 0) return undefined;
  const gate = new Gate(config, gateGroups(config));
  gate.load(finalCheckpoint(folder, 'stage1', config).optimizer.get(gateTensor));
  return gate;
}

/** Fresh weights for stage 0, else those that the stage before ended with. */
async function startingModel(
  name: StageName,
  { config, device, folder, model }: TrainOptions,
): Promise<VisionLanguageModel> {
  const { after } = plan[name];
  const { precision } = config;
  if (after) return await loadModel(device, finalCheckpoint(folder, after, config), { precision });
  return new VisionLanguageModel(device, model ?? modelPresets[config.preset], { precision }).initialize(config.seed);
}

/** The frozen planner of stage 0. */
async function teacherModel(config: RunConfig, device: Device, folder: RunFolder): Promise<VisionLanguageModel> {
  const { precision } = config;
  return await loadModel(device, finalCheckpoint(folder, 'stage0', config), { precision, trainable: false });
}

/** The stage whose weights a stage starts from, if any. */
export function stageBefore(name: StageName): StageName | undefined {
  return plan[name].after;
}

/** The rows that are evaluated after a stage. */
export function evaluatedRows(name: StageName): RowName[] {
  return plan[name].rows.map(([row]) => row);
}

/** Where a run would go on, as a sentence. */
function lastGood(folder: RunFolder, stage: StageName): string {
  const file = folder.checkpoints().find(checkpoint => checkpoint.stage === stage);
  if (file) return `The last good checkpoint is ${file.path} (update ${file.step}).`;
  const { after } = plan[stage];
  return `There is no checkpoint of ${stage} yet; it would begin anew${after ? ` from the end of ${after}` : ''}.`;
}

function guardOf(
  stage: Stage,
  model: VisionLanguageModel,
  teacher: VisionLanguageModel | undefined,
  optimizer: AdamW,
  rebuild: (m: VisionLanguageModel, t: VisionLanguageModel | undefined, o: AdamW) => Stage,
  { config, folder, observer }: TrainOptions,
): Promise<StepGuard> {
  return StepGuard.start({
    ...{ config, stage, model, teacher, optimizer, folder, rebuild },
    window: stepsInFlight + 1,
    lastGood: () => lastGood(folder, stage.name),
    onNote: note => observer?.onNote?.(note),
  });
}

/** What is made of an error in the middle of a stage: what can be saved is, and the message says what that is. */
function stopped(
  error: unknown,
  stage: Stage,
  step: number,
  rescue: Rescue,
  { folder, config }: TrainOptions,
): unknown {
  const { name } = stage;
  if (error instanceof TooManyBadSteps || error instanceof WeightsNotFinite)
    return new RunStopped('numbers', name, `${error.message}. ${lastGood(folder, name)}`, { cause: error });
  if (!(error instanceof DeviceError)) return error;
  const saved = error.fault === 'lost' ? rescue.save(folder, config) : undefined;
  const kept = saved === undefined ? lastGood(folder, name) : `What was known good of it is saved in ${saved}.`;
  return new RunStopped(error.fault, name, `${name}, update ${step + 1}: ${error.message} ${kept}`, { cause: error });
}

/** All updates of a stage from `start` on, with logs, checkpoints, and looks at held-out puzzles. */
async function runStage(
  stage: Stage,
  start: number,
  model: VisionLanguageModel,
  optimizer: AdamW,
  guard: StepGuard,
  heldOut: readonly PuzzleGroup[],
  options: TrainOptions,
): Promise<void> {
  const { folder, config, signal, observer, checkpointEvery = 200 } = options;
  if (start > 0 && start < stage.steps) observer?.onNote?.(`${stage.name} goes on after update ${start}`);
  const { batch } = stage.name === 'direct' ? config.stage1 : config[stage.name];
  const outstanding: { step: number; metrics: Promise<Metrics> }[] = [];
  const times: number[] = [performance.now()];
  const rescue = new Rescue(model);
  const report = async () => {
    const { step, metrics: promise } = outstanding.shift()!;
    const metrics = await promise;
    times.push(performance.now());
    if (times.length > 21) times.shift();
    const samplesPerSecond = (1000 * batch * (times.length - 1)) / (times.at(-1)! - times[0]!);
    folder.appendLog({ stage: stage.name, step, ...metrics, samplesPerSecond, ...memoryNow(model.device) });
    observer?.onStep?.({ stage: stage.name, title: stage.title, step, steps: stage.steps, metrics, samplesPerSecond });
    await guard.after(step - 1, metrics);
  };
  const drain = async () => {
    while (outstanding.length > 0) await report();
  };
  const capture = (step: number) => captureState(stage, step, model, optimizer);
  const save = async (step: number, score?: number) => saveState(folder, config, await capture(step), score);
  let step = start;
  try {
    for (; step < stage.steps; step++) {
      if (signal?.aborted) {
        await drain();
        throw new Interrupted(step > start ? await save(step) : undefined);
      }
      guard.before(step);
      const { metrics, notes } = await stage.step(step);
      for (const note of notes ?? []) observer?.onNote?.(note);
      metrics.catch(() => {}); // whoever awaits it hears of it, and nobody if another error comes first
      outstanding.push({ step: step + 1, metrics });
      if (outstanding.length > stepsInFlight) await report();
      const isLooking = isLookDue(step + 1, stage.steps) && !signal?.aborted;
      let score: number | undefined;
      if (isLooking) {
        await drain();
        const input = stage.name === 'stage0' ? 'symbolic' : 'image';
        const seen = await look(model, heldOut, input);
        appendLook(folder.file(watchFile), { stage: stage.name, step: step + 1, input, ...seen });
        score = scoreOf(stage.name, seen.items);
        times.splice(0, times.length, performance.now()); // speeds are those of the updates
      }
      const isDue = (step + 1) % checkpointEvery === 0 && step + 1 < stage.steps;
      if (isDue || isLooking) await save(step + 1, score);
      else rescue.afterStep(step + 1, () => capture(step + 1));
      await new Promise(resolve => setImmediate(resolve)); // lets signals and progress bars through
    }
    await drain();
    if (start < stage.steps || stage.steps === 0) await save(stage.steps);
  } catch (error) {
    throw stopped(error, stage, step, rescue, options);
  }
}

const evaluationFile = (folder: RunFolder, row: RowName) => folder.file(`evaluation-${row}.json`);

/** Evaluates the rows that follow a stage, unless the folder has them. */
async function evaluateRows(
  stage: Stage,
  model: VisionLanguageModel,
  heldOut: readonly PuzzleGroup[],
  { folder, observer, signal, evaluations }: TrainOptions,
): Promise<void> {
  for (const [k, [row, input]] of plan[stage.name].rows.entries()) {
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

/** All rows that the folder has. */
export function readEvaluations(folder: RunFolder): Map<RowName, readonly ItemResult[]> {
  const rows = (Object.keys(rowTitles) as RowName[]).filter(row => fs.existsSync(evaluationFile(folder, row)));
  return new Map(rows.map(row => [row, readJson(evaluationFile(folder, row)) as ItemResult[]]));
}
