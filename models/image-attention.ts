/** Where the decoder looks in its images. */
import { attention, hostMath, noGrad } from '../core/index.js';
import type { HostArray, NumberArray } from '../core/index.js';
import type { ModelInputs } from './batch.js';
import { patchCount } from './config.js';
import type { VisionLanguageModel } from './vlm.js';

/** Attention of one row of the decoder: [layer][head], a share for each patch (P). The rest lies on other rows. */
export type ImageAttention = readonly (readonly Float64Array[])[];

/**
 * Attention of every response row on the patches of its image, softmax(q k / sqrt(D)) over the row itself and all
 * before it. One forward pass, which keeps queries and keys; the rest is computed on the host.
 * @param inputs sequences of a prompt with an image at its end, and a response
 * @param before rows of a prompt before its image
 * @param lengths rows of each response
 * @returns of each sequence, of each response row
 */
export async function imageAttention(
  model: VisionLanguageModel,
  inputs: ModelInputs<HostArray>,
  before: number,
  lengths: readonly number[],
): Promise<ImageAttention[][]> {
  const { config, device } = model;
  const layers = await device.scope(() => {
    const reads: Promise<NumberArray>[] = [];
    noGrad(() => {
      const { table, maxLength, patches, ...rows } = device.fromHost(inputs);
      const sequences = { heads: config.heads, table, maxLength };
      const x = model.embed(rows, model.encodeImages(patches!)); // (R, C)
      model.decode(x, qkv => {
        reads.push(qkv.read()); // (R, 3C)
        return attention(qkv, sequences);
      });
    });
    return Promise.all(reads);
  });
  const [C, D, P] = [config.width, config.width / config.heads, patchCount(config)];
  /** The last of `keys` rows from `first` on: its attention on the patches, (P). */
  const onPatches = (qkv: NumberArray, head: number, first: number, keys: number): Float64Array => {
    const at = (row: number, part: 0 | 1, d: number) => qkv[row * 3 * C + part * C + head * D + d]!;
    const scores = Float64Array.from({ length: keys }, (_, key) => {
      let total = 0;
      for (let d = 0; d < D; d++) total += at(first + keys - 1, 0, d) * at(first + key, 1, d);
      return total / Math.sqrt(D);
    });
    const most = scores.reduce((a, b) => Math.max(a, b));
    const shares = scores.map(score => hostMath.exp(score - most));
    const sum = shares.reduce((a, b) => a + b);
    return shares.subarray(before, before + P).map(share => share / sum);
  };
  let first = 0; // row of a sequence's first token
  return lengths.map(length => {
    const start = first;
    first += before + P + length;
    return Array.from({ length }, (_, t) =>
      layers.map(qkv =>
        Array.from({ length: config.heads }, (_, head) => onPatches(qkv, head, start, before + P + t + 1)),
      ),
    );
  });
}
