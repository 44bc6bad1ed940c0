/**
 * What a run will cost, from a few measured steps of each stage on the chosen device. Batches grow until a step takes
 * long enough to be timed; the time of a whole step follows by proportion.
 */
import { Random, sizeOf } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import { parameterSpecs, VisionLanguageModel } from '../../models/index.js';
import type { ModelConfig } from '../../models/index.js';
import { modelConfigOf } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import { drawPuzzles, heldOutGroups, trainingGroups } from '../method/puzzles.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import { respond } from '../method/respond.js';
import { oracleResponse } from '../method/response.js';
import { probePool, probeStep, smallPools, stageSize } from '../method/stages/probe.js';
import { makeOptimizer } from '../method/stages/stage.js';
import type { StageName } from '../method/stages/stage.js';
import { predictMemory } from './memory-need.js';
import { evaluatedRows, stageNames } from './order.js';

export interface StageEstimate {
  readonly stage: StageName;
  readonly steps: number;
  readonly batch: number;
  readonly secondsPerStep: number;
  /** Of its steps, and of the evaluations after it. */
  readonly trainingSeconds: number;
  readonly evaluationSeconds: number;
}

export interface RunEstimate {
  readonly stages: readonly StageEstimate[];
  readonly seconds: number;
  /** The most that tensors take on the device at any time, see memory-need.ts. */
  readonly deviceBytes: number;
  /** What the run's folder will hold at the end, and its largest checkpoint. */
  readonly diskBytes: number;
  readonly checkpointBytes: number;
}

/** A step that takes this many seconds is long enough to be timed. */
const longEnough = 0.25;
/**
 * Average bytes of a line in the log and in an evaluation file; of each stage two checkpoints are kept and the best.
 */
const logLineBytes = 600;
const itemBytes = 700;
const checkpointsKept = 3;

/** Measures for a few seconds. @param stages those that would be run */
export async function estimateRun(
  config: RunConfig,
  stages: readonly StageName[],
  device: Device,
): Promise<RunEstimate> {
  const small = smallPools(config);
  const groups = trainingGroups(small);
  const { precision, seed } = config;
  const model = new VisionLanguageModel(device, modelConfigOf(config), { precision }).initialize(seed);
  const optimizer = makeOptimizer(model, config);
  const perResponse = await secondsPerPuzzle(probePool, count => generation(model, groups, count));
  const items = heldOutGroups(small).length * config.evaluation.puzzles;
  const setting = { config: small, student: model, planner: model, optimizer, groups };
  const estimates: StageEstimate[] = [];
  for (const stage of stageNames.filter(name => stages.includes(name))) {
    const { steps, batch } = stageSize(config, stage);
    const perPuzzle = await secondsPerPuzzle(batch, count => probeStep(stage, setting, count));
    const secondsPerStep = batch * (perPuzzle + (stage === 'stage2' ? perResponse : 0));
    const evaluationSeconds = evaluatedRows(stage).length * items * perResponse;
    estimates.push({ stage, steps, batch, secondsPerStep, trainingSeconds: steps * secondsPerStep, evaluationSeconds });
  }
  const checkpointBytes = 3 * 4 * model.parameters.flat.size; // values and two moments in f32
  const needs = await predictMemory(config, stages, device.capabilities);
  for (const done of [optimizer, model]) done.dispose();
  const rows = estimates.reduce((sum, { stage }) => sum + evaluatedRows(stage).length, 0);
  const lines = estimates.reduce((sum, { steps }) => sum + steps, 0);
  return {
    stages: estimates,
    seconds: estimates.reduce((sum, stage) => sum + stage.trainingSeconds + stage.evaluationSeconds, 0),
    deviceBytes: Math.max(...needs.map(({ bytes }) => bytes)),
    checkpointBytes,
    diskBytes: estimates.length * checkpointsKept * checkpointBytes + lines * logLineBytes + rows * items * itemBytes,
  };
}

/** Seconds per puzzle of a step, from the smallest batch that can be timed; `most` is the largest. */
async function secondsPerPuzzle(most: number, stepWith: (batch: number) => () => Promise<unknown>): Promise<number> {
  for (let batch = Math.min(most, 2); ; batch = Math.min(most, 2 * batch)) {
    const step = stepWith(batch);
    const first = await timed(step); // compiles shaders and allocates memory
    const seconds = first > 8 * longEnough ? first : Math.min(await timed(step), await timed(step));
    if (seconds >= longEnough || batch === most) return seconds / batch;
  }
}

async function timed(body: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await body();
  return (performance.now() - start) / 1000;
}

/** Generates responses of the oracle's length from images of this many puzzles. */
function generation(model: VisionLanguageModel, groups: readonly PuzzleGroup[], count: number): () => Promise<unknown> {
  const puzzles = drawPuzzles(groups, new Random(0), count);
  const maxTokens = Math.max(...puzzles.map(({ world, instance }) => oracleResponse(world, instance).length));
  return () => respond(model, puzzles, 'image', { maxTokens, temperature: 1 });
}

/** How many parameters a model has: of all parts, or of the one whose names begin with `part`. */
export function parameterCount(config: ModelConfig, part = ''): number {
  const specs = parameterSpecs(config).filter(({ name }) => name.startsWith(part));
  return specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** `1.23 M` */
export const millions = (count: number) => `${(count / 1e6).toFixed(2)} M`;
