/** From RGB bytes to rows of patches. */
import type { DType, HostArray } from '../core/index.js';
import type { ModelConfig } from './config.js';
import { patchCount, patchesPerSide } from './config.js';

/**
 * Patches of RGB images as network input: pixel / 127.5 - 1. A row holds a patch as [y, x, channel]; patches run row by
 * row.
 * @param images bytes (imageSize, imageSize, 3) each
 * @returns (images * patches, patchSize * patchSize * 3)
 * @throws Error if an image has another size than the model's
 */
export function patchify(images: readonly Uint8Array[], config: ModelConfig): Float32Array {
  const { imageSize, patchSize } = config;
  const side = patchesPerSide(config);
  const patches = patchCount(config);
  const patchPixels = patchSize * patchSize * 3;
  const out = new Float32Array(images.length * patches * patchPixels);
  images.forEach((image, i) => {
    if (image.length !== imageSize * imageSize * 3)
      throw new Error(
        `image ${i} has ${image.length} bytes; this model sees ${imageSize}x${imageSize} RGB (${imageSize * imageSize * 3} bytes): render or resize it to that`,
      );
    let at = i * patches * patchPixels;
    for (let p = 0; p < patches; p++) {
      const top = Math.floor(p / side) * patchSize;
      const left = (p % side) * patchSize;
      for (let y = 0; y < patchSize; y++) {
        const start = ((top + y) * imageSize + left) * 3;
        for (let x = 0; x < patchSize * 3; x++) out[at++] = image[start + x]! / 127.5 - 1;
      }
    }
  });
  return out;
}

/** Images as an array for the device: (images * P, patch pixels), in [-1, 1]. */
export function patchArray(images: readonly Uint8Array[], config: ModelConfig, dtype: DType): HostArray {
  const rows = images.length * patchCount(config);
  const values = patchify(images, config);
  return { values, shape: [rows, values.length / rows], dtype };
}
