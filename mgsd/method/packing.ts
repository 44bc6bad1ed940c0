/** From puzzles and traces to what a model is fed: prompts, packed sequences, patches, targets and weights. */
import { packBatch, padBatch, modelInputs, patchArray, patchCount } from '../../models/index.js';
import type {
  Batch,
  GenerateOptions,
  ModelConfig,
  ModelInputs,
  Sequence,
  VisionLanguageModel,
} from '../../models/index.js';
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
  input: InputMode,
  config: ModelConfig,
  asked: Mode = 'plan',
): number[] {
  return input === 'image' ? imagePrompt(world, patchCount(config), asked) : symbolicPrompt(world, instance, asked);
}

/** Puzzles as pictures: (imageSize, imageSize, 3) bytes each. */
export function renderPuzzles(
  puzzles: readonly Puzzle[],
  config: ModelConfig,
  style: RenderStyle = 'training',
): Uint8Array[] {
  return puzzles.map(({ world, instance }) => world.render(instance, config.imageSize, style));
}

/** Images as patches on the device: (images * P, patch pixels). */
export function patchTensor({ device, config, dtype }: VisionLanguageModel, images: readonly Uint8Array[]): Tensor {
  return device.fromHost(patchArray(images, config, dtype));
}

/**
 * Prompts and traces as one packed batch, padded so that batches of about the same size share a recorded step. Its
 * first outputs are the positions of the traces, one after another.
 * @param images what an image prompt shows; default: the puzzles in the look of training
 */
export function packTraces(
  traces: readonly TrainingTrace[],
  input: InputMode,
  { config, dtype }: Pick<VisionLanguageModel, 'config' | 'dtype'>,
  images?: readonly Uint8Array[],
): ModelInputs<HostArray> {
  const batch = padBatch(packSequences(traces, input, config));
  if (input === 'symbolic') return modelInputs(batch, config);
  const shown =
    images ??
    renderPuzzles(
      traces.map(({ puzzle }) => puzzle),
      config,
    );
  return modelInputs(batch, config, patchArray(shown, config, dtype));
}

/** Prompts and traces, packed as they are. */
export function packSequences(traces: readonly TrainingTrace[], input: InputMode, config: ModelConfig): Batch {
  const sequences = traces.map(trace => (input === 'image' ? behindImage(trace, config) : behindSymbols(trace)));
  return packBatch(sequences, config);
}

function behindImage({ puzzle, inputs, asked }: TrainingTrace, config: ModelConfig): Sequence {
  return { prompt: promptOf(puzzle, 'image', config, asked), response: inputs, ...slotsOf(puzzle, inputs) };
}

function behindSymbols({ puzzle, inputs, asked, shows = 'state' }: TrainingTrace): Sequence {
  const { world, instance } = puzzle;
  const told = shows === 'state+plan' ? world.referencePlan(instance) : undefined;
  const length = shows === 'nothing' ? 2 : Infinity; // the task and the mode stay
  const promptSlots = symbolicPromptSlots(world, instance)?.slice(0, length);
  return {
    prompt: symbolicPrompt(world, instance, asked, told).slice(0, length),
    response: inputs,
    ...(promptSlots && { promptSlots }),
    ...slotsOf(puzzle, inputs),
  };
}

function slotsOf({ world }: Puzzle, inputs: Int32Array): Pick<Sequence, 'responseSlots'> {
  const slots = inputs.length > 1 ? responseSlots(world, inputs[1]!, inputs.length) : undefined;
  return slots ? { responseSlots: slots } : {};
}

/**
 * The slots that `generate` needs to know for these puzzles, as `packTraces` gives them to a training pass. Behind an
 * image only the world's format counts.
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

/** What supervision reads of a batch. N positions of all traces and their padding, V vocabulary. */
export interface SupervisedInputs<T> {
  readonly sequences: ModelInputs<T>;
  /** Every right token has an equal share: (N, V). */
  readonly targets: T;
  /** What each position counts; they sum to 1: (N). */
  readonly weights: T;
}

/** Traces with their targets. @param average see `LossAverage` */
export function packSupervised(
  traces: readonly TrainingTrace[],
  input: InputMode,
  model: VisionLanguageModel,
  average: LossAverage,
): SupervisedInputs<HostArray> {
  const { dtype } = model;
  const V = model.config.vocabulary;
  const sequences = packTraces(traces, input, model);
  const rows = sequences.outputs.values.length;
  const targets = new Float32Array(rows * V);
  traces
    .flatMap(trace => trace.targets)
    .forEach((right, row) => {
      for (const token of right) targets[row * V + token] = 1 / right.length;
    });
  return {
    sequences,
    targets: { values: targets, shape: [rows, V], dtype },
    weights: tokenWeights(
      averagingWeights(
        traces,
        traces.map(({ weights }) => weights),
        average,
      ),
      rows,
      dtype,
    ),
  };
}

/**
 * How the tokens of a batch share its loss: every world alike (and the tokens of a world alike), or every token alike,
 * so that worlds with long responses (Maze) weigh more.
 */
export type LossAverage = 'world' | 'token';

/**
 * Weights of tokens, trace by trace, divided so that a weighted sum of their losses is a mean: over all tokens, or for
 * `world` over the worlds present of the means over their tokens. All zero where nothing counts. The shapes are those
 * given.
 */
export function averagingWeights(
  traces: readonly Pick<TrainingTrace, 'puzzle'>[],
  weights: readonly ArrayLike<number>[],
  average: LossAverage,
): Float64Array[] {
  const shareOf = ({ puzzle }: Pick<TrainingTrace, 'puzzle'>) => (average === 'world' ? puzzle.world.name : '');
  const totals = new Map<string, number>();
  traces.forEach((trace, i) => {
    const total = Array.from(weights[i]!).reduce((sum, w) => sum + w, 0);
    totals.set(shareOf(trace), (totals.get(shareOf(trace)) ?? 0) + total);
  });
  const present = [...totals.values()].filter(total => total > 0).length;
  return traces.map((trace, i) => {
    const divisor = totals.get(shareOf(trace))! * present;
    return Float64Array.from(weights[i]!, w => (divisor > 0 ? w / divisor : 0));
  });
}

/** Weights of all positions, one trace after another, and zeros for the padding: (rows). */
export function tokenWeights(
  sequences: readonly Float64Array[],
  rows: number,
  dtype: VisionLanguageModel['dtype'],
): HostArray {
  const values = new Float64Array(rows);
  let row = 0;
  for (const weights of sequences) {
    values.set(weights, row);
    row += weights.length;
  }
  return { values, dtype };
}
