/** A model so small that the reference backend runs and checks it in moments, and ragged batches to feed it. */
import { Random } from '../../core/index.js';
import type { Device, HostArray, Tensor } from '../../core/index.js';
import {
  modelInputs,
  packBatch,
  patchArray,
  patchCount,
  patchify,
  VisionLanguageModel,
  vocabulary,
} from '../../models/index.js';
import type { Batch, ModelConfig, ModelOptions, Sequence, ModelInputs } from '../../models/index.js';

const { BOS, IMG, MODE_PLAN, sizeToken, TASK_FROZENLAKE } = vocabulary;

/** About 7,000 parameters; wide enough for the prompts and responses of FrozenLake on 3x3 boards. */
export const miniature: ModelConfig = {
  vocabulary: 128,
  imageSize: 8,
  patchSize: 4,
  visionWidth: 8,
  visionLayers: 2,
  visionHeads: 2,
  width: 8,
  layers: 2,
  heads: 2,
  promptPositions: 16,
  responsePositions: 32,
  coordinates: 0,
};

/** The same with coordinates. */
export const coordinated: ModelConfig = { ...miniature, coordinates: 3 };

/** Weights that are large enough for every part to matter: fresh ones, with biases and gains moved off 0 and 1. */
export function randomModel(
  device: Device,
  seed = 1,
  options: ModelOptions = {},
  config = miniature,
): VisionLanguageModel {
  const model = new VisionLanguageModel(device, config, options);
  const random = new Random(seed, 77);
  const values = new Float64Array(model.parameters.flat.size);
  for (const { name, init } of model.parameters.specs) {
    const { offset, length } = model.parameters.ranges.get(name)!;
    for (let i = 0; i < length; i++)
      values[offset + i] =
        'constant' in init ? init.constant + 0.2 * random.normal() : 1.5 * init.normal * random.normal();
  }
  model.parameters.write(Float32Array.from(values)); // f32 values, whatever the model's dtype
  return model;
}

/** A sequence with the image it shows, if any. */
export interface Example extends Sequence {
  readonly response: readonly number[];
  readonly image?: Uint8Array;
}

export function randomImage(random: Random): Uint8Array {
  return Uint8Array.from({ length: 3 * miniature.imageSize ** 2 }, () => random.integer(256));
}

/** Sequences of different lengths, every other one with an image in its prompt. Responses begin with BOS. */
export function raggedExamples(seed: number, count = 5): Example[] {
  const random = new Random(seed, 78);
  const anyTokens = (n: number) => Array.from({ length: n }, () => 5 + random.integer(miniature.vocabulary - 5));
  return Array.from({ length: count }, (_, i) => {
    const response = [BOS, ...anyTokens(random.integer(9))];
    const start = [TASK_FROZENLAKE, MODE_PLAN];
    if (i % 2 === 0) return { prompt: [...start, ...anyTokens(random.integer(8))], response };
    const patches = new Array<number>(patchCount(miniature)).fill(IMG);
    return { prompt: [...start, ...patches, ...anyTokens(random.integer(4))], response, image: randomImage(random) };
  });
}

/** The same, on boards of different sides whose cells some tokens describe by their place. */
export function slottedExamples(seed: number, count = 5): Example[] {
  const random = new Random(seed, 80);
  const slot = () => Math.max(-1, random.integer(90) - 26);
  return raggedExamples(seed, count).map(({ prompt, response: [, ...rest], image }, s) => {
    const shown = [...prompt.slice(0, 2), sizeToken(2 + (s % 7)), ...prompt.slice(2)];
    const response = [BOS, sizeToken(2 + ((3 * s) % 7)), ...rest];
    const promptSlots = shown.map(token => (token === IMG ? -1 : slot()));
    const responseSlots = [-1, -1, ...rest.map(slot)];
    return { prompt: shown, response, promptSlots, responseSlots, ...(image && { image }) };
  });
}

export function pack(sequences: readonly Sequence[]): Batch {
  return packBatch(sequences, miniature);
}

/** Patches of the examples' images, in their order; undefined if none has one. */
export function patchesOf(model: VisionLanguageModel, examples: readonly Example[]): Tensor | undefined {
  const images = examples.flatMap(({ image }) => (image ? [image] : []));
  if (images.length === 0) return undefined;
  const values = patchify(images, model.config);
  const rows = images.length * patchCount(model.config);
  return model.device.tensor(values, [rows, values.length / rows], { dtype: model.dtype });
}

/** Examples as a forward pass reads them. */
export function inputsOf(model: VisionLanguageModel, examples: readonly Example[]): ModelInputs<HostArray> {
  const images = examples.flatMap(({ image }) => (image ? [image] : []));
  const patches = images.length > 0 ? patchArray(images, model.config, model.dtype) : undefined;
  return modelInputs(packBatch(examples, model.config), model.config, patches);
}

/** Logits of a full pass at all response rows, on the host: (N, V). */
export async function fullLogits(model: VisionLanguageModel, examples: readonly Example[]): Promise<Float64Array[]> {
  const values = await model.device.scope(() => model.forward(model.device.fromHost(inputsOf(model, examples))).read());
  const V = model.config.vocabulary;
  return Array.from({ length: values.length / V }, (_, row) =>
    Float64Array.from(values.subarray(row * V, (row + 1) * V)),
  );
}

/** Index of the largest value, the first of equals. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** The largest absolute difference, and the largest magnitude to set it against. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
