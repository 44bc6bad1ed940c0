/**
 * What a run will cost, from a few measured steps of each stage on the chosen device. Batches grow until a step takes long
 * enough to be timed; what a whole step takes follows by proportion.
 */
import { AdamW, Random } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import { generate, modelPresets, noDecayGroups, VisionLanguageModel } from '../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, heldOutGroups, trainingGroups } from '../puzzles.js';
import type { Puzzle, PuzzleGroup } from '../puzzles.js';
import { patchTensor, promptOf, renderPuzzles } from '../samples.js';
import { directStage } from '../stages/direct.js';
import { planningStage } from '../stages/stage0.js';
import { groundingStage } from '../stages/stage1.js';
import { distil } from '../stages/stage2.js';
import type { Stage, StageName } from '../stages/stage.js';
import { oracleResponse } from '../trace.js';
import { relabelledTrace } from '../trace-samples.js';
import { evaluatedRows, stageNames } from '../train.js';

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
  /** Largest use of the device's memory by tensors, and of the process beside it. */
  readonly deviceBytes: number;
  readonly processBytes: number;
  /** What the run's folder will hold at the end, and its largest checkpoint. */
  readonly diskBytes: number;
  readonly checkpointBytes: number;
}

/** A step that takes this long, in seconds, is worth timing. */
const longEnough = 0.25;
/** Puzzles per size that probes draw from. */
const probePool = 64;
/** Average lines of a log and of an evaluation file, and checkpoints that a folder keeps of each stage. */
const logLineBytes = 600;
const itemBytes = 700;
const checkpointsKept = 2;

/** Measures for some seconds. @param stages those that would be run */
export async function estimateRun(
  config: RunConfig,
  stages: readonly StageName[],
  device: Device,
): Promise<RunEstimate> {
  const small = smallPools(config);
  const groups = trainingGroups(small);
  const model = new VisionLanguageModel(device, modelPresets[config.preset]).initialize(config.seed);
  const optimizer = new AdamW(model.parameters, { ...config.optimizer, noDecay: noDecayGroups });
  const fixedBytes = device.memory().liveBytes;
  const teacherBytes = stages.includes('stage2') ? 4 * model.parameters.flat.size : 0;
  const generation = await generationSeconds(model, groups);
  const items = heldOutGroups(small).length * config.evaluation.puzzles;
  const estimates: StageEstimate[] = [];
  let deviceBytes = fixedBytes;
  for (const stage of stageNames.filter(name => stages.includes(name))) {
    const { steps, batch } = sizeOf(config, stage);
    const probe = await timeSteps(device, batch, count => stepOf(stage, small, model, optimizer, groups, count));
    const perRollout = stage === 'stage2' ? generation : 0;
    const secondsPerStep = probe.seconds + perRollout * batch;
    const evaluationSeconds = evaluatedRows(stage).length * items * generation;
    estimates.push({ stage, steps, batch, secondsPerStep, trainingSeconds: steps * secondsPerStep, evaluationSeconds });
    deviceBytes = Math.max(deviceBytes, fixedBytes + (probe.peakBytes - fixedBytes) * probe.scale);
  }
  const checkpointBytes = 3 * 4 * model.parameters.flat.size; // values and two moments in f32
  const processBytes = process.memoryUsage().rss;
  for (const done of [optimizer, model]) done.dispose();
  const rows = estimates.reduce((sum, { stage }) => sum + evaluatedRows(stage).length, 0);
  const lines = estimates.reduce((sum, { steps }) => sum + steps, 0);
  return {
    stages: estimates,
    seconds: estimates.reduce((sum, stage) => sum + stage.trainingSeconds + stage.evaluationSeconds, 0),
    deviceBytes: deviceBytes + teacherBytes,
    processBytes,
    checkpointBytes,
    diskBytes: estimates.length * checkpointsKept * checkpointBytes + lines * logLineBytes + rows * items * itemBytes,
  };
}

/** The same run with few puzzles: drawing the whole pools would take longer than the probe. */
function smallPools(config: RunConfig): RunConfig {
  const tasks = config.tasks.map(task => ({
    ...task,
    pool: Object.fromEntries(Object.entries(task.pool).map(([level, count]) => [level, Math.min(count, probePool)])),
  }));
  return { ...config, tasks, evaluation: { ...config.evaluation, puzzles: 1 } };
}

/** Updates of a stage and puzzles per update. Direct supervision takes as many images as stages 1 and 2 together. */
function sizeOf({ stage1, stage2, ...config }: RunConfig, stage: StageName): { steps: number; batch: number } {
  if (stage === 'direct')
    return { steps: stage1.steps + Math.round((stage2.steps * stage2.batch) / stage1.batch), batch: stage1.batch };
  return { ...config, stage1, stage2 }[stage];
}

/** One step of a stage with `batch` puzzles; the rollouts of stage 2 are the oracle's, as long as a trained student's. */
function stepOf(
  stage: StageName,
  config: RunConfig,
  model: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
  batch: number,
): () => Promise<void> {
  const run = async (made: Stage) => {
    await (
      await made.step(0)
    ).metrics;
  };
  switch (stage) {
    case 'stage0': {
      const changed = { ...config, stage0: { ...config.stage0, batch } };
      return () => run(planningStage(changed, model, optimizer, groups));
    }
    case 'stage1':
    case 'direct': {
      const changed = { ...config, stage1: { ...config.stage1, batch } };
      const make = stage === 'stage1' ? groundingStage : directStage;
      return () => run(make(changed, model, optimizer, groups));
    }
    case 'stage2': {
      const puzzles = drawPuzzles(groups, new Random(config.seed), batch);
      const images = renderPuzzles(puzzles, model.config);
      const responses = puzzles.map(({ world, instance }) => oracleResponse(world, instance));
      const traces = puzzles.map(({ world, instance }, i) => relabelledTrace(world, instance, responses[i]!));
      const rates = { vision: 1e-6, decoder: 1e-6 };
      return async () => {
        await distil(config, model, model, optimizer, { puzzles, images, responses, traces }, rates).metrics;
      };
    }
  }
}

/** Seconds of a step of `batch`, from the smallest batch that can be timed. */
async function timeSteps(
  device: Device,
  batch: number,
  stepWith: (batch: number) => () => Promise<void>,
): Promise<{ seconds: number; peakBytes: number; scale: number }> {
  for (let count = Math.min(batch, 2); ; count = Math.min(batch, 2 * count)) {
    const step = stepWith(count);
    let peakBytes = 0;
    device.observer = () => (peakBytes = Math.max(peakBytes, device.memory().liveBytes));
    const first = await timed(step); // shaders are compiled and memory is found in here
    device.observer = undefined;
    const seconds = first > 8 * longEnough ? first : Math.min(await timed(step), await timed(step));
    if (seconds < longEnough && count < batch) continue;
    const scale = batch / count;
    return { seconds: seconds * scale, peakBytes, scale };
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
    const body = () => respond(model, puzzles);
    const first = await timed(body);
    const seconds = first > 8 * longEnough ? first : await timed(body);
    if (seconds >= longEnough || count >= probePool) return seconds / count;
  }
}

async function respond(model: VisionLanguageModel, puzzles: readonly Puzzle[]): Promise<void> {
  const maxTokens = Math.max(...puzzles.map(({ world, instance }) => oracleResponse(world, instance).length));
  const prompts = puzzles.map(puzzle => promptOf(puzzle, 'image', model.config));
  await model.device.scope(() =>
    generate(
      model,
      prompts,
      { maxTokens, temperature: 1, seed: 0, stream: 0, step: 0 },
      patchTensor(model, renderPuzzles(puzzles, model.config)),
    ),
  );
}
