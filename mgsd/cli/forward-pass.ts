/** One forward pass for another program to repeat: its inputs in every form, and the logits. */
import { noGrad } from '../../core/index.js';
import { modelInputs, packBatch, patchArray } from '../../models/index.js';
import type { SafeTensor, Sequence, VisionLanguageModel } from '../../models/index.js';
import { BOS } from '../../models/vocabulary.js';
import { imagesFor } from '../evaluation/evaluate.js';
import type { EvaluateOptions, EvaluationInput } from '../evaluation/evaluate.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import { promptOf } from '../method/packing.js';
import { oracleResponse, responseSlots, symbolicPromptSlots } from '../method/response.js';

/** Puzzles of each board size. */
const perGroup = 2;

/**
 * Puzzles of every size with the oracle's response, once for each input and shown as that says; packed without padding.
 * Letters as in models/README.md: R packed rows, N rows with outputs, V vocabulary, B images, S sequences.
 * @returns tensors and metadata of a safetensors file
 */
export async function recordForwardPass(
  model: VisionLanguageModel,
  groups: readonly PuzzleGroup[],
  inputs: readonly EvaluationInput[],
  shown: Pick<EvaluateOptions, 'style' | 'imageOf'>,
): Promise<[Map<string, SafeTensor>, Record<string, string>]> {
  const { config } = model;
  const chosen = groups.flatMap(({ puzzles }) => puzzles.slice(0, perGroup));
  const sequences = inputs.flatMap(input =>
    chosen.map<Sequence>(puzzle => {
      const { world, instance } = puzzle;
      const mode = input === 'symbolic' ? 'symbolic' : 'image';
      const tokens = oracleResponse(world, instance);
      const promptSlots = mode === 'symbolic' ? symbolicPromptSlots(world, instance) : undefined;
      const slots = responseSlots(world, tokens[0] ?? -1, tokens.length);
      return {
        prompt: promptOf(puzzle, mode, config),
        response: [BOS, ...tokens.slice(0, -1)],
        ...(promptSlots && { promptSlots }),
        ...(slots && { responseSlots: slots }),
      };
    }),
  );
  const images = inputs.flatMap(input =>
    groups.flatMap(
      ({ puzzles }) => imagesFor(puzzles, Math.min(perGroup, puzzles.length), config, { ...shown, input }) ?? [],
    ),
  );
  const { imageSize } = config;
  const batch = packBatch(sequences, config);
  const patches = images.length > 0 ? patchArray(images, config, model.dtype) : undefined;
  const logits = await model.device.scope(() =>
    noGrad(() => model.forward(model.device.fromHost(modelInputs(batch, config, patches)))).read(),
  );
  const i32 = (data: Int32Array): SafeTensor => ({ dtype: 'I32', shape: [data.length], data });
  const pixels = new Uint8Array(images.length * imageSize * imageSize * 3);
  images.forEach((image, i) => pixels.set(image, i * image.length));
  const tensors = new Map<string, SafeTensor>([
    ['images', { dtype: 'U8', shape: [images.length, imageSize, imageSize, 3], data: pixels }], // (B, y, x, channel)
    ['tokens', i32(batch.tokens)], // (R)
    ['positions', i32(batch.positions)], // (R)
    ['image_rows', i32(batch.imageRows)], // (R)
    ['lengths', i32(Int32Array.from(batch.table.spans, ({ length }) => length))], // (S)
    ['prefixes', i32(Int32Array.from(batch.table.spans, ({ prefix }) => prefix))], // (S)
    ['slot_rows', i32(batch.slotRows ?? new Int32Array(batch.tokens.length).fill(-1))], // (R)
    ['slot_cols', i32(batch.slotCols ?? new Int32Array(batch.tokens.length).fill(-1))], // (R)
    ['outputs', i32(batch.outputs)], // (N)
    [
      'logits',
      { dtype: 'F32', shape: [batch.outputs.length, config.vocabulary], data: Float32Array.from(logits) }, // (N, V)
    ],
  ]);
  return [
    tensors,
    {
      config: JSON.stringify(config),
      device: model.device.capabilities.backend,
      about:
        'sequences packed one after another: lengths rows each, of which the first prefixes are the prompt; positions index prompt, then response positions; ' +
        'image_rows is the row of the flattened patch features (images in order) or -1; slot_rows and slot_cols are the places on a board or image, as in models/slots.ts, or -1; logits are those of the rows in outputs',
    },
  ];
}
