import { crc32, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { decodePng, encodePng, MAX_PNG_SIDE, PngError, type RgbImage } from '../../../mgsd/pictures/png.js';

const image: fc.Arbitrary<RgbImage> = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
  .chain(([width, height]) =>
    fc
      .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
      .map(data => ({ width, height, data })),
  );

function chunk(type: string, data: readonly number[] | Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), Uint8Array.from(data)]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(body.length - 4, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

interface Parts {
  width: number;
  height: number;
  depth: number;
  colourType: number;
  interlace?: number;
  /** The rows before compression, each with its filter's number in front. */
  rows: readonly number[];
  palette?: readonly number[];
  transparency?: readonly number[];
  extra?: readonly Buffer[];
}

/** A PNG put together by hand from the specification. */
function pngOf({
  width,
  height,
  depth,
  colourType,
  interlace = 0,
  rows,
  palette,
  transparency,
  extra = [],
}: Parts): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colourType, 0, 0, interlace], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    ...extra,
    ...(palette ? [chunk('PLTE', palette)] : []),
    ...(transparency ? [chunk('tRNS', transparency)] : []),
    chunk('IDAT', deflateSync(Uint8Array.from(rows))),
    chunk('IEND', []),
  ]);
}

const grey = { width: 2, height: 1, depth: 8, colourType: 0, rows: [0, 10, 20] };

function expectRefused(file: Uint8Array, message: RegExp): void {
  let error: unknown;
  try {
    decodePng(file);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(PngError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain('\n');
}

describe('encodePng and decodePng', () => {
  it('give the image back', () => {
    fc.assert(
      fc.property(image, original => {
        const { width, height, data } = decodePng(encodePng(original));
        expect([width, height]).toEqual([original.width, original.height]);
        expect([...data]).toEqual([...original.data]);
      }),
    );
  });

  it('refuse data that does not fit the dimensions', () => {
    expect(() => encodePng({ width: 2, height: 2, data: new Uint8Array(9) })).toThrow(RangeError);
    expect(() => encodePng({ width: 0, height: 2, data: new Uint8Array(0) })).toThrow(RangeError);
  });
});

describe('decodePng', () => {
  it.each<[string, Parts, readonly number[]]>([
    ['grey', grey, [10, 10, 10, 20, 20, 20]],
    ['grey in 16 bits', { ...grey, depth: 16, rows: [0, 0xff, 0xff, 0x80, 0x00] }, [255, 255, 255, 128, 128, 128]],
    [
      'grey in 1 bit, rows that end within a byte',
      { ...grey, width: 3, height: 2, depth: 1, rows: [0, 0b01000000, 0, 0b10100000] },
      [0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255],
    ],
    ['grey in 4 bits', { ...grey, width: 3, depth: 4, rows: [0, 0x0f, 0x70] }, [0, 0, 0, 255, 255, 255, 119, 119, 119]],
    ['grey with opaque alpha', { ...grey, colourType: 4, rows: [0, 1, 255, 2, 255] }, [1, 1, 1, 2, 2, 2]],
    ['colour', { ...grey, colourType: 2, rows: [0, 1, 2, 3, 4, 5, 6] }, [1, 2, 3, 4, 5, 6]],
    ['colour with the filter "sub"', { ...grey, colourType: 2, rows: [1, 1, 2, 3, 3, 3, 3] }, [1, 2, 3, 4, 5, 6]],
    [
      'colour in 16 bits',
      { ...grey, width: 1, colourType: 2, depth: 16, rows: [0, 255, 255, 0, 0, 1, 1] },
      [255, 0, 1],
    ],
    ['colour with opaque alpha', { ...grey, width: 1, colourType: 6, rows: [0, 1, 2, 3, 255] }, [1, 2, 3]],
    ['a palette', { ...grey, colourType: 3, palette: [9, 8, 7, 6, 5, 4], rows: [0, 1, 0] }, [6, 5, 4, 9, 8, 7]],
    [
      'a palette in 2 bits',
      { ...grey, width: 3, depth: 2, colourType: 3, palette: [9, 8, 7, 6, 5, 4], rows: [0, 0b01000100] },
      [6, 5, 4, 9, 8, 7, 6, 5, 4],
    ],
    [
      'a palette with opaque transparency',
      { ...grey, colourType: 3, palette: [9, 8, 7], transparency: [255], rows: [0, 0, 0] },
      [9, 8, 7, 9, 8, 7],
    ],
    [
      'extra text and profiles',
      { ...grey, extra: [chunk('tEXt', [97, 0, 98]), chunk('iCCP', [1, 2, 3])] },
      [10, 10, 10, 20, 20, 20],
    ],
  ])('converts %s', (_what, parts, expected) => {
    const { width, height, data } = decodePng(pngOf(parts));
    expect([width, height]).toEqual([parts.width, parts.height]);
    expect([...data]).toEqual(expected);
  });

  it('reads what another encoder wrote with alpha', () => {
    const data = Uint8Array.from({ length: 5 * 4 * 4 }, (_, i) => (i % 4 === 3 ? 255 : i));
    const { data: rgb } = decodePng(encode({ width: 5, height: 4, data, channels: 4 }));
    expect([...rgb]).toEqual([...data].filter((_, i) => i % 4 !== 3));
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /not a PNG file/],
    ['a JPEG', Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16), /a JPEG, not a PNG file; convert/],
    ['a WebP', Buffer.from('RIFF\0\0\0\0WEBPVP8 '), /a WebP image, not a PNG/],
    ['a text', Buffer.from('hello, this is my puzzle'), /not a PNG file/],
    ['the signature alone', pngOf(grey).subarray(0, 8), /cut off/],
    ['a file without its end', pngOf(grey).subarray(0, -12), /cut off/],
    [
      'gigantic dimensions',
      pngOf({ ...grey, width: 2 ** 31 - 1, height: 2 ** 31 - 1 }),
      /2147483647 x 2147483647 pixels; at most/,
    ],
    ['one row too wide', pngOf({ ...grey, width: MAX_PNG_SIDE + 1 }), /4097 x 1 pixels; at most 4096/],
    ['no width', pngOf({ ...grey, width: 0 }), /no pixels/],
    ['a wrong depth', pngOf({ ...grey, depth: 3 }), /header is invalid/],
    ['a wrong colour type', pngOf({ ...grey, colourType: 5 }), /header is invalid/],
    ['interlacing', pngOf({ ...grey, interlace: 1 }), /interlaced/],
    ['a transparent pixel', pngOf({ ...grey, colourType: 4, rows: [0, 1, 255, 2, 254] }), /partly transparent/],
    [
      'a transparent palette colour in use',
      pngOf({ ...grey, colourType: 3, palette: [1, 2, 3], transparency: [0], rows: [0, 0, 0] }),
      /partly transparent/,
    ],
    ['a transparent colour', pngOf({ ...grey, transparency: [0, 10] }), /declares a transparent colour/],
    ['a palette that is missing', pngOf({ ...grey, colourType: 3 }), /palette is missing/],
    [
      'an index beyond the palette',
      pngOf({ ...grey, colourType: 3, palette: [1, 2, 3], rows: [0, 0, 9] }),
      /data is damaged/,
    ],
    ['too little data', pngOf({ ...grey, rows: [0, 10] }), /2 bytes after unpacking, but its header promises 3/],
    ['too much data', pngOf({ ...grey, rows: [0, 10, 20, 30, 40, 50] }), /larger than its header says/],
    ['an unknown filter', pngOf({ ...grey, rows: [7, 10, 20] }), /data is damaged/],
    ['an unknown critical chunk', pngOf({ ...grey, extra: [chunk('ABCD', [])] }), /extension "ABCD"/],
    ['two headers', pngOf({ ...grey, extra: [pngOf(grey).subarray(8, 33)] }), /two image headers/],
    ['no header', Buffer.concat([pngOf(grey).subarray(0, 8), pngOf(grey).subarray(33)]), /does not begin with/],
  ])('refuses %s in one line', (_what, file, message) => {
    expectRefused(file, message);
  });

  it('refuses a small file that unpacks to a gigabyte, without unpacking it', () => {
    const zeros = chunk('IDAT', deflateSync(new Uint8Array(64_000_000)));
    const file = pngOf(grey);
    const bomb = Buffer.concat([file.subarray(0, 33), zeros, file.subarray(-12)]);
    expectRefused(bomb, /larger than its header says/);
  });

  it('notices every change of a byte, and every cut', () => {
    const file = encodePng({ width: 3, height: 2, data: Uint8Array.from({ length: 18 }, (_, i) => i * 13) });
    fc.assert(
      fc.property(fc.nat({ max: file.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = file.slice();
        damaged[at]! ^= change;
        expectRefused(damaged, /./);
        expectRefused(file.slice(0, at), /cut off|not a PNG/);
      }),
    );
  });

  it('says what is wrong with any bytes behind a true signature', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        expectRefused(Buffer.concat([pngOf(grey).subarray(0, 33), bytes]), /./);
      }),
    );
  });
});
