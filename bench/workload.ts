/**
 * Workload of the default run, for benches: its configuration, puzzles of its distribution, and the three stages on the
 * pretrained model, whose responses end where a trained student's do. (Fresh weights run into the length limit, and
 * their rollouts cost several times as much.)
 */
import type { Device } from '../core/index.js';
import { decodeCheckpoint, loadModel, vocabulary } from '../models/index.js';
import type { VisionLanguageModel } from '../models/index.js';
import { resolveConfig } from '../mgsd/method/config.js';
import type { RunConfig } from '../mgsd/method/config.js';
import { readFile } from '../mgsd/runs/files.js';
import { pretrainedPath } from '../mgsd/runs/package.js';
import { trainingGroups } from '../mgsd/method/puzzles.js';
import type { PuzzleGroup } from '../mgsd/method/puzzles.js';
import { planningStage } from '../mgsd/method/stages/stage0.js';
import { groundingStage } from '../mgsd/method/stages/stage1.js';
import { distillationStage } from '../mgsd/method/stages/stage2.js';
import type { DistillationStage } from '../mgsd/method/stages/stage2.js';
import { makeOptimizer } from '../mgsd/method/stages/stage.js';
import type { Stage } from '../mgsd/method/stages/stage.js';

export interface Workload {
  readonly config: RunConfig;
  /** 500 boards of each size; batches mix sizes in the same shares whatever the size of the pool. */
  readonly groups: readonly PuzzleGroup[];
  /** Trained through all stages. */
  readonly student: VisionLanguageModel;
  /** A frozen copy of it. */
  readonly teacher: VisionLanguageModel;
  /** Stages 0, 1 and 2, as training runs them: batches in buckets, updates recorded where the device replays. */
  readonly stages: readonly [Stage, Stage, DistillationStage];
}

/** Sets the bias of the end-of-sequence logit: fresh weights rarely end a response, and not where they are to. */
export async function biasEnd({ parameters }: VisionLanguageModel, to: number): Promise<void> {
  const bias = await parameters.get('decoder.head.bias').read();
  await parameters.load(
    new Map([['decoder.head.bias', Float32Array.from(bias, (b, id) => (id === vocabulary.EOS ? to : b))]]),
  );
}

/** Builds everything on this device; freed with the device. */
export async function openWorkload(device: Device): Promise<Workload> {
  const config = resolveConfig('tiny');
  const groups = trainingGroups(config, 500);
  const student = await loadModel(device, decodeCheckpoint(readFile(pretrainedPath())));
  const teacher = await student.frozenCopy();
  const optimizer = makeOptimizer(student, config);
  const setting = { config, student, planner: teacher, optimizer, groups };
  const stages = [planningStage(setting), groundingStage(setting), distillationStage(setting)] as const;
  return { config, groups, student, teacher, stages };
}
