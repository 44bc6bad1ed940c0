/**
 * What a run will cost, from a few measured steps of each stage on the chosen device. Batches grow until a step takes long
 * enough to be timed; what a whole step takes follows by proportion.
 */
import { AdamW, Random } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import { modelPresets, noDecayGroups, VisionLanguageModel } from '../../models/index.js';
import type { RunConfig } from '../method/config.js';
import { predictMemory } from '../runs/memory-need.js';
import { drawPuzzles, heldOutGroups, trainingGroups } from '../method/puzzles.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import { respond } from '../method/respond.js';
import { probePool, probeStep, smallPools, stageSize } from '../method/stages/probe.js';
import type { StageName } from '../method/stages/stage.js';
import { oracleResponse } from '../method/response.js';
import { evaluatedRows, stageNames } from '../runs/order.js';

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
  /** Largest use of the device's memory by tensors, at its worst (mgsd/runs/memory-need.ts), and of the process beside it. */
  readonly deviceBytes: number;
  readonly processBytes: number;
  /** What the run's folder will hold at the end, and its largest checkpoint. */
  readonly diskBytes: number;
  readonly checkpointBytes: number;
}

/** A step that takes this long, in seconds, is worth timing. */
const longEnough = 0.25;
/** Average lines of a log and of an evaluation file, and checkpoints that a folder keeps of each stage: two and the best. */
const logLineBytes = 600;
const itemBytes = 700;
const checkpointsKept = 3;

/** Measures for some seconds. @param stages those that would be run */
export async function estimateRun(
  config: RunConfig,
  stages: readonly StageName[],
  device: Device,
): Promise<RunEstimate> {
  const small = smallPools(config);
  const groups = trainingGroups(small);
  const model = new VisionLanguageModel(device, modelPresets[config.preset], {
    precision: config.precision,
  }).initialize(config.seed);
  const optimizer = new AdamW(model.parameters, { ...config.optimizer, noDecay: noDecayGroups });
  const generation = await generationSeconds(model, groups);
  const items = heldOutGroups(small).length * config.evaluation.puzzles;
  const setting = { config: small, student: model, planner: model, optimizer, groups };
  const estimates: StageEstimate[] = [];
  for (const stage of stageNames.filter(name => stages.includes(name))) {
    const { steps, batch } = stageSize(config, stage);
    const step = (count: number) => probeStep(stage, setting, count);
    const rollouts = stage === 'stage2' ? batch : 0;
    const secondsPerStep = (await timeSteps(batch, step)) + rollouts * generation;
    const evaluationSeconds = evaluatedRows(stage).length * items * generation;
    estimates.push({ stage, steps, batch, secondsPerStep, trainingSeconds: steps * secondsPerStep, evaluationSeconds });
  }
  const checkpointBytes = 3 * 4 * model.parameters.flat.size; // values and two moments in f32
  const processBytes = process.memoryUsage().rss;
  const needs = await predictMemory(config, stages, device.capabilities);
  for (const done of [optimizer, model]) done.dispose();
  const rows = estimates.reduce((sum, { stage }) => sum + evaluatedRows(stage).length, 0);
  const lines = estimates.reduce((sum, { steps }) => sum + steps, 0);
  return {
    stages: estimates,
    seconds: estimates.reduce((sum, stage) => sum + stage.trainingSeconds + stage.evaluationSeconds, 0),
    deviceBytes: Math.max(...needs.map(({ bytes }) => bytes)),
    processBytes,
    checkpointBytes,
    diskBytes: estimates.length * checkpointsKept * checkpointBytes + lines * logLineBytes + rows * items * itemBytes,
  };
}

/** Seconds of a step of `batch`, from the smallest batch that can be timed. */
async function timeSteps(batch: number, stepWith: (batch: number) => () => Promise<void>): Promise<number> {
  for (let count = Math.min(batch, 2); ; count = Math.min(batch, 2 * count)) {
    const step = stepWith(count);
    const first = await timed(step); // shaders are compiled and memory is found in here
    const seconds = first > 8 * longEnough ? first : Math.min(await timed(step), await timed(step));
    if (seconds >= longEnough || count === batch) return seconds * (batch / count);
  }
}

async function timed(body: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await body();
  return (performance.now() - start) / 1000;
}

/** Seconds per response that is generated from an image, of the oracle's length. */
async function generationSeconds(model: VisionLanguageModel, groups: readonly PuzzleGroup[]): Promise<number> {
  for (let count = 2; ; count *= 2) {
    const puzzles = drawPuzzles(groups, new Random(0), count);
    const maxTokens = Math.max(...puzzles.map(({ world, instance }) => oracleResponse(world, instance).length));
    const body = () => respond(model, puzzles, 'image', { maxTokens, temperature: 1 });
    const first = await timed(body);
    const seconds = first > 8 * longEnough ? first : await timed(body);
    if (seconds >= longEnough || count >= probePool) return seconds / count;
  }
}
