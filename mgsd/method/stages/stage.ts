/** What the stages of training have in common. */
import { AdamW, cosineLearningRate, Muon } from '../../../core/index.js';
import { noDecayGroups } from '../../../models/index.js';
import type { ParameterGroup, VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import type { PuzzleGroup } from '../puzzles.js';

/** The stages of the method, and the baseline beside it. */
export type StageName = 'stage0' | 'stage1' | 'stage2' | 'direct';

/** What a stage is made of. */
export interface StageSetting {
  readonly config: RunConfig;
  /** The model in training: in stage 0 the planner, from then on the student. */
  readonly student: VisionLanguageModel;
  /** See `makeOptimizer`. */
  readonly optimizer: AdamW;
  /** Training puzzles, by world and board size. */
  readonly groups: readonly PuzzleGroup[];
  /** The planner of stage 0, frozen; stage 2 alone needs it. */
  readonly planner?: VisionLanguageModel | undefined;
  /** Record and replay the updates. Default: unless the backend is cpu, which is there to read and debug. */
  readonly replay?: boolean;
}

/** Numbers of a step by name, all means over the batch. */
export type Metrics = Readonly<Record<string, number>>;

/** What an update reports. */
export interface StageStep {
  readonly metrics: Promise<Metrics>;
  /** What the update decided, for the user to read. */
  readonly notes?: readonly string[];
}

export interface Stage {
  readonly name: StageName;
  /** A few words, for progress bars and reports. */
  readonly title: string;
  /** Updates in all. A stage may extend itself while it runs (see gate.ts). */
  readonly steps: number;
  /**
   * Performs update `step` (from 0): everything in it follows from the seed and the step, so a resumed run repeats the
   * straight one. Metrics arrive when the device has computed them; awaiting them late keeps it busy.
   */
  step(step: number): Promise<StageStep>;
  /** Tensors, by name, that a checkpoint needs beside those of model and optimiser. */
  saveState?(): Promise<ReadonlyMap<string, Float32Array>>;
  /** Restores them, before the first step. */
  loadState?(tensors: ReadonlyMap<string, Float32Array>): void;
  /** Frees what recorded steps hold. */
  dispose(): void;
}

/** Learning rates of one update: of the vision encoder with its projector, and of the decoder. */
export interface Rates {
  readonly vision: number;
  readonly decoder: number;
}

/** Warm-up and cosine of a stage, see `cosineLearningRate`. */
interface Schedule {
  readonly steps: number;
  readonly warmup: number;
  /** Final learning rate, as a share of the peak. */
  readonly floor: number;
  readonly visionRate: number;
  readonly decoderRate: number;
}

/** Learning rates at an update of a schedule. */
export function ratesAt({ visionRate, decoderRate, ...schedule }: Schedule, step: number): Rates {
  return {
    vision: cosineLearningRate(step, { ...schedule, peak: visionRate }),
    decoder: cosineLearningRate(step, { ...schedule, peak: decoderRate }),
  };
}

/**
 * Share of pictures in random looks at update `step`. In stage 1 there are none for the first `looksAfter` of the
 * updates, and from there it rises to its full value within as many: what to look for is learnt sooner in one look.
 */
export function looksAt({ stage1, stage2 }: RunConfig, stage: 'stage1' | 'stage2', step: number): number {
  if (stage === 'stage2') return stage2.looks;
  const start = stage1.looksAfter * stage1.steps;
  return start === 0 ? stage1.looks : stage1.looks * Math.min(1, Math.max(0, (step - start) / start));
}

/** Learning rate of each parameter group, as the optimiser takes them. */
export function groupRates({ vision, decoder }: Rates): Readonly<Record<ParameterGroup, number>> {
  return { 'vision.matrix': vision, 'vision.vector': vision, 'decoder.matrix': decoder, 'decoder.vector': decoder };
}

/** The optimiser that a configuration asks for. Muon is an AdamW with another update for some matrices. */
export function makeOptimizer(
  { parameters }: VisionLanguageModel,
  { optimizer: { kind, momentum, matrixRate, ...options } }: Pick<RunConfig, 'optimizer'>,
): AdamW {
  const common = { ...options, noDecay: noDecayGroups };
  return kind === 'muon' ? new Muon(parameters, { ...common, momentum, matrixRate }) : new AdamW(parameters, common);
}
