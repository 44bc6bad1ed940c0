/** A model and boards so small that a whole training fits into a lesson: 3 x 3 boards of 24 pixels, 0.2 M parameters. */
import { AdamW } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { noDecayGroups, VisionLanguageModel } from '../../../models/index.js';
import type { ModelConfig } from '../../../models/index.js';
import { resolveConfig } from '../../method/config.js';
import type { RunConfig } from '../../method/config.js';
import { evaluate } from '../../evaluation/evaluate.js';
import { heldOutGroups, trainingGroups } from '../../method/puzzles.js';
import type { PuzzleGroup } from '../../method/puzzles.js';
import { planningStage } from '../../method/stages/stage0.js';
import { groundingStage } from '../../method/stages/stage1.js';
import { distillationStage } from '../../method/stages/stage2.js';
import type { Metrics, Stage } from '../../method/stages/stage.js';

export const classModel: ModelConfig = {
  vocabulary: 128,
  imageSize: 24,
  patchSize: 6,
  visionWidth: 48,
  visionLayers: 1,
  visionHeads: 3,
  width: 64,
  layers: 3,
  heads: 4,
  promptPositions: 32,
  responsePositions: 40,
};

/** The configuration of a class training. @param changes on top, as in a config file */
export function classConfig(seed: number, ...changes: readonly unknown[]): RunConfig {
  return resolveConfig(
    'tiny',
    {
      seed,
      tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 1500 } }],
      stage0: { steps: 400, batch: 32, warmup: 20, balance: 0.5 },
      stage1: { steps: 250, batch: 32, warmup: 20, images: 1000 },
      stage2: { steps: 80, batch: 32, warmup: 5, prompts: 1500 },
      evaluation: { puzzles: 120 },
    },
    ...changes,
  );
}

export interface Classroom {
  readonly device: Device;
  readonly config: RunConfig;
  readonly training: readonly PuzzleGroup[];
  readonly heldOut: readonly PuzzleGroup[];
}

export function openClassroom(device: Device, config: RunConfig): Classroom {
  return { device, config, training: trainingGroups(config), heldOut: heldOutGroups(config) };
}

/** A trainable copy of a model's weights. */
async function trainableCopy({ device }: Classroom, from: VisionLanguageModel): Promise<VisionLanguageModel> {
  const copy = new VisionLanguageModel(device, from.config);
  await copy.parameters.load(await from.parameters.save());
  return copy;
}

/** Runs all updates of a stage. @param onStep told the metrics of each update (from 1) */
async function runStage(
  stage: Stage,
  onStep: (step: number, metrics: Metrics) => Promise<void> | void = () => {},
): Promise<void> {
  for (let step = 0; step < stage.steps; step++) {
    const { metrics } = await stage.step(step);
    await onStep(step + 1, await metrics);
  }
}

const optimizerOf = ({ config }: Classroom, model: VisionLanguageModel) =>
  new AdamW(model.parameters, { ...config.optimizer, noDecay: noDecayGroups });

/** Stage 0 from fresh weights: the planner. */
export async function trainPlanner(room: Classroom): Promise<VisionLanguageModel> {
  const model = new VisionLanguageModel(room.device, classModel).initialize(room.config.seed);
  const optimizer = optimizerOf(room, model);
  await runStage(planningStage({ config: room.config, student: model, optimizer, groups: room.training }));
  optimizer.dispose();
  return model;
}

/** Stage 1 on a copy of the planner: a student that writes down what it sees. */
export async function trainGrounding(room: Classroom, planner: VisionLanguageModel): Promise<VisionLanguageModel> {
  const model = await trainableCopy(room, planner);
  const optimizer = optimizerOf(room, model);
  await runStage(groundingStage({ config: room.config, student: model, optimizer, groups: room.training }));
  optimizer.dispose();
  return model;
}

/** Stage 2 on a copy of a student; the planner teaches. */
export async function trainDistillation(
  room: Classroom,
  config: RunConfig,
  planner: VisionLanguageModel,
  student: VisionLanguageModel,
  onStep?: (step: number, metrics: Metrics, model: VisionLanguageModel) => Promise<void> | void,
): Promise<VisionLanguageModel> {
  const model = await trainableCopy(room, student);
  const optimizer = optimizerOf(room, model);
  const stage = distillationStage({ config, student: model, planner, optimizer, groups: room.training });
  await runStage(stage, (step, metrics) => onStep?.(step, metrics, model));
  optimizer.dispose();
  return model;
}

/** Success and exact recaps on held-out boards, as shares. */
export async function scoreOf(
  { heldOut }: Classroom,
  model: VisionLanguageModel,
  input: 'image' | 'symbolic' = 'image',
): Promise<{ success: number; recapExact: number }> {
  const items = await evaluate(model, heldOut, { input });
  const share = (name: 'success' | 'recapExact') => items.filter(item => item[name]).length / items.length;
  return { success: share('success'), recapExact: share('recapExact') };
}
