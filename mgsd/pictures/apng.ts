/**
 * Moving pictures as APNG (W3C PNG specification, third edition, section 11.3.2): a PNG whose first frame every program
 * shows, and whose others those that can play, as browsers do. Frames are compressed by the PNG encoder; here their chunks
 * are only put into order.
 */
import { crc32 } from 'node:zlib';
import { encodePng } from './png.js';
import type { RgbImage } from './png.js';

export interface Frame {
  readonly image: RgbImage;
  /** How long it stands, in milliseconds. */
  readonly milliseconds: number;
}

/** Bytes before the first chunk. */
const signatureLength = 8;

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

/** The chunks of a file that our own encoder wrote. */
function chunksOf(png: Uint8Array): Chunk[] {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const chunks: Chunk[] = [];
  for (let at = signatureLength; at < png.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    chunks.push({ type, data: png.subarray(at + 8, at + 8 + length) });
    at += 12 + length; // length, type and checksum have 4 bytes each
  }
  return chunks;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

/** Big-endian numbers of 4 bytes, then of 2, then of 1. */
function fields(words: readonly number[], halves: readonly number[] = [], bytes: readonly number[] = []): Buffer {
  const out = Buffer.alloc(4 * words.length + 2 * halves.length + bytes.length);
  let at = 0;
  for (const value of words) at = out.writeUInt32BE(value, at);
  for (const value of halves) at = out.writeUInt16BE(value, at);
  for (const value of bytes) at = out.writeUInt8(value, at);
  return out;
}

/**
 * A moving picture that plays for ever.
 * @param frames at least one; all of the same size, each up to 65 seconds
 * @throws RangeError if there is none, or their sizes or times do not fit
 */
export function encodeApng(frames: readonly Frame[]): Uint8Array {
  const [first] = frames;
  if (!first) throw new RangeError('a moving picture needs at least one frame');
  const { width, height } = first.image;
  if (frames.some(({ image }) => image.width !== width || image.height !== height))
    throw new RangeError(`all frames of a moving picture have one size: ${width} x ${height} here`);
  if (frames.some(({ milliseconds }) => !(milliseconds >= 0 && milliseconds <= 0xffff)))
    throw new RangeError('a frame stands for 0 to 65535 milliseconds');

  let sequence = 0;
  const body = frames.flatMap(({ image, milliseconds }, k) => {
    const data = chunksOf(encodePng(image)).filter(({ type }) => type === 'IDAT');
    const times = [Math.round(milliseconds), 1000]; // as a fraction of a second
    const control = chunk('fcTL', fields([sequence++, width, height, 0, 0], times, [0, 0])); // replaces what stood there
    const parts = data.map(part =>
      k === 0 ? chunk('IDAT', part.data) : chunk('fdAT', Buffer.concat([fields([sequence++]), part.data])),
    );
    return [control, ...parts];
  });
  const png = encodePng(first.image);
  const header = chunksOf(png)[0]!;
  return Buffer.concat([
    png.subarray(0, signatureLength),
    chunk(header.type, header.data),
    chunk('acTL', fields([frames.length, 0])), // 0: for ever
    ...body,
    chunk('IEND', new Uint8Array(0)),
  ]);
}
