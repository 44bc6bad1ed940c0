import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32 } from '../../../mgsd/worlds/crc32.js';

test('crc32 is that of zlib', () => {
  expect(crc32('123456789')).toBe(0xcbf43926);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      expect(crc32(text)).toBe(zlib.crc32(new TextEncoder().encode(text)));
    }),
  );
});
