/**
 * PNG files in and out, as plain 8-bit RGB. Every image that somebody hands us is checked before it is decoded: its
 * dimensions, its structure, and that its data has exactly the size its header promises, so that a small file cannot
 * unfold into gigabytes.
 */
import { crc32, inflateSync } from 'node:zlib';
import { convertIndexedToRgb, decode, encode, type DecodedPng } from 'fast-png';

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

/** Room for the largest image at 16 bits and four channels, if it does not compress at all: larger files are not read. */
export const MAX_PNG_BYTES = MAX_PNG_SIDE * MAX_PNG_SIDE * 8 + 65_536;

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** The first bytes of what people mistake for PNG. */
const OTHER_FORMATS: readonly [name: string, start: RegExp][] = [
  ['a JPEG', /^\xff\xd8\xff/],
  ['a GIF', /^GIF8/],
  ['a WebP image', /^RIFF....WEBP/s],
  ['a BMP', /^BM/],
  ['an SVG or HTML text', /^\s*</],
];

/** Colour types of the PNG specification (section 11.2.1): their channels, and the depths that go with them. */
const COLOUR_TYPES: Readonly<Record<number, { channels: number; depths: readonly number[] }>> = {
  0: { channels: 1, depths: [1, 2, 4, 8, 16] }, // grey
  2: { channels: 3, depths: [8, 16] }, // red, green, blue
  3: { channels: 1, depths: [1, 2, 4, 8] }, // index into a palette
  4: { channels: 2, depths: [8, 16] }, // grey, alpha
  6: { channels: 4, depths: [8, 16] }, // red, green, blue, alpha
};

/** @throws RangeError if the data does not fit the dimensions (a mistake of the caller, not of a file) */
export function encodePng({ width, height, data }: RgbImage): Uint8Array {
  if (data.length !== width * height * 3 || data.length === 0)
    throw new RangeError(`${data.length} bytes are no RGB image of ${width} x ${height} pixels.`);
  return encode({ width, height, data, channels: 3, depth: 8 });
}

/**
 * Decodes a PNG of any colour type and depth to 8-bit RGB: grey values are repeated, palettes looked up, 16-bit values
 * rounded, and an alpha channel is dropped if all is opaque. Colour profiles and gamma are ignored.
 *
 * @throws PngError for anything that is not a whole, sound PNG file; for images that are larger than MAX_PNG_SIDE, partly
 *   transparent (what lies behind is not known) or interlaced
 */
export function decodePng(file: Uint8Array): RgbImage {
  const { header, chunks } = readChunks(file);
  const { width, height, colourType, channels, depth } = header;
  if (colourType === 3 && !chunks.some(chunk => chunk.type === 'PLTE')) throw new PngError('The palette is missing.');
  if (colourType !== 3 && chunks.some(chunk => chunk.type === 'tRNS'))
    throw new PngError('The image declares a transparent colour; save it without transparency.');

  // The size is verified with a bound on the output before the decoder, which has none, gets to see the data.
  const raw = height * (1 + Math.ceil((width * channels * depth) / 8)); // each row begins with its filter's number
  const packed = Buffer.concat(chunks.filter(chunk => chunk.type === 'IDAT').map(chunk => chunk.data));
  let unpacked: number;
  try {
    unpacked = inflateSync(packed, { maxOutputLength: raw + 1 }).length;
  } catch (error) {
    const tooMuch = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw new PngError(
      tooMuch
        ? 'The image data is larger than its header says.'
        : 'The image data is damaged or cut off (it does not unpack).',
    );
  }
  if (unpacked !== raw)
    throw new PngError(`The image data has ${unpacked} bytes after unpacking, but its header promises ${raw}.`);

  let decoded: DecodedPng;
  try {
    decoded = decode(minimalPng(chunks));
    if (colourType === 3) {
      const colours = convertIndexedToRgb(decoded);
      decoded = { ...decoded, data: colours, depth: 8, channels: colours.length / (width * height) };
    }
  } catch (error) {
    throw new PngError(`The image data is damaged (${error instanceof Error ? error.message : String(error)}).`);
  }
  return { width, height, data: toRgb(decoded) };
}

/**
 * A square image at another size: every new pixel is the mean of the area that it covers in the old one. Right for making
 * images smaller; larger ones get the old pixels as blocks. RangeError unless the image is square and `side` at least 1.
 */
export function resizeSquare(image: RgbImage, side: number): RgbImage {
  const from = image.width;
  if (image.height !== from || !(side >= 1))
    throw new RangeError(`${image.width} x ${image.height} pixels cannot be resized to a square of ${side}`);
  if (from === side) return image;
  const across = overlaps(from, side);
  const rows = new Float64Array(side * from * 3); // new rows of old pixels
  across.forEach(({ first, shares }, y) => {
    shares.forEach((share, k) => {
      for (let x = 0; x < from * 3; x++) rows[y * from * 3 + x]! += share * image.data[(first + k) * from * 3 + x]!;
    });
  });
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++)
    across.forEach(({ first, shares }, x) => {
      for (let c = 0; c < 3; c++) {
        let value = 0;
        shares.forEach((share, k) => (value += share * rows[(y * from + first + k) * 3 + c]!));
        data[(y * side + x) * 3 + c] = Math.round(value);
      }
    });
  return { width: side, height: side, data };
}

/** For each of `to` new pixels the first old one that it covers, and what share of it each covered pixel makes. */
function overlaps(from: number, to: number): readonly { readonly first: number; readonly shares: readonly number[] }[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const [start, end] = [i * scale, Math.min(from, (i + 1) * scale)];
    const first = Math.min(from - 1, Math.floor(start));
    const last = Math.max(first, Math.ceil(end) - 1);
    const shares = Array.from({ length: last - first + 1 }, (_, k) => (Math.min(end, first + k + 1) - Math.max(start, first + k)) / scale); // prettier-ignore
    return { first, shares };
  });
}

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  /** The chunk as it stands in the file, with its length, type and checksum. */
  readonly whole: Uint8Array;
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly colourType: number;
  readonly channels: number;
  readonly depth: number;
}

/** Walks through the chunks, checks their checksums and the header, and keeps those that make up the picture. */
function readChunks(file: Uint8Array): { header: Header; chunks: Chunk[] } {
  if (!SIGNATURE.every((byte, i) => file[i] === byte)) {
    const start = String.fromCharCode(...file.subarray(0, 32));
    const other = OTHER_FORMATS.find(([, pattern]) => pattern.test(start));
    throw new PngError(`This is ${other ? `${other[0]}, not a PNG` : 'not a PNG'} file; convert the image to PNG.`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const cutOff = new PngError('The file is cut off before the end of the image.');
  const chunks: Chunk[] = [];
  let header: Header | undefined;
  for (let at = SIGNATURE.length; ;) {
    if (at + 12 > file.length) throw cutOff; // length, type and checksum, 4 bytes each
    const length = view.getUint32(at);
    const end = at + 12 + length;
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (!/^[A-Za-z]{4}$/.test(type)) throw new PngError('The file is damaged: a chunk has no valid type.');
    if (end > file.length) throw cutOff;
    if (view.getUint32(end - 4) !== crc32(file.subarray(at + 4, end - 4)))
      throw new PngError(`The file is damaged: the checksum of its ${type} chunk is wrong.`);
    const chunk = { type, data: file.subarray(at + 8, end - 4), whole: file.subarray(at, end) };

    if (header === undefined) {
      if (type !== 'IHDR') throw new PngError('The file does not begin with an image header.');
      header = readHeader(chunk.data); // refuses gigantic images before anything else is looked at
    } else if (type === 'IHDR') throw new PngError('The file has two image headers.');
    const critical = /^[A-Z]/.test(type);
    if (critical && !['IHDR', 'PLTE', 'IDAT', 'IEND'].includes(type))
      throw new PngError(`The file needs the extension "${type}", which is not supported.`);
    if (critical || type === 'tRNS') chunks.push(chunk);
    if (type === 'IEND') return { header, chunks };
    at = end;
  }
}

function readHeader(data: Uint8Array): Header {
  if (data.length !== 13) throw new PngError('The image header has a wrong length.');
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  const [depth = 0, colourType = 0, compression = 0, filter = 0, interlace = 0] = data.subarray(8);
  if (width === 0 || height === 0) throw new PngError('The image has no pixels.');
  if (width > MAX_PNG_SIDE || height > MAX_PNG_SIDE)
    throw new PngError(
      `The image has ${width} x ${height} pixels; at most ${MAX_PNG_SIDE} x ${MAX_PNG_SIDE} are read.`,
    );
  const { channels, depths } = COLOUR_TYPES[colourType] ?? { channels: 0, depths: [] };
  if (!depths.includes(depth) || compression !== 0 || filter !== 0 || interlace > 1)
    throw new PngError('The image header is invalid: no such colour type, depth, compression or filter.');
  if (interlace === 1)
    throw new PngError('The image is interlaced, which is not supported; save it without interlacing.');
  return { width, height, colourType, channels, depth };
}

/** A PNG of the picture's own chunks only: no text, profiles or animation, which could unfold too. */
function minimalPng(chunks: readonly Chunk[]): Uint8Array {
  return Buffer.concat([Uint8Array.from(SIGNATURE), ...chunks.map(chunk => chunk.whole)]);
}

/** Any decoded grey or colour image, with or without alpha, as 8-bit RGB. */
function toRgb({ width, height, data, depth, channels }: DecodedPng): Uint8Array {
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
  return rgb;
}
