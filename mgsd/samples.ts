/** From puzzles and traces to what a model is fed: packed batches, patches, targets. */
import { packBatch, patchCount, patchify } from '../models/index.js';
import type { Batch, GenerateOptions, ModelConfig, Sequence, VisionLanguageModel } from '../models/index.js';
import type { Tensor } from '../core/index.js';
import type { Puzzle } from './puzzles.js';
import { imagePrompt, responseSlots, symbolicPrompt, symbolicPromptSlots } from './trace.js';
import type { TrainingTrace } from './trace-samples.js';
import type { RenderStyle } from './worlds/world.js';

/** How a model is shown a puzzle. */
export type InputMode = 'image' | 'symbolic';

export function promptOf({ world, instance }: Puzzle, mode: InputMode, config: ModelConfig): number[] {
  return mode === 'image' ? imagePrompt(world, patchCount(config)) : symbolicPrompt(world, instance);
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
): Batch {
  const sequences = puzzles.map<Sequence>((puzzle, i) => {
    const { inputs } = traces[i]!;
    const promptSlots = mode === 'symbolic' ? symbolicPromptSlots(puzzle.world, puzzle.instance) : undefined;
    const slots = inputs.length > 1 ? responseSlots(puzzle.world, inputs[1]!, inputs.length) : undefined;
    return {
      prompt: promptOf(puzzle, mode, config),
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

/** Weights of all positions, divided by their sum, so that a weighted sum of losses is a mean over tokens: (N). */
export function weightTensor(model: VisionLanguageModel, traces: readonly TrainingTrace[]): Tensor {
  const weights = Float64Array.from(traces.flatMap(trace => Array.from(trace.weights)));
  const total = Math.max(
    1,
    weights.reduce((sum, w) => sum + w, 0),
  );
  return model.device.tensor(
    weights.map(w => w / total),
    [weights.length],
    { dtype: model.dtype },
  );
}
