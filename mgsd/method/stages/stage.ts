/** What the three stages of training have in common. */
import type { AdamW, Tensor } from '../../../core/index.js';
import { stateFields } from '../../../core/index.js';
import type { ParameterGroup, VisionLanguageModel } from '../../../models/index.js';
import type { Puzzle } from '../puzzles.js';
import { packTraces, renderPuzzles } from '../packing.js';
import type { InputMode, LossAverage } from '../packing.js';
import type { Mode } from '../response.js';
import type { TrainingTrace } from '../targets.js';
import { computeTerm, supervisedTerm } from './loss-term.js';

/** The stages of the method, and the baseline beside it. */
export type StageName = 'stage0' | 'stage1' | 'stage2' | 'direct';

/** What a step reports: numbers by name, all of them means over the batch. */
export type Metrics = Readonly<Record<string, number>>;

/** What an update tells. */
export interface StageStep {
  readonly metrics: Promise<Metrics>;
  /** Sentences for people about what was decided in it. */
  readonly notes?: readonly string[];
}

export interface Stage {
  readonly name: StageName;
  /** One line for people. */
  readonly title: string;
  /** Updates in all. A stage that is not content with itself may raise it while it runs (see gate.ts). */
  readonly steps: number;
  /**
   * Performs update `step` (from 0): everything in it follows from the seed and the step, so a resumed run repeats the
   * straight one. Metrics arrive when the device has computed them; awaiting them late keeps it busy.
   */
  step(step: number): Promise<StageStep>;
  /** Tensors beside the model and the optimiser that a checkpoint needs to go on from, by name. */
  saveState?(): Promise<ReadonlyMap<string, Float32Array>>;
  /** Takes them back, before the first step. */
  loadState?(tensors: ReadonlyMap<string, Float32Array>): void;
  /** Frees what recorded steps hold. */
  dispose?(): void;
}

/** Learning rates of the parameter groups: one for the vision encoder and projector, one for the decoder. */
export function groupRates(vision: number, decoder: number): Readonly<Record<ParameterGroup, number>> {
  return { 'vision.matrix': vision, 'vision.vector': vision, 'decoder.matrix': decoder, 'decoder.vector': decoder };
}

/** Reads the loss and the optimiser's state after a step. The reads are ordered now, so the tensors may be freed at once. */
export async function readStepMetrics(loss: Tensor, optimizer: AdamW): Promise<Metrics> {
  const [value, state] = await Promise.all([loss.item(), optimizer.state.read()]);
  const field = (name: (typeof stateFields)[number]) => state[stateFields.indexOf(name)]!;
  const scale = optimizer.lossScaling && { lossScale: field('lossScale') };
  return { loss: value, gradNorm: field('norm'), skipped: field('skipped'), ...scale };
}

/** What supervision may leave to its defaults. */
export interface LossOptions {
  /** What the prompt asks for, see `promptOf`. */
  readonly asked?: Mode;
  /** See `LossAverage`. Default `world`. */
  readonly average?: LossAverage;
}

/**
 * Next-token loss of given traces, the mean over their N tokens (by worlds, see `LossAverage`): a scalar. Stages 0 and 1 and
 * direct supervision differ only in what the prompt shows and what the traces hold.
 */
export function supervisedLoss(
  model: VisionLanguageModel,
  puzzles: readonly Puzzle[],
  traces: readonly TrainingTrace[],
  mode: InputMode,
  { asked = 'plan', average = 'world' }: LossOptions = {},
): Tensor {
  const packed = packTraces(puzzles, traces, mode, model.config, asked);
  const images = mode === 'image' && { images: renderPuzzles(puzzles, model.config) };
  return computeTerm(model.device, supervisedTerm(model, puzzles, traces, packed, { average, ...images })).loss;
}
