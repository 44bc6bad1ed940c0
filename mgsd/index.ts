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

export { breakDown, gapByTask } from './evaluation/breakdown.js';
export type { Breakdown, Rates } from './evaluation/breakdown.js';
export { configSchema, parseOverride, presets, resolveConfig } from './method/config.js';
export type { RunConfig, TaskConfig } from './method/config.js';
export { boardPicture, boardText, enlarge, pathOf, readBoard, sideBySide } from './pictures/draw.js';
export type { BoardColours, PathStep } from './pictures/draw.js';
export { evaluate, gapOf, judge, summarize } from './evaluation/evaluate.js';
export type { EvaluateOptions, EvaluationInput, ItemResult, RowSummary } from './evaluation/evaluate.js';
export { FileError } from './runs/file-error.js';
export { evaluatePerception, summarizePerception } from './evaluation/perception.js';
export type { PerceptionItem, PerceptionScores } from './evaluation/perception.js';
export { actionNames, Planner, readPlan } from './evaluation/planner.js';
export type { Plan, PlannerOptions, Seen } from './evaluation/planner.js';
export { decodePng, encodePng, PngError } from './pictures/png.js';
export type { RgbImage } from './pictures/png.js';
export { heldOutGroups, trainingGroups } from './method/puzzles.js';
export type { Puzzle, PuzzleGroup } from './method/puzzles.js';
export { loadPlanner } from './runs/package.js';
export { RunFolder } from './runs/run-folder.js';
export { RunStore } from './runs/store.js';
export type { StoreOptions } from './runs/store.js';
export { readPuzzleFolder, storedImage, writePuzzle } from './exchange/puzzle-files.js';
export type { PuzzleFolder, FileProblem, StoredPuzzle } from './exchange/puzzle-files.js';
export { instancePool, splitOf } from './method/split.js';
export type { PoolRequest, SplitName } from './method/split.js';
export type { Metrics, StageName } from './method/stages/stage.js';
export type { Estimate } from './evaluation/intervals.js';
export { stageSentences } from './evaluation/summary.js';
export { buildTable, rowTitles, tableMarkdown } from './evaluation/table.js';
export type { RowName, TableRow } from './evaluation/table.js';
export { oracleResponse, parseResponse, symbolicPrompt } from './method/response.js';
export type { ParsedResponse } from './method/response.js';
export { stageNames } from './runs/order.js';
export { train } from './runs/train.js';
export { Interrupted } from './runs/train-options.js';
export type { StepReport, TrainObserver, TrainOptions } from './runs/train-options.js';
export { actionName } from './worlds/grid.js';
export type { Action } from './worlds/grid.js';
export { judgeActions, judgeAnswer, SCORINGS } from './exchange/scoring.js';
export type { Scoring } from './exchange/scoring.js';
export { createWorldByName, WORLD_NAMES } from './worlds/registry.js';
export type { WorldName } from './worlds/registry.js';
export type { RandomSource, Verdict, World, WorldInstance } from './worlds/world.js';
