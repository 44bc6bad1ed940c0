/**
 * Complete configurations, and what their parts have in common. `tiny` is measured (README); `worlds`, `small` and `base` are
 * not yet.
 */
import type { PresetName } from '../models/index.js';
import type { RunConfig, TaskConfig } from './config.js';
import { distillationDefaults } from './stages/distillation-config.js';

/** No gate: what runs had before there was one. */
export const noGate = { recapExact: 0, puzzles: 64, steps: 200, extensions: 0, failed: 'join' } as const;

const gate = { recapExact: 0.9, puzzles: 64, steps: 250, extensions: 4, failed: 'ground' } as const;

const optimizer = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.01, maxNorm: 1 };
const noise = { recapSamples: 0.3, recapTokens: 0.15, detourSamples: 0.3, detourSteps: 0.25 };
const distillation = {
  ...distillationDefaults,
  divergence: 'reverse_kl',
  estimator: 'full',
  temperature: 1,
  teacherFloor: -12,
  maskAfterFatal: true,
} as const;

/** The smaller boards of all three worlds. */
const smallBoards: TaskConfig[] = [
  { world: 'frozenlake', levels: [3, 4, 5], pool: { '3': 3000, '4': 15000, '5': 20000 } },
  { world: 'maze', levels: [3, 4], pool: { '3': 5000, '4': 20000 } },
  { world: 'minibehaviour', levels: [5], pool: { '5': 3200 } },
];

/** All twelve boards of the paper. */
const allBoards: TaskConfig[] = [
  {
    world: 'frozenlake',
    levels: [3, 4, 5, 6, 7, 8],
    pool: { '3': 3000, '4': 15000, '5': 30000, '6': 30000, '7': 30000, '8': 30000 },
  },
  { world: 'maze', levels: [3, 4, 5, 6], pool: { '3': 5000, '4': 30000, '5': 30000, '6': 30000 } },
  { world: 'minibehaviour', levels: [5, 6], pool: { '5': 3200, '6': 13000 } },
];

export const presets: Readonly<Record<PresetName, RunConfig>> = {
  tiny: {
    preset: 'tiny',
    seed: 1,
    tasks: [smallBoards[0]!],
    lossAverage: 'world',
    optimizer,
    stage0: {
      steps: 2000,
      batch: 64,
      balance: 0.3,
      learningRate: 2e-3,
      warmup: 100,
      floor: 0.1,
      noise,
      planContext: 0,
    },
    stage1: {
      steps: 800,
      batch: 64,
      balance: 0,
      visionRate: 2e-3,
      decoderRate: 5e-4,
      warmup: 50,
      floor: 0.1,
      images: 1500,
      questions: 0,
      replay: 0,
      gate: noGate,
    },
    stage2: {
      steps: 400,
      batch: 64,
      balance: 0.5,
      visionRate: 5e-4,
      decoderRate: 5e-4,
      warmup: 20,
      floor: 0.3,
      prompts: 15000,
      replay: 0,
      ...distillation,
    },
    evaluation: { puzzles: 200 },
  },
  worlds: {
    preset: 'worlds',
    seed: 1,
    tasks: smallBoards,
    lossAverage: 'world',
    optimizer,
    stage0: {
      steps: 3000,
      batch: 128,
      balance: 0.3,
      learningRate: 2e-3,
      warmup: 100,
      floor: 0.05,
      noise,
      planContext: 0,
    },
    stage1: {
      steps: 1500,
      batch: 96,
      balance: 0,
      visionRate: 2e-3,
      decoderRate: 5e-4,
      warmup: 50,
      floor: 0.1,
      images: 3000,
      questions: 0,
      replay: 0.125,
      gate,
    },
    stage2: {
      steps: 800,
      batch: 96,
      balance: 0.5,
      visionRate: 5e-4,
      decoderRate: 5e-4,
      warmup: 20,
      floor: 0.1,
      prompts: 15000,
      replay: 0.125,
      ...distillation,
    },
    evaluation: { puzzles: 200 },
  },
  small: {
    preset: 'small',
    seed: 1,
    tasks: allBoards,
    lossAverage: 'world',
    optimizer,
    stage0: {
      steps: 12000,
      batch: 256,
      balance: 0.3,
      learningRate: 1e-3,
      warmup: 300,
      floor: 0.05,
      noise,
      planContext: 0,
    },
    stage1: {
      steps: 4000,
      batch: 128,
      balance: 0,
      visionRate: 1e-3,
      decoderRate: 3e-4,
      warmup: 100,
      floor: 0.1,
      images: 3000,
      questions: 0,
      replay: 0.125,
      gate,
    },
    stage2: {
      steps: 2000,
      batch: 128,
      balance: 0.5,
      visionRate: 5e-4,
      decoderRate: 5e-4,
      warmup: 50,
      floor: 0.1,
      prompts: 15000,
      replay: 0.125,
      ...distillation,
    },
    evaluation: { puzzles: 200 },
  },
  base: {
    preset: 'base',
    seed: 1,
    tasks: allBoards,
    lossAverage: 'world',
    optimizer,
    stage0: {
      steps: 20000,
      batch: 512,
      balance: 0.3,
      learningRate: 6e-4,
      warmup: 500,
      floor: 0.05,
      noise,
      planContext: 0,
    },
    stage1: {
      steps: 4000,
      batch: 256,
      balance: 0,
      visionRate: 6e-4,
      decoderRate: 2e-4,
      warmup: 200,
      floor: 0.1,
      images: 3000,
      questions: 0,
      replay: 0.125,
      gate,
    },
    stage2: {
      steps: 2000,
      batch: 256,
      balance: 0.5,
      visionRate: 3e-4,
      decoderRate: 3e-4,
      warmup: 100,
      floor: 0.1,
      prompts: 15000,
      replay: 0.125,
      ...distillation,
    },
    evaluation: { puzzles: 200 },
  },
};
