import { describe, expect, it } from 'vitest';
import { patchify } from '../../models/index.js';
import { miniature } from './miniature.js';

describe('patchify', () => {
  it('puts every byte, as byte / 127.5 - 1, where models/README.md says', () => {
    const { imageSize, patchSize } = miniature; // 8 and 4: four patches
    const images = [0, 1].map(n => Uint8Array.from({ length: 192 }, (_, i) => (i + 64 * n) % 256));
    const out = patchify(images, miniature);
    expect(out).toHaveLength(2 * 4 * 48);
    let at = 0;
    for (const image of images)
      for (const [top, left] of [
        [0, 0],
        [0, 4],
        [4, 0],
        [4, 4],
      ] as const)
        for (let y = 0; y < patchSize; y++)
          for (let x = 0; x < patchSize; x++)
            for (let channel = 0; channel < 3; channel++) {
              const byte = image[((top + y) * imageSize + left + x) * 3 + channel]!;
              expect(out[at++]).toBeCloseTo(byte / 127.5 - 1, 6);
            }
    const extremes = patchify([new Uint8Array(192), new Uint8Array(192).fill(255)], miniature);
    expect([extremes[0], extremes[192]]).toEqual([-1, 1]);
  });

  it('refuses an image of another size, and says which size it wants', () => {
    expect(() => patchify([new Uint8Array(192), new Uint8Array(10)], miniature)).toThrow(
      /image 1 has 10 bytes; this model sees 8x8 RGB \(192 bytes\)/,
    );
  });
});
