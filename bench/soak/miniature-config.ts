/** Whole runs within seconds: a model of 7,000 parameters on a few 3x3 boards. Browsers run them too. */
import type { ModelConfig } from '../../models/index.js';
import { resolveConfig } from '../../mgsd/method/config.js';
import type { RunConfig } from '../../mgsd/method/config.js';

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

/** A run long enough to be killed in every part of it. */
export function longerConfig(seed: number): RunConfig {
  return miniatureConfig({ seed, stage0: { steps: 60 }, stage1: { steps: 40 }, stage2: { steps: 30 } });
}
