/**
 * mgsd-lite as a library. Importing it opens nothing and starts nothing.
 *
 *     import { decodePng, loadPlanner } from 'mgsd-lite';
 *     import fs from 'node:fs';
 *
 *     const planner = await loadPlanner(); // or the path of a checkpoint of your own
 *     const image = decodePng(fs.readFileSync('puzzle.png')); // of planner.imageSize pixels a side
 *     const { answer, recapText } = await planner.plan(image);
 *     console.log(answer, recapText); // RRDD size:3 (0,0) (2,2) (1,1)
 *     await planner.close();
 *
 * The engine alone is `mgsd-lite/core`, the models `mgsd-lite/models`, the kernels `mgsd-lite/kernels`.
 */
export { describeDevice, openDevice, Random } from '../core/index.js';
export type { Capabilities, Device, DeviceChoice, OpenOptions, WebGpuOptions } from '../core/index.js';
export { decodeCheckpoint, loadModel, modelPresets, VisionLanguageModel } from '../models/index.js';
export type { Checkpoint, ModelConfig, ModelOptions, Precision, PresetName } from '../models/index.js';

export { breakDown, gapByTask } from './breakdown.js';
export type { Breakdown, Rates } from './breakdown.js';
export { configSchema, parseOverride, presets, resolveConfig } from './config.js';
export type { RunConfig, TaskConfig } from './config.js';
export { boardPicture, boardText, enlarge, pathOf, readBoard, sideBySide } from './draw.js';
export type { BoardColours, PathStep } from './draw.js';
export { evaluate, gapOf, judge, summarize } from './evaluate.js';
export type { EvaluateOptions, EvaluationInput, ItemResult, RowSummary } from './evaluate.js';
export { FileError } from './files.js';
export { evaluatePerception, summarizePerception } from './perception.js';
export type { PerceptionItem, PerceptionScores } from './perception.js';
export { actionNames, loadPlanner, Planner, readPlan } from './planner.js';
export type { Plan, PlannerOptions } from './planner.js';
export { decodePng, encodePng, PngError } from './png.js';
export type { RgbImage } from './png.js';
export { heldOutGroups, trainingGroups } from './puzzles.js';
export type { Puzzle, PuzzleGroup } from './puzzles.js';
export { RunFolder } from './run-folder.js';
export type { RunFolderOptions } from './run-folder.js';
export { readSampleFolder, storedImage, writeSample } from './sample-folder.js';
export type { SampleFolder, SampleProblem, StoredSample } from './sample-folder.js';
export { instancePool, splitOf } from './split.js';
export type { PoolRequest, SplitName } from './split.js';
export type { Metrics, StageName } from './stages/stage.js';
export type { Estimate } from './statistics.js';
export { story } from './story.js';
export { buildTable, rowTitles, tableMarkdown } from './table.js';
export type { RowName, TableRow } from './table.js';
export { oracleResponse, parseResponse, symbolicPrompt } from './trace.js';
export type { ParsedResponse } from './trace.js';
export { stageNames } from './run-plan.js';
export { train } from './train.js';
export { Interrupted } from './train-options.js';
export type { StepReport, TrainObserver, TrainOptions } from './train-options.js';
export { actionName } from './worlds/grid.js';
export type { Action } from './worlds/grid.js';
export { judgeActions, judgeAnswer, SCORINGS } from './worlds/reference-scoring.js';
export type { Scoring } from './worlds/reference-scoring.js';
export { createWorldByName, WORLD_NAMES } from './worlds/registry.js';
export type { WorldName } from './worlds/registry.js';
export type { RandomSource, Verdict, World, WorldInstance } from './worlds/world.js';
