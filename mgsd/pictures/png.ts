/**
 * PNG files in and out, as plain 8-bit RGB. A file from outside is checked before it is decoded: its dimensions, its
 * chunks, and that its data has exactly the size its header promises, so that a small file cannot unfold into
 * gigabytes.
 */
import { convertIndexedToRgb, decode, encode, type DecodedPng } from 'fast-png';
import { Unzlib } from 'fflate';

/** An image of (height, width, 3) bytes, row-major, red green blue. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** What is wrong with an image, in one line; the caller knows its path. */
export class PngError extends Error {
  override name = 'PngError';
}

/** The largest width and height that are read; our own images have some dozens of pixels. */
export const MAX_PNG_SIDE = 4096;

/**
 * Bytes of the largest image at 16 bits and four channels, if it does not compress at all. Larger files are not read.
 */
export const MAX_PNG_BYTES = MAX_PNG_SIDE * MAX_PNG_SIDE * 8 + 65_536;

/** Compressed bytes unpacked at a time; deflate makes at most 1032 bytes of one. */
const PIECE = 16_384;

const SIGNATURE = '\x89PNG\r\n\x1a\n';

/** The first bytes of what people mistake for PNG. */
const OTHER_FORMATS: readonly [name: string, start: RegExp][] = [
  ['a JPEG', /^\xff\xd8\xff/],
  ['a GIF', /^GIF8/],
  ['a WebP image', /^RIFF....WEBP/s],
  ['a BMP', /^BM/],
  ['an SVG or HTML text', /^\s*</],
];

/** Colour types of the PNG specification (section 11.2.1): their channels, and the depths that go with them. */
const COLOUR_TYPES: Readonly<Record<number, readonly [channels: number, ...depths: number[]]>> = {
  0: [1, 1, 2, 4, 8, 16], // grey
  2: [3, 8, 16], // red, green, blue
  3: [1, 1, 2, 4, 8], // index into a palette
  4: [2, 8, 16], // grey, alpha
  6: [4, 8, 16], // red, green, blue, alpha
};

/** @throws RangeError if the data does not fit the dimensions (a mistake of the caller, not of a file) */
export function encodePng({ width, height, data }: RgbImage): Uint8Array {
  if (data.length !== width * height * 3 || data.length === 0)
    throw new RangeError(`${data.length} bytes are no RGB image of ${width} x ${height} pixels.`);
  return encode({ width, height, data, channels: 3, depth: 8 });
}

/**
 * Decodes a PNG of any colour type and depth to 8-bit RGB: grey values are repeated, palettes looked up, 16-bit values
 * rounded, and an opaque alpha channel dropped. Colour profiles and gamma are ignored.
 *
 * @throws PngError for anything that is not a whole, sound PNG file; for images that are larger than MAX_PNG_SIDE,
 *   partly transparent (what lies behind is not known) or interlaced
 */
export function decodePng(file: Uint8Array): RgbImage {
  const chunks = chunksOf(file);
  const { colourType, rawBytes } = readHeader(chunks[0]!);
  // Text, profiles and animations are left out: the decoder would unpack them without a bound.
  const kept = chunks.filter(({ type }) => /^[A-Z]/.test(type) || type === 'tRNS');
  for (const { type } of kept.slice(1)) {
    if (type === 'IHDR') throw new PngError('The file has two image headers.');
    if (!['PLTE', 'IDAT', 'tRNS', 'IEND'].includes(type))
      throw new PngError(`The file needs the extension "${type}", which is not supported.`);
    if (type === 'tRNS' && colourType !== 3)
      throw new PngError('The image declares a transparent colour; save it without transparency.');
  }
  if (colourType === 3 && !kept.some(({ type }) => type === 'PLTE')) throw new PngError('The palette is missing.');
  checkSize(
    kept.filter(({ type }) => type === 'IDAT').map(({ data }) => data),
    rawBytes,
  );
  try {
    const decoded = decode(concatenate([file.subarray(0, 8), ...kept.map(({ whole }) => whole)]), { checkCrc: true });
    return toRgb(colourType === 3 ? lookUp(decoded) : decoded);
  } catch (error) {
    if (error instanceof PngError) throw error;
    throw new PngError(`The image data is damaged (${error instanceof Error ? error.message : String(error)}).`);
  }
}

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  /** As it stands in the file: length, type, data, checksum. */
  readonly whole: Uint8Array;
}

/** All chunks from the header to the end. Checksums are the decoder's business. */
function chunksOf(file: Uint8Array): Chunk[] {
  const start = latin1(file.subarray(0, 32));
  if (!start.startsWith(SIGNATURE)) {
    const other = OTHER_FORMATS.find(([, pattern]) => pattern.test(start));
    throw new PngError(`This is ${other ? `${other[0]}, not a PNG` : 'not a PNG'} file; convert the image to PNG.`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const chunks: Chunk[] = [];
  for (let at = SIGNATURE.length, type = ''; type !== 'IEND';) {
    // Length, type and checksum have 4 bytes each.
    const end = at + 12 <= file.length ? at + 12 + view.getUint32(at) : Infinity;
    if (end > file.length) throw new PngError('The file is cut off before the end of the image.');
    type = latin1(file.subarray(at + 4, at + 8));
    if (chunks.length === 0 && type !== 'IHDR') throw new PngError('The file does not begin with an image header.');
    chunks.push({ type, data: file.subarray(at + 8, end - 4), whole: file.subarray(at, end) });
    at = end;
  }
  return chunks;
}

/** What the header says of the data. @throws PngError for what is not read, before anything else is looked at */
function readHeader({ data }: Chunk): { colourType: number; rawBytes: number } {
  if (data.length !== 13) throw new PngError('The image header has a wrong length.');
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth = 0, colourType = 0, compression = 0, filter = 0, interlace = 0] = data.subarray(8);
  if (width === 0 || height === 0) throw new PngError('The image has no pixels.');
  if (width > MAX_PNG_SIDE || height > MAX_PNG_SIDE)
    throw new PngError(
      `The image has ${width} x ${height} pixels; at most ${MAX_PNG_SIDE} x ${MAX_PNG_SIDE} are read.`,
    );
  const [channels, ...depths] = COLOUR_TYPES[colourType] ?? [0];
  if (!depths.includes(depth) || compression !== 0 || filter !== 0 || interlace > 1)
    throw new PngError('The image header is invalid: no such colour type, depth, compression or filter.');
  if (interlace === 1)
    throw new PngError('The image is interlaced, which is not supported; save it without interlacing.');
  return { colourType, rawBytes: height * (1 + Math.ceil((width * channels * depth) / 8)) }; // a filter before each row
}

/** Unpacks the data piece by piece and keeps none of it: the decoder has no bound on what it unpacks. */
function checkSize(packed: readonly Uint8Array[], expected: number): void {
  let size = 0;
  const unpacker = new Unzlib(piece => {
    size += piece.length;
    if (size > expected) throw new PngError('The image data is larger than its header says.');
  });
  try {
    for (const part of packed)
      for (let at = 0; at < part.length; at += PIECE) unpacker.push(part.subarray(at, at + PIECE));
    unpacker.push(new Uint8Array(0), true);
  } catch (error) {
    if (error instanceof PngError) throw error;
    throw new PngError('The image data is damaged or cut off (it does not unpack).');
  }
  if (size !== expected)
    throw new PngError(`The image data has ${size} bytes after unpacking, but its header promises ${expected}.`);
}

/**
 * A square image at another size: every new pixel is the mean of the area that it covers in the old one. Right for
 * making images smaller; larger ones get the old pixels as blocks. RangeError unless the image is square and `side` at
 * least 1.
 */
export function resizeSquare(image: RgbImage, side: number): RgbImage {
  const from = image.width;
  if (image.height !== from || !(side >= 1))
    throw new RangeError(`${image.width} x ${image.height} pixels cannot be resized to a square of ${side}`);
  if (from === side) return image;
  const scale = from / side;
  const across = Array.from({ length: side }, (_, i) => {
    const [start, end] = [i * scale, Math.min(from, (i + 1) * scale)];
    const first = Math.floor(start);
    const count = Math.max(1, Math.ceil(end) - first);
    return Array.from({ length: count }, (__, k) => ({
      at: Math.min(from - 1, first + k),
      share: (Math.min(end, first + k + 1) - Math.max(start, first + k)) / scale,
    }));
  });
  const data = across.flatMap(rows =>
    across.flatMap(columns =>
      [0, 1, 2].map(c => {
        let mean = 0;
        for (const row of rows)
          for (const column of columns)
            mean += row.share * column.share * image.data[(row.at * from + column.at) * 3 + c]!;
        return Math.round(mean);
      }),
    ),
  );
  return { width: side, height: side, data: Uint8Array.from(data) };
}

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function lookUp(decoded: DecodedPng): DecodedPng {
  const data = convertIndexedToRgb(decoded);
  return { ...decoded, data, depth: 8, channels: data.length / (decoded.width * decoded.height) };
}

/** Any decoded grey or colour image, with or without alpha, as 8-bit RGB. */
function toRgb({ width, height, data, depth, channels }: DecodedPng): RgbImage {
  const maximum = 2 ** depth - 1;
  const rowBytes = Math.ceil((width * channels * depth) / 8);
  const sample = (y: number, i: number): number => {
    if (depth >= 8) return data[y * width * channels + i]!;
    const bit = i * depth; // several grey pixels share a byte, the first in its highest bits; rows begin at a byte
    return (data[y * rowBytes + (bit >> 3)]! >> (8 - depth - (bit & 7))) & maximum;
  };
  const colours = channels >= 3 ? 3 : 1;
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const first = x * channels;
      if (channels > colours && sample(y, first + colours) !== maximum)
        throw new PngError('The image is partly transparent; save it on an opaque background.');
      for (let c = 0; c < 3; c++)
        rgb[(y * width + x) * 3 + c] = Math.round((sample(y, first + (colours === 3 ? c : 0)) * 255) / maximum);
    }
  }
  return { width, height, data: rgb };
}
