/** From training examples to what a model is fed: prompts, packed sequences, patches, targets and weights. */
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
import type { RandomSource, RenderStyle } from '../worlds/world.js';

/** One response to train on. Position t sees inputs 0..t and predicts token t after BOS. */
export interface TrainingExample {
  readonly puzzle: Puzzle;
  /** BOS and all response tokens but the last: (length). */
  readonly inputs: Int32Array;
  /** The ids that are right at each position, all equally: (length), 1 to 6 ids each. */
  readonly targets: readonly (readonly number[])[];
  /** What each target belongs to, a SPAN_ number: (length). */
  readonly spans: Uint8Array;
  /** How much each position counts: (length); 1 for the oracle's responses, `responseMask` for sampled ones. */
  readonly weights: Float32Array;
  /** What the prompt asks for. Default `plan`. */
  readonly asked?: Mode;
  /** What a symbolic prompt tells of the puzzle. Default `state`. */
  readonly shows?: Context | 'nothing';
  /** The puzzle that an image prompt is a picture of. Default: the response's own. */
  readonly pictured?: Puzzle;
}

/** What a symbolic prompt tells: the state, or the reference plan as well. */
export type Context = 'state' | 'state+plan';

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

/**
 * Pictures to train on, as `renderPuzzles` makes them: each in a random look of its own with probability `share`, else
 * in the training style.
 */
export function trainingImages(
  puzzles: readonly Puzzle[],
  { imageSize }: ModelConfig,
  share: number,
  random: RandomSource,
): Uint8Array[] {
  return puzzles.map(({ world, instance }) =>
    world.render(instance, imageSize, random.uniform() < share ? random.integer(2 ** 32) : 'training'),
  );
}

/** Images as patches on the device: (images * P, patch pixels). */
export function patchTensor({ device, config, dtype }: VisionLanguageModel, images: readonly Uint8Array[]): Tensor {
  return device.fromHost(patchArray(images, config, dtype));
}

/**
 * Prompts and responses as one packed batch, padded so that batches of about the same size share a recorded step. Its
 * first outputs are the response positions, one example after another.
 * @param images what an image prompt shows; default: the examples' pictures in the training style
 */
export function packExamples(
  examples: readonly TrainingExample[],
  input: InputMode,
  { config, dtype }: Pick<VisionLanguageModel, 'config' | 'dtype'>,
  images?: readonly Uint8Array[],
): ModelInputs<HostArray> {
  const batch = padBatch(packSequences(examples, input, config));
  if (input === 'symbolic') return modelInputs(batch, config);
  const shown =
    images ??
    renderPuzzles(
      examples.map(({ puzzle, pictured = puzzle }) => pictured),
      config,
    );
  return modelInputs(batch, config, patchArray(shown, config, dtype));
}

/** Prompts and responses, packed without padding. */
export function packSequences(examples: readonly TrainingExample[], input: InputMode, config: ModelConfig): Batch {
  const sequences = examples.map(example => (input === 'image' ? afterImage(example, config) : afterSymbols(example)));
  return packBatch(sequences, config);
}

function afterImage({ puzzle, inputs, asked }: TrainingExample, config: ModelConfig): Sequence {
  return { prompt: promptOf(puzzle, 'image', config, asked), response: inputs, ...slotsOf(puzzle, inputs) };
}

function afterSymbols({ puzzle, inputs, asked, shows = 'state' }: TrainingExample): Sequence {
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
 * The slots that `generate` needs for these puzzles, as `packExamples` gives them to a training pass. After an image
 * only the world's format counts: leave `instance` out.
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

/** What supervision reads of a batch. N response positions, padding included; V vocabulary. */
export interface SupervisedInputs<T> {
  readonly sequences: ModelInputs<T>;
  /** Every right token has an equal share: (N, V). */
  readonly targets: T;
  /** Weight of each position in the loss; they sum to 1: (N). */
  readonly weights: T;
}

/** Examples with their targets. @param average see `LossAverage` @param images see `packExamples` */
export function packSupervised(
  examples: readonly TrainingExample[],
  input: InputMode,
  model: VisionLanguageModel,
  average: LossAverage,
  images?: readonly Uint8Array[],
): SupervisedInputs<HostArray> {
  const { dtype } = model;
  const V = model.config.vocabulary;
  const sequences = packExamples(examples, input, model, images);
  const rows = sequences.outputs.values.length; // N
  const targets = new Float32Array(rows * V);
  examples
    .flatMap(example => example.targets)
    .forEach((right, row) => {
      for (const token of right) targets[row * V + token] = 1 / right.length;
    });
  const weights = tokenWeights(examples, average, rows);
  return { sequences, targets: { values: targets, shape: [rows, V], dtype }, weights: { values: weights, dtype } };
}

/**
 * How the tokens of a batch share its loss: every world has the same share and splits it evenly among its tokens, or
 * every token has the same share, so that worlds with long responses (Maze) weigh more.
 */
export type LossAverage = 'world' | 'token';

/**
 * Weight of each token in the loss, one example after another, then zeros for the padding: (rows). The weighted sum of
 * losses is their mean: over all tokens, or for `world` over the worlds present of the means over their tokens. All are
 * zero where no token counts.
 */
export function tokenWeights(
  examples: readonly Pick<TrainingExample, 'puzzle' | 'weights'>[],
  average: LossAverage,
  rows: number,
): Float64Array {
  const shareOf = ({ puzzle }: Pick<TrainingExample, 'puzzle'>) => (average === 'world' ? puzzle.world.name : '');
  const totals = new Map<string, number>();
  for (const example of examples) {
    const total = example.weights.reduce((sum, w) => sum + w, 0);
    totals.set(shareOf(example), (totals.get(shareOf(example)) ?? 0) + total);
  }
  const present = [...totals.values()].filter(total => total > 0).length;
  const weights = examples.flatMap(example => {
    const divisor = totals.get(shareOf(example))! * present;
    return Array.from(example.weights, w => (divisor > 0 ? w / divisor : 0));
  });
  const padded = new Float64Array(rows);
  padded.set(weights);
  return padded;
}
