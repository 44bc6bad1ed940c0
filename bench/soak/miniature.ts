/** Whole runs within seconds: a model of 7,000 parameters on a few 3x3 boards. */
import type { Device } from '../../core/index.js';
import type { ModelConfig } from '../../models/index.js';
import { resolveConfig } from '../../mgsd/method/config.js';
import type { RunConfig } from '../../mgsd/method/config.js';
import { RunFolder } from '../../mgsd/runs/run-folder.js';
import { train } from '../../mgsd/runs/train.js';
import type { TrainOptions } from '../../mgsd/runs/train-options.js';
import type { TableRow } from '../../mgsd/evaluation/table.js';

export const miniatureModel: ModelConfig = {
  vocabulary: 128,
  imageSize: 8,
  patchSize: 4,
  visionWidth: 8,
  visionLayers: 1,
  visionHeads: 2,
  width: 8,
  layers: 1,
  heads: 2,
  promptPositions: 16,
  responsePositions: 32,
  coordinates: 0,
};

/** @param changes partial configurations, later ones win */
export function miniatureConfig(...changes: readonly unknown[]): RunConfig {
  return resolveConfig(
    'tiny',
    {
      tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 24 } }],
      stage0: { steps: 12, batch: 4, warmup: 4 },
      stage1: { steps: 8, batch: 4, warmup: 2 },
      stage2: { steps: 6, batch: 3, warmup: 2 },
      evaluation: { puzzles: 3 },
    },
    ...changes,
  );
}

interface MiniatureOptions extends Partial<Omit<TrainOptions, 'device' | 'folder'>> {
  /** Given the folder before the run begins. */
  readonly onFolder?: (folder: RunFolder) => void;
}

/** Starts a run, or resumes the one in the folder. */
export async function runMiniature(
  device: Device,
  path: string,
  { config = miniatureConfig(), onFolder, ...options }: MiniatureOptions = {},
): Promise<TableRow[]> {
  const resume = RunFolder.isRun(path);
  const access = { warn: (message: string) => options.observer?.onNote?.(message) };
  const folder = resume ? RunFolder.open(path, access) : RunFolder.create(path, config, access);
  onFolder?.(folder);
  try {
    return await train({ config, device, folder, resume, model: miniatureModel, checkpointEvery: 3, ...options });
  } finally {
    folder.close();
  }
}

/** A run long enough to be killed in every part of it. */
export function longerConfig(seed: number): RunConfig {
  return miniatureConfig({ seed, stage0: { steps: 60 }, stage1: { steps: 40 }, stage2: { steps: 30 } });
}
