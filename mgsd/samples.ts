/** From puzzles and traces to what a model is fed: packed batches, patches, targets. */
import { packBatch, patchCount, patchify } from '../models/index.js';
import type { Batch, GenerateOptions, ModelConfig, Sequence, VisionLanguageModel } from '../models/index.js';
import type { Tensor } from '../core/index.js';
import type { Puzzle } from './puzzles.js';
import { imagePrompt, responseSlots, symbolicPrompt, symbolicPromptSlots } from './trace.js';
import type { Mode } from './trace.js';
import type { TrainingTrace } from './trace-samples.js';
import type { RenderStyle } from './worlds/world.js';

/** How a model is shown a puzzle. */
export type InputMode = 'image' | 'symbolic';

/** @param asked for a recap and a plan, or (`perceive`) for answers to the perception questions */
export function promptOf(
  { world, instance }: Puzzle,
  mode: InputMode,
  config: ModelConfig,
  asked: Mode = 'plan',
): number[] {
  return mode === 'image' ? imagePrompt(world, patchCount(config), asked) : symbolicPrompt(world, instance, asked);
}

/** Puzzles as pictures: (imageSize, imageSize, 3) bytes each. */
export function renderPuzzles(
  puzzles: readonly Puzzle[],
  config: ModelConfig,
  style: RenderStyle = 'training',
): Uint8Array[] {
  return puzzles.map(({ world, instance }) => world.render(instance, config.imageSize, style));
}

/** Images on the device: (images * P, patch pixels). */
export function patchTensor(model: VisionLanguageModel, images: readonly Uint8Array[]): Tensor {
  const patches = patchCount(model.config);
  const values = patchify(images, model.config);
  return model.device.tensor(values, [images.length * patches, values.length / (images.length * patches)], {
    dtype: model.dtype,
  });
}

/** Prompts in the given mode with the inputs of their traces, packed. */
export function packTraces(
  puzzles: readonly Puzzle[],
  traces: readonly TrainingTrace[],
  mode: InputMode,
  config: ModelConfig,
  asked: Mode = 'plan',
): Batch {
  const sequences = puzzles.map<Sequence>((puzzle, i) => {
    const { inputs } = traces[i]!;
    const promptSlots = mode === 'symbolic' ? symbolicPromptSlots(puzzle.world, puzzle.instance) : undefined;
    const slots = inputs.length > 1 ? responseSlots(puzzle.world, inputs[1]!, inputs.length) : undefined;
    return {
      prompt: promptOf(puzzle, mode, config, asked),
      response: inputs,
      ...(promptSlots && { promptSlots }),
      ...(slots && { responseSlots: slots }),
    };
  });
  return packBatch(sequences, {
    promptPositions: config.promptPositions,
    responsePositions: config.responsePositions,
    patches: patchCount(config),
  });
}

/**
 * The slots that `generate` needs to know for these puzzles, as `packTraces` gives them to a training pass. Behind an image
 * only the world's format counts.
 */
export function generationSlots(
  puzzles: readonly (Pick<Puzzle, 'world'> & Partial<Puzzle>)[],
  { responsePositions }: ModelConfig,
): Pick<GenerateOptions, 'promptSlots' | 'responseSlots'> {
  if (!puzzles.some(({ world }) => world.recapCell)) return {};
  return {
    promptSlots: puzzles.map(({ world, instance }) => (instance && symbolicPromptSlots(world, instance)) ?? []),
    responseSlots: (sequence, firstToken) => responseSlots(puzzles[sequence]!.world, firstToken, responsePositions),
  };
}

/** Targets of all traces, one after another: every right token has an equal share. (N, V) */
export function targetTensor(model: VisionLanguageModel, traces: readonly TrainingTrace[]): Tensor {
  const V = model.config.vocabulary;
  const rows = traces.flatMap(trace => trace.targets);
  const values = new Float32Array(rows.length * V);
  rows.forEach((targets, row) => {
    for (const token of targets) values[row * V + token] = 1 / targets.length;
  });
  return model.device.tensor(values, [rows.length, V], { dtype: model.dtype });
}

/**
 * How the tokens of a batch share its loss: every world alike (and the tokens of a world alike), or every token alike, so that
 * worlds with long responses (Maze) weigh more.
 */
export type LossAverage = 'world' | 'token';

/**
 * Weights of tokens, sequence by sequence, divided so that a weighted sum of their losses is a mean: over all tokens, or for
 * `world` over the worlds present of the means over their tokens. All zero where nothing counts. The shapes are those given.
 */
export function averagingWeights(
  puzzles: readonly Puzzle[],
  weights: readonly ArrayLike<number>[],
  average: LossAverage,
): Float64Array[] {
  const shareOf = ({ world }: Puzzle) => (average === 'world' ? world.name : '');
  const totals = new Map<string, number>();
  puzzles.forEach((puzzle, i) => {
    const total = Array.from(weights[i]!).reduce((sum, w) => sum + w, 0);
    totals.set(shareOf(puzzle), (totals.get(shareOf(puzzle)) ?? 0) + total);
  });
  const present = [...totals.values()].filter(total => total > 0).length;
  return puzzles.map((puzzle, i) => {
    const divisor = totals.get(shareOf(puzzle))! * present;
    return Float64Array.from(weights[i]!, w => (divisor > 0 ? w / divisor : 0));
  });
}

/** The weights of all positions on the device, averaged as asked: (N). */
export function weightTensor(
  model: VisionLanguageModel,
  puzzles: readonly Puzzle[],
  traces: readonly TrainingTrace[],
  average: LossAverage,
): Tensor {
  const sequences = averagingWeights(
    puzzles,
    traces.map(({ weights }) => weights),
    average,
  );
  const values = Float64Array.from(sequences.flatMap(sequence => Array.from(sequence)));
  return model.device.tensor(values, [values.length], { dtype: model.dtype });
}
