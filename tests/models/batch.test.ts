import { describe, expect, it } from 'vitest';
import { modelPresets, packBatch, vocabulary } from '../../models/index.js';
import type { Sequence } from '../../models/index.js';

const { BOS, IMG } = vocabulary;
const sizes = { ...modelPresets.tiny, imageSize: 2, patchSize: 1, promptPositions: 8, responsePositions: 4 };

describe('packBatch', () => {
  const sequences: Sequence[] = [
    { prompt: [16, 20, 70], response: [BOS, 22] },
    { prompt: [16, IMG, IMG, IMG, IMG], response: Int32Array.of(BOS, 23, 71) },
    { prompt: [16], response: [] },
    { prompt: [IMG, 20, IMG, IMG, IMG, 21], response: [BOS] },
  ];
  const batch = packBatch(sequences, sizes);

  it('lays sequences one after another, prompt before response', () => {
    const second = [16, IMG, IMG, IMG, IMG, BOS, 23, 71];
    const last = [IMG, 20, IMG, IMG, IMG, 21, BOS];
    expect(Array.from(batch.tokens)).toEqual([16, 20, 70, BOS, 22].concat(second, 16, last));
    expect(batch.table.starts).toEqual([0, 5, 13, 14]);
    expect(batch.table.spans).toEqual([
      { length: 5, prefix: 3 },
      { length: 8, prefix: 5 },
      { length: 1, prefix: 1 },
      { length: 7, prefix: 6 },
    ]);
  });

  it('counts positions from 0 in the prompt and again, in the second table, in the response', () => {
    const second = [0, 1, 2, 3, 4, 8, 9, 10];
    const last = [0, 1, 2, 3, 4, 5, 8];
    expect(Array.from(batch.positions)).toEqual([0, 1, 2, 8, 9].concat(second, 0, last));
  });

  it('gives IMG tokens the patches in order, across images', () => {
    const rows = Array.from(batch.imageRows);
    expect(rows.filter(row => row >= 0)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(rows.map(row => row >= 0)).toEqual(Array.from(batch.tokens, token => token === IMG));
    expect(batch.imageCount).toBe(2);
  });

  it('wants logits at response rows', () => {
    expect(Array.from(batch.outputs)).toEqual([3, 4, 10, 11, 12, 20]);
  });

  it('refuses what the tables cannot hold, and images with missing patches, by number', () => {
    const long = { prompt: new Array<number>(9).fill(16), response: [BOS] };
    expect(() => packBatch([long], sizes)).toThrow(/9 prompt and 1 response tokens .* \(8 and 4\)/);
    expect(() => packBatch([{ prompt: [16], response: [BOS, 5, 5, 5, 5] }], sizes)).toThrow(/1 prompt and 5 response/);
    expect(() => packBatch([sequences[0]!, { prompt: [IMG], response: [BOS] }], sizes)).toThrow(
      /sequence 1 has 1 image tokens; an image has 4 patches/,
    );
    expect(() => packBatch([{ prompt: [], response: [] }], sizes)).toThrow(/sequence of 0 rows/);
  });
});
