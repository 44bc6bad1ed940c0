/**
 * A whole run: data, stage 0, stage 1, stage 2, and an evaluation after each, with checkpoints on the way. Everything random
 * hangs on the seed and the step, so a run that was stopped goes on as if it had not been.
 */
import { AdamW } from '../core/index.js';
import type { Device } from '../core/index.js';
import {
  decodeCheckpoint,
  encodeCheckpoint,
  loadModel,
  modelPresets,
  noDecayGroups,
  VisionLanguageModel,
} from '../models/index.js';
import type { Checkpoint } from '../models/index.js';
import type { RunConfig } from './config.js';
import { evaluate } from './evaluate.js';
import type { EvaluationInput, ItemResult } from './evaluate.js';
import { readFile, readJson, writeJson } from './files.js';
import { checkPuzzles, gateGroups, heldOutGroups, trainingGroups } from './puzzles.js';
import type { PuzzleGroup } from './puzzles.js';
import type { RunFolder } from './run-folder.js';
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

/** Stages in the order of a run; a run folder is opened with them. */
export const stageNames: readonly StageName[] = ['stage0', 'stage1', 'stage2', 'direct'];

/** The stages of a run with this configuration, in their order. */
export function stagesOf({ stages = ['stage0', 'stage1', 'stage2'] }: RunConfig): StageName[] {
  return stageNames.filter(name => stages.includes(name));
}

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
  onStep?(report: StepReport): void;
  onEvaluation?(row: RowName, done: number, total: number): void;
  onRow?(row: RowName, items: readonly ItemResult[]): void;
  onNote?(note: string): void;
}

export interface TrainOptions {
  readonly config: RunConfig;
  readonly device: Device;
  readonly folder: RunFolder;
  /** Stages to run; default those of the configuration. Those before them must be in the folder. */
  readonly stages?: readonly StageName[];
  /** Goes on from the newest good checkpoint in the folder. */
  readonly resume?: boolean;
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

/** What each stage starts from, and the rows that are evaluated after it. */
const plan: Readonly<
  Record<StageName, { after: 'stage0' | 'stage1' | undefined; rows: readonly (readonly [RowName, EvaluationInput])[] }>
> = {
  stage0: { after: undefined, rows: [['symbolic', 'symbolic'], ['base', 'image']] }, // prettier-ignore
  stage1: { after: 'stage0', rows: [['stage1', 'image']] },
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
  for (const name of stages) {
    const start = options.resume ? newestCheckpoint(folder, name, options.observer) : undefined;
    const { precision } = config;
    const model = start ? await loadModel(device, start.checkpoint, { precision }) : await startingModel(name, config, device, folder);
    const optimizer = new AdamW(model.parameters, { ...config.optimizer, noDecay: noDecayGroups });
    if (start) restoreOptimizer(optimizer, start.checkpoint);
    const teacher = name === 'stage2' ? await teacherModel(config, device, folder) : undefined;
    const stage = makeStage(name, options, heldOut, model, teacher, optimizer);
    if (start) stage.loadState?.(start.checkpoint.optimizer);
    if (options.resume && (start?.step ?? 0) < stage.steps) folder.rewindLog(name, start?.step ?? 0);
    options.observer?.onStage?.({ stage: name, title: stage.title, step: start?.step ?? 0, steps: stage.steps });
    await runStage(stage, start?.step ?? 0, model, optimizer, heldOut, options);
    await evaluateRows(name, model, heldOut, options);
    for (const done of [optimizer, model, teacher]) done?.dispose();
  }
  const table = buildTable(readEvaluations(folder));
  folder.writeTable(table, tableMarkdown(table));
  return table;
}

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
  gate.load(lastCheckpoint(folder, 'stage1', config).optimizer.get(gateTensor));
  return gate;
}

/** Fresh weights for stage 0, else those that the stage before ended with. */
async function startingModel(
  name: StageName,
  config: RunConfig,
  device: Device,
  folder: RunFolder,
): Promise<VisionLanguageModel> {
  const { after } = plan[name];
  const { precision } = config;
  if (!after) return new VisionLanguageModel(device, modelPresets[config.preset], { precision }).initialize(config.seed);
  return await loadModel(device, lastCheckpoint(folder, after, config), { precision });
}

/** The frozen planner of stage 0. */
async function teacherModel(config: RunConfig, device: Device, folder: RunFolder): Promise<VisionLanguageModel> {
  return await loadModel(device, lastCheckpoint(folder, 'stage0', config), {
    precision: config.precision,
    trainable: false,
  });
}

/** The stage whose weights a stage starts from, if any. */
export function stageBefore(name: StageName): StageName | undefined {
  return plan[name].after;
}

/** The rows that are evaluated after a stage. */
export function evaluatedRows(name: StageName): RowName[] {
  return plan[name].rows.map(([row]) => row);
}

/** The weights a stage ended with. @throws Error if the folder has none, or the stage was not finished */
function lastCheckpoint(folder: RunFolder, stage: 'stage0' | 'stage1' | 'stage2', config: RunConfig): Checkpoint {
  const file = folder.checkpoints().find(checkpoint => checkpoint.stage === stage);
  if (!file)
    throw new Error(`${folder.path} has no checkpoint of ${stage}, which this stage starts from: run ${stage} first.`);
  const { steps } = config[stage];
  if (file.step < steps)
    throw new Error(
      `${folder.path} has ${stage} up to update ${file.step} of ${steps}: let it finish first, with --resume.`,
    );
  return decodeCheckpoint(readFile(file.path));
}

/** The newest good checkpoint of a stage, or undefined if it has not begun. */
function newestCheckpoint(
  folder: RunFolder,
  stage: StageName,
  observer: TrainObserver | undefined,
): { step: number; checkpoint: Checkpoint } | undefined {
  for (const file of folder.checkpoints()) {
    if (file.stage !== stage) continue;
    try {
      return { step: file.step, checkpoint: decodeCheckpoint(readFile(file.path)) };
    } catch (error) {
      observer?.onNote?.(`${file.path} is skipped: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return undefined;
}

function restoreOptimizer(optimizer: AdamW, { optimizer: tensors }: Checkpoint): void {
  const [m, v, state] = [tensors.get('m'), tensors.get('v'), tensors.get('state')];
  if (m && v && state) optimizer.load({ m, v, state });
}

async function saveCheckpoint(
  { folder, config }: Pick<TrainOptions, 'folder' | 'config'>,
  stage: Stage,
  step: number,
  model: VisionLanguageModel,
  optimizer: AdamW,
): Promise<string> {
  const [parameters, { m, v, state }] = [await model.parameters.save(), await optimizer.save()];
  const more = (await stage.saveState?.()) ?? [];
  const contents = encodeCheckpoint({
    config: model.config,
    parameters,
    optimizer: new Map([['m', m], ['v', v], ['state', state], ...more]), // prettier-ignore
    metadata: { stage: stage.name, step: String(step), run: JSON.stringify(config) },
  });
  return folder.saveCheckpoint(stage.name, step, contents);
}

/** All updates of a stage from `start` on, with logs, checkpoints, and looks at held-out puzzles. */
async function runStage(
  stage: Stage,
  start: number,
  model: VisionLanguageModel,
  optimizer: AdamW,
  heldOut: readonly PuzzleGroup[],
  options: TrainOptions,
): Promise<void> {
  const { folder, config, signal, observer, checkpointEvery = 200 } = options;
  if (start > 0 && start < stage.steps) observer?.onNote?.(`${stage.name} goes on after update ${start}`);
  const { batch } = stage.name === 'direct' ? config.stage1 : config[stage.name];
  const outstanding: { step: number; metrics: Promise<Metrics> }[] = [];
  const times: number[] = [performance.now()];
  const report = async () => {
    const { step, metrics: promise } = outstanding.shift()!;
    const metrics = await promise;
    times.push(performance.now());
    if (times.length > 21) times.shift();
    const samplesPerSecond = (1000 * batch * (times.length - 1)) / (times.at(-1)! - times[0]!);
    folder.appendLog({ stage: stage.name, step, ...metrics, samplesPerSecond });
    observer?.onStep?.({ stage: stage.name, title: stage.title, step, steps: stage.steps, metrics, samplesPerSecond });
  };
  const drain = async () => {
    while (outstanding.length > 0) await report();
  };
  for (let step = start; step < stage.steps; step++) {
    if (signal?.aborted) {
      await drain();
      throw new Interrupted(step > start ? await saveCheckpoint(options, stage, step, model, optimizer) : undefined);
    }
    const { metrics, notes } = await stage.step(step);
    for (const note of notes ?? []) observer?.onNote?.(note);
    outstanding.push({ step: step + 1, metrics });
    if (outstanding.length > stepsInFlight) await report();
    if ((step + 1) % checkpointEvery === 0 && step + 1 < stage.steps)
      await saveCheckpoint(options, stage, step + 1, model, optimizer);
    if (isLookDue(step + 1, stage.steps) && !signal?.aborted) {
      await drain();
      const input = stage.name === 'stage0' ? 'symbolic' : 'image';
      const seen = await look(model, heldOut, input);
      appendLook(folder.file(watchFile), { stage: stage.name, step: step + 1, input, ...seen });
      times.splice(0, times.length, performance.now()); // speeds are those of the updates
    }
    await new Promise(resolve => setImmediate(resolve)); // lets signals and progress bars through
  }
  await drain();
  if (start < stage.steps || stage.steps === 0) await saveCheckpoint(options, stage, stage.steps, model, optimizer);
}

const evaluationFile = (folder: RunFolder, row: RowName) => folder.file(`evaluation-${row}.json`);

/** Evaluates the rows that follow a stage, unless the folder has them. */
async function evaluateRows(
  stage: StageName,
  model: VisionLanguageModel,
  heldOut: readonly PuzzleGroup[],
  { folder, observer, signal }: TrainOptions,
): Promise<void> {
  for (const [row, input] of plan[stage].rows) {
    if (signal?.aborted) throw new Interrupted(undefined);
    const file = evaluationFile(folder, row);
    const items = fs.existsSync(file)
      ? (readJson(file) as ItemResult[])
      : await evaluate(model, heldOut, {
          input,
          onProgress: (done, total) => {
            if (signal?.aborted) throw new Interrupted(undefined);
            observer?.onEvaluation?.(row, done, total);
          },
        });
    writeJson(file, items);
    observer?.onRow?.(row, items);
  }
}

/** All rows that the folder has. */
export function readEvaluations(folder: RunFolder): Map<RowName, readonly ItemResult[]> {
  const rows = (Object.keys(rowTitles) as RowName[]).filter(row => fs.existsSync(evaluationFile(folder, row)));
  return new Map(rows.map(row => [row, readJson(evaluationFile(folder, row)) as ItemResult[]]));
}
