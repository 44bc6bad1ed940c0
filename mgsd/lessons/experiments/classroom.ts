/** A model and boards small enough to train within a lesson: 3 x 3 boards of 24 pixels, 0.2 M parameters. */
import { Random } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { decodeCheckpoint, loadModel, VisionLanguageModel } from '../../../models/index.js';
import type { ModelConfig } from '../../../models/index.js';
import { evaluate } from '../../evaluation/evaluate.js';
import { resolveConfig } from '../../method/config.js';
import type { RunConfig } from '../../method/config.js';
import { renderPuzzles } from '../../method/packing.js';
import { heldOutGroups, trainingGroups } from '../../method/puzzles.js';
import type { Puzzle, PuzzleGroup } from '../../method/puzzles.js';
import { respond } from '../../method/respond.js';
import type { RespondOptions } from '../../method/respond.js';
import { maximumResponseLength } from '../../method/response.js';
import { instancePool } from '../../method/split.js';
import { planningStage } from '../../method/stages/stage0.js';
import { groundingStage } from '../../method/stages/stage1.js';
import { distillationStage } from '../../method/stages/stage2.js';
import { makeOptimizer } from '../../method/stages/stage.js';
import type { Stage, StageSetting } from '../../method/stages/stage.js';
import { relabelledExample } from '../../method/targets.js';
import type { TrainingExample } from '../../method/packing.js';
import { lineChart } from '../../pictures/chart.js';
import { readFile } from '../../runs/files.js';
import { pretrainedPath } from '../../runs/package.js';
import { createWorldByName } from '../../worlds/registry.js';
import type { RenderStyle, World } from '../../worlds/world.js';
import type { ExperimentOptions } from './experiment.js';

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
  coordinates: 0,
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

type StageMaker = (setting: StageSetting) => Stage;

/**
 * A model after all updates of a stage: a copy of `from`, or fresh weights.
 * @param after called after each update, from 1
 */
async function train(
  { device, training, config }: Classroom,
  stageOf: StageMaker,
  from?: VisionLanguageModel,
  after: (step: number, model: VisionLanguageModel) => Promise<void> | void = () => {},
): Promise<VisionLanguageModel> {
  const student = new VisionLanguageModel(device, classModel);
  if (from) await student.parameters.load(await from.parameters.save());
  else student.initialize(config.seed);
  const optimizer = makeOptimizer(student, config);
  const stage = stageOf({ config, student, optimizer, groups: training });
  for (let step = 0; step < stage.steps; step++) {
    const { metrics } = await stage.step(step);
    await metrics;
    await after(step + 1, student);
  }
  stage.dispose();
  optimizer.dispose();
  return student;
}

/** Stage 0 from fresh weights: the planner. */
export const trainPlanner = (room: Classroom): Promise<VisionLanguageModel> => train(room, planningStage);

/** Stage 1 on a copy of the planner: a student that writes down what it sees. */
export const trainGrounding = (room: Classroom, planner: VisionLanguageModel): Promise<VisionLanguageModel> =>
  train(room, groundingStage, planner);

/** Share of held-out boards solved, at about eight updates of stage 2. */
export type Curve = readonly (readonly [step: number, success: number])[];

/** Stage 2 on a copy of a student, taught by the planner: how the student does before, on the way, and after. */
export async function distil(
  room: Classroom,
  config: RunConfig,
  planner: VisionLanguageModel,
  student: VisionLanguageModel,
): Promise<{ before: Score; after: Score; curve: Curve }> {
  const every = Math.max(1, Math.round(config.stage2.steps / 8));
  const before = await scoreOf(room, student);
  const curve: [number, number][] = [[0, before.success]];
  const stageOf: StageMaker = setting => distillationStage({ ...setting, planner });
  const trained = await train({ ...room, config }, stageOf, student, async (step, model) => {
    if (step % every === 0) curve.push([step, (await scoreOf(room, model)).success]);
  });
  const after = await scoreOf(room, trained);
  trained.dispose();
  return { before, after, curve };
}

export function curveChart(title: string, lines: readonly { readonly label: string; readonly curve: Curve }[]): string {
  const points = lines.map(({ label, curve }) => ({ label, points: curve }));
  return lineChart({ title, x: 'updates of stage 2', y: 'success on held-out boards', yRange: [0, 1], lines: points });
}

export interface Score {
  readonly success: number;
  readonly recapExact: number;
}

/** Success and exact recaps on held-out boards, as shares. */
export async function scoreOf(
  { heldOut }: Classroom,
  model: VisionLanguageModel,
  input: 'image' | 'symbolic' = 'image',
): Promise<Score> {
  const items = await evaluate(model, heldOut, { input });
  const share = (name: 'success' | 'recapExact') => items.filter(item => item[name]).length / items.length;
  return { success: share('success'), recapExact: share('recapExact') };
}

/** What the model that comes with the package writes about held-out 4 x 4 boards of FrozenLake. */
export interface Rollouts {
  readonly model: VisionLanguageModel;
  readonly puzzles: readonly Puzzle[];
  readonly images: readonly Uint8Array[];
  readonly responses: readonly (readonly number[])[];
  readonly examples: readonly TrainingExample[];
}

/**
 * @param stream of the random numbers that choose the boards
 * @param style how they are drawn
 * @param sampling default greedy
 */
export async function pretrainedRollouts(
  { device, seed }: ExperimentOptions,
  count: number,
  stream: number,
  style?: RenderStyle,
  sampling: Partial<RespondOptions> = {},
): Promise<Rollouts> {
  const model = await loadModel(device, decodeCheckpoint(readFile(pretrainedPath())), { trainable: false });
  const world: World = createWorldByName('frozenlake');
  const instances = instancePool(world, 4, new Random(seed, stream, 4), { split: 'test', count });
  const puzzles = instances.map(instance => ({ world, instance }));
  const images = renderPuzzles(puzzles, model.config, style);
  const maxTokens = maximumResponseLength(world, 4);
  const responses = await respond(model, puzzles, 'image', { ...sampling, maxTokens, images });
  const examples = puzzles.map((puzzle, i) => relabelledExample(puzzle, responses[i]!));
  return { model, puzzles, images, responses, examples };
}
