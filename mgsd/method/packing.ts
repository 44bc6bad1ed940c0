/** From puzzles and traces to what a model is fed: packed batches, patches, targets. */
import { packBatch, patchCount, patchify } from '../../models/index.js';
import type { Batch, GenerateOptions, ModelConfig, Sequence, VisionLanguageModel } from '../../models/index.js';
import type { HostArray, Tensor } from '../../core/index.js';
import type { Puzzle } from './puzzles.js';
import { imagePrompt, responseSlots, symbolicPrompt, symbolicPromptSlots } from './response.js';
import type { Mode } from './response.js';
import type { TrainingTrace } from './targets.js';
import type { RenderStyle } from '../worlds/world.js';

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

/** Images as patches: (images * P, patch pixels). */
export function patchArray({ config, dtype }: VisionLanguageModel, images: readonly Uint8Array[]): HostArray {
  const patches = patchCount(config);
  const values = patchify(images, config);
  return { values, shape: [images.length * patches, values.length / (images.length * patches)], dtype };
}

/** The same on the device. */
export function patchTensor(model: VisionLanguageModel, images: readonly Uint8Array[]): Tensor {
  return model.device.fromHost(patchArray(model, images));
}

/** Prompts in the given mode with the inputs of their traces, packed. */
export function packTraces(
  puzzles: readonly Puzzle[],
  traces: readonly TrainingTrace[],
  mode: InputMode,
  config: ModelConfig,
  asked: Mode = 'plan',
): Batch {
  const prompts = puzzles.map(puzzle => promptOf(puzzle, mode, config, asked));
  return packPrompts(puzzles, traces, prompts, mode, config);
}

/** The same with prompts that are given, whole; of those that a trace hides only the task and the mode are kept. */
export function packPrompts(
  puzzles: readonly Puzzle[],
  traces: readonly TrainingTrace[],
  prompts: readonly (readonly number[])[],
  mode: InputMode,
  config: ModelConfig,
): Batch {
  const sequences = puzzles.map<Sequence>(({ world, instance }, i) => {
    const { inputs, hidesState } = traces[i]!;
    const shown = hidesState && mode === 'symbolic' ? 2 : Infinity;
    const promptSlots = mode === 'symbolic' ? symbolicPromptSlots(world, instance)?.slice(0, shown) : undefined;
    const slots = inputs.length > 1 ? responseSlots(world, inputs[1]!, inputs.length) : undefined;
    return {
      prompt: prompts[i]!.slice(0, shown),
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
export function targetArray({ config, dtype }: VisionLanguageModel, traces: readonly TrainingTrace[]): HostArray {
  const V = config.vocabulary;
  const rows = traces.flatMap(trace => trace.targets);
  const values = new Float32Array(rows.length * V);
  rows.forEach((targets, row) => {
    for (const token of targets) values[row * V + token] = 1 / targets.length;
  });
  return { values, shape: [rows.length, V], dtype };
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

/** The weights of all positions, averaged as asked: (N). */
export function weightArray(
  { dtype }: VisionLanguageModel,
  puzzles: readonly Puzzle[],
  traces: readonly TrainingTrace[],
  average: LossAverage,
): HostArray {
  const sequences = averagingWeights(
    puzzles,
    traces.map(({ weights }) => weights),
    average,
  );
  return { values: Float64Array.from(sequences.flatMap(sequence => Array.from(sequence))), dtype };
}
