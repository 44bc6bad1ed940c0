/** Exercise of vision.md: an image as a sequence. `npm run exercise -- vision` checks it. */
import { yourTurn } from '../../kernels/your-turn.exercise.js';

/**
 * The patches of a square RGB image, each as a row of numbers in [-1, 1], byte / 127.5 - 1.
 * @param image (imageSize, imageSize, 3) bytes, row by row from the top left
 * @returns (patches * patchSize * patchSize * 3), patches row by row, within a patch in the order y, x, channel
 */
export function toPatches(image: Uint8Array, imageSize: number, patchSize: number): Float32Array {
  const hint = 'four loops over patch row, patch column, y and x, and the three channels';
  return yourTurn(hint, image.length, imageSize, patchSize);
}
