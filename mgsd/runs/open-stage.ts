/** A stage with everything it needs, as its newest checkpoint left it or fresh: model, optimiser, teacher. */
import type { AdamW } from '../../core/index.js';
import { loadModel, VisionLanguageModel } from '../../models/index.js';
import { modelConfigOf } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import { checkPuzzles, part } from '../method/puzzles.js';
import type { PuzzleGroup, RunPuzzles } from '../method/puzzles.js';
import { makeStage } from '../method/stages/index.js';
import { makeOptimizer } from '../method/stages/stage.js';
import type { Stage, StageName } from '../method/stages/stage.js';
import { decodeRunState, finalCheckpoint, newestCheckpoint, restoreOptimizer } from './checkpoints.js';
import type { StoredState } from './checkpoints.js';
import { stageBefore } from './order.js';
import type { CheckpointFile } from './store.js';
import type { TrainOptions } from './train-options.js';

export interface OpenStage {
  readonly stage: Stage;
  /** What it trains. */
  readonly model: VisionLanguageModel;
  /** The frozen planner of stage 0, for stage 2. */
  readonly teacher: VisionLanguageModel | undefined;
  readonly optimizer: AdamW;
  /** Updates that are done. */
  readonly step: number;
  dispose(): void;
}

/** Loads or starts a stage. @param at the checkpoint to load instead of the newest */
export async function openStage(
  name: StageName,
  puzzles: RunPuzzles,
  options: TrainOptions,
  at?: CheckpointFile,
): Promise<OpenStage> {
  const { config, device, folder, resume, observer } = options;
  const { precision } = config;
  const stored = resume ? storedState(name, options, at) : undefined;
  const owned: { dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(made: T): T => {
    owned.unshift(made);
    return made;
  };
  const dispose = () => {
    for (const made of owned) made.dispose();
  };
  try {
    const checkpoint = stored?.checkpoint;
    const model = own(
      checkpoint ? await loadModel(device, checkpoint, { precision }) : await startingModel(name, options),
    );
    const optimizer = own(makeOptimizer(model, config));
    const planner = () => loadModel(device, finalCheckpoint(folder, 'stage0', config), { precision, trainable: false });
    const teacher = name === 'stage2' ? own(await planner()) : undefined;
    const groups = groupsOf(name, config, model, puzzles);
    const stage = own(makeStage(name, { config, student: model, planner: teacher, optimizer, groups }));
    if (checkpoint) {
      restoreOptimizer(optimizer, checkpoint);
      stage.loadState?.(checkpoint.optimizer);
    }
    const step = stored?.step ?? 0;
    observer?.onStage?.({ stage: name, title: stage.title, step, steps: stage.steps });
    return { stage, model, optimizer, teacher, step, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

function storedState(
  name: StageName,
  { config, folder, observer }: TrainOptions,
  at?: CheckpointFile,
): StoredState | undefined {
  if (at) return { step: at.step, checkpoint: decodeRunState(at, folder.read(at.name), config) };
  return newestCheckpoint(folder, name, config, note => observer?.onNote?.(note));
}

/** Fresh weights for stage 0, otherwise those that the previous stage ended with. */
async function startingModel(
  name: StageName,
  { config, device, folder, model }: TrainOptions,
): Promise<VisionLanguageModel> {
  const before = stageBefore(name);
  const { precision } = config;
  if (before) return await loadModel(device, finalCheckpoint(folder, before, config), { precision });
  return new VisionLanguageModel(device, model ?? modelConfigOf(config), { precision }).initialize(config.seed);
}

/** Puzzles that were checked: once is enough for all stages of a run, which have one model. */
const checked = new WeakSet<RunPuzzles>();

/** The training puzzles of a stage. All of the run's are checked against the model and the held-out ones. */
export function groupsOf(
  name: StageName,
  config: RunConfig,
  model: VisionLanguageModel,
  puzzles: RunPuzzles,
): PuzzleGroup[] {
  const { stage1, stage2 } = config;
  const limits = { stage0: undefined, stage1: stage1.images, stage2: stage2.prompts, direct: stage2.prompts };
  if (!checked.has(puzzles)) checkPuzzles(model.config, puzzles.training, puzzles.heldOut);
  checked.add(puzzles);
  return puzzles.training.map(group => part(group, 0, limits[name]));
}
