import { describe, expect, it } from 'vitest';
import { packBatch, vocabulary } from '../../models/index.js';
import type { Sequence } from '../../models/index.js';

const { BOS, IMG } = vocabulary;
const sizes = { promptPositions: 8, responsePositions: 4, patches: 2 };

describe('packBatch', () => {
  const sequences: Sequence[] = [
    { prompt: [16, 20, 70], response: [BOS, 22] },
    { prompt: [16, IMG, IMG], response: Int32Array.of(BOS, 23, 71) },
    { prompt: [16], response: [] },
    { prompt: [IMG, 20, IMG, 21], response: [BOS] },
  ];
  const batch = packBatch(sequences, sizes);

  it('lays sequences one after another, prompt before response', () => {
    expect(Array.from(batch.tokens)).toEqual([
      16,
      20,
      70,
      BOS,
      22,
      16,
      IMG,
      IMG,
      BOS,
      23,
      71,
      16,
      IMG,
      20,
      IMG,
      21,
      BOS,
    ]);
    expect(batch.table.starts).toEqual([0, 5, 11, 12]);
    expect(batch.table.spans).toEqual([
      { length: 5, prefix: 3 },
      { length: 6, prefix: 3 },
      { length: 1, prefix: 1 },
      { length: 5, prefix: 4 },
    ]);
  });

  it('counts positions from 0 in the prompt and again, in the second table, in the response', () => {
    expect(Array.from(batch.positions)).toEqual([0, 1, 2, 8, 9, 0, 1, 2, 8, 9, 10, 0, 0, 1, 2, 3, 8]);
  });

  it('gives IMG tokens the patches in order, across images', () => {
    expect(Array.from(batch.imageRows)).toEqual([-1, -1, -1, -1, -1, -1, 0, 1, -1, -1, -1, -1, 2, -1, 3, -1, -1]);
    expect(batch.imageCount).toBe(2);
  });

  it('wants logits at response rows, counted per sequence', () => {
    expect(Array.from(batch.outputs)).toEqual([3, 4, 8, 9, 10, 16]);
    expect(Array.from(batch.outputStarts)).toEqual([0, 2, 5, 5, 6]);
  });

  it('refuses what the tables cannot hold, and images with missing patches, by number', () => {
    const long = { prompt: new Array<number>(9).fill(16), response: [BOS] };
    expect(() => packBatch([long], sizes)).toThrow(/9 prompt and 1 response tokens .* \(8 and 4\)/);
    expect(() => packBatch([{ prompt: [16], response: [BOS, 5, 5, 5, 5] }], sizes)).toThrow(/1 prompt and 5 response/);
    expect(() => packBatch([sequences[0]!, { prompt: [IMG], response: [BOS] }], sizes)).toThrow(
      /sequence 1 has 1 image tokens; an image has 2 patches/,
    );
    expect(() => packBatch([{ prompt: [], response: [] }], sizes)).toThrow(/sequence of 0 rows/);
  });
});
