/**
 * Reading and writing the safetensors format: named tensors in one file that any program can read without running code.
 *
 * Layout (from the published specification of the format):
 *
 *     8 bytes    N, the length of the header in bytes, unsigned little-endian
 *     N bytes    the header, UTF-8 JSON: {"__metadata__": {key: string, ...},
 *                name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}, padded with spaces
 *     the rest   the data: little-endian, row-major, offsets counted from its first byte; tensors lie one after the
 *                other in any order, without holes or overlaps, and fill it exactly
 *
 * Everything here is checked before it is used, since a checkpoint may be damaged or come from a stranger: a length
 * that lies makes an error message, never a huge allocation. F16 and BF16 values are kept as their 16 bits; rounding to
 * and from f32 is the business of whoever made them.
 */

import { JsonError, parseStrictJson } from './json.js';

/** The array that holds the values of each dtype we read and write. */
const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array, // IEEE half precision, as bits
  BF16: Uint16Array, // the upper half of an f32, as bits
  I32: Int32Array,
  U8: Uint8Array,
} as const;

/** Element types of the file format that are read and written. */
export type SafetensorsDtype = keyof typeof ARRAYS;

/** Bits of one element of the format's other dtypes; tensors of these are checked and skipped. */
const SKIPPED_BITS = {
  ...{ I64: 64, U64: 64, C64: 64, U32: 32, I16: 16, U16: 16, I8: 8, BOOL: 8 },
  ...{ F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E5M2FNUZ: 8, F8_E4M3FNUZ: 8, F6_E2M3: 6, F6_E3M2: 6, F4: 4 },
} as const;
type SkippedDtype = keyof typeof SKIPPED_BITS;

/** One stored tensor: its data has exactly as many elements as its shape says, in row-major order. */
export type SafeTensor = {
  [D in SafetensorsDtype]: { dtype: D; shape: readonly number[]; data: (typeof ARRAYS)[D]['prototype'] };
}[SafetensorsDtype];

/** A decoded file: tensors by name, and its text metadata. */
export interface Safetensors {
  /**
   * Free text by key, `{}` if the file has none. Numbers and objects go in as JSON text: the format knows strings only.
   */
  metadata: Readonly<Record<string, string>>;
  tensors: ReadonlyMap<string, SafeTensor>;
  /** The dtypes, by name, of tensors that were not read: integers of 64 bits, floats of 8 bits, ... */
  skipped: ReadonlyMap<string, string>;
}

/** What is wrong with a file, in one line; the caller knows its path and what to do about it. */
export class SafetensorsError extends Error {
  override name = 'SafetensorsError';
}

/** Bytes of one element, which is also the alignment that a view on the data needs. */
const elementBytes = (dtype: SafetensorsDtype): number => ARRAYS[dtype].BYTES_PER_ELEMENT;

/** The same bound as in the format's reference implementation; our own headers have some kilobytes. */
const MAX_HEADER_BYTES = 100_000_000;

/** Sizes and offsets have 64 bits. */
const MAX_COUNT = 2n ** 64n - 1n;

const PREFIX_BYTES = 8;
const METADATA_KEY = '__metadata__';

/** Typed arrays have the byte order of the machine, and ours are copied to and from files as they are. */
const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * Lays tensors out as one safetensors file. The same input gives the same bytes. Tensors with larger elements come
 * first (then by name), so that every one of them is aligned for a reader that maps the file.
 *
 * @returns the whole file
 * @throws SafetensorsError for data that does not fit its shape, and for names or metadata that the format cannot hold
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  requireLittleEndian();
  const entries = [...tensors].sort(
    ([aName, a], [bName, b]) =>
      elementBytes(b.dtype) - elementBytes(a.dtype) || (aName < bName ? -1 : aName > bName ? 1 : 0),
  );

  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) {
    for (const [key, value] of Object.entries<unknown>(metadata)) {
      requireText(key, 'The metadata key');
      if (typeof value !== 'string') throw new SafetensorsError(`The metadata "${key}" is not a string.`);
      requireText(value, `The metadata "${key}"`);
    }
    header.push([METADATA_KEY, metadata]);
  }
  let dataBytes = 0;
  for (const [name, { dtype, shape, data }] of entries) {
    if (name === METADATA_KEY) throw new SafetensorsError(`A tensor cannot be called "${METADATA_KEY}".`);
    requireText(name, 'The tensor name');
    const bytes = byteLength(name, dtype, shape);
    if (data.byteLength !== bytes)
      throw new SafetensorsError(
        `Tensor "${name}": ${data.length} elements given, but shape [${shape.join(', ')}] has ${bytes / elementBytes(dtype)}.`,
      );
    header.push([name, { dtype, shape, data_offsets: [dataBytes, dataBytes + bytes] }]);
    dataBytes += bytes;
  }

  // Object.fromEntries would move names like "0" to the front; the order of the header should be that of the data.
  const json = `{${header.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
  const encoded = new TextEncoder().encode(json);
  const headerBytes = Math.ceil(encoded.length / 8) * 8; // so that the data is aligned
  if (headerBytes > MAX_HEADER_BYTES)
    throw new SafetensorsError(`The header would have ${headerBytes} bytes; the format allows ${MAX_HEADER_BYTES}.`);

  const file = new Uint8Array(PREFIX_BYTES + headerBytes + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(encoded, PREFIX_BYTES);
  file.fill(0x20, PREFIX_BYTES + encoded.length, PREFIX_BYTES + headerBytes);
  let at = PREFIX_BYTES + headerBytes;
  for (const [, { data }] of entries) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/**
 * Reads a whole safetensors file. The tensors are views on `file` where its alignment allows that, and copies where
 * not. Verdicts are those of the format's reference implementation, but for keys that stand twice, which the
 * specification forbids and the implementation does not notice.
 *
 * @throws SafetensorsError that names the first thing that is wrong
 */
export function decodeSafetensors(file: Uint8Array): Safetensors {
  requireLittleEndian();
  const { header, dataStart } = readHeader(file);
  const dataBytes = file.length - dataStart;
  const spans: { name: string; begin: number; end: number }[] = [];
  const tensors = new Map<string, SafeTensor>();
  const skipped = new Map<string, string>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === METADATA_KEY) {
      metadata = readMetadata(entry);
      continue;
    }
    const { dtype, shape, begin, end } = readEntry(name, entry, dataBytes);
    spans.push({ name, begin, end });
    if (!isDtype(dtype)) {
      skipped.set(name, dtype);
      continue;
    }
    const data = arrayAt(file, dataStart + begin, dtype, (end - begin) / elementBytes(dtype));
    tensors.set(name, { dtype, shape, data } as SafeTensor);
  }
  requireExactCover(spans, dataBytes);
  return { metadata, tensors, skipped };
}

/** The parsed header, its whole numbers as bigints, and where in the file the data begins. */
function readHeader(file: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (file.length < PREFIX_BYTES)
    throw new SafetensorsError(
      `The file has ${file.length} bytes, too few for a safetensors file: it is cut off or foreign.`,
    );
  const stated = new DataView(file.buffer, file.byteOffset, PREFIX_BYTES).getBigUint64(0, true);
  if (stated > BigInt(MAX_HEADER_BYTES))
    throw new SafetensorsError(
      `The header's stated length, ${stated} bytes, is beyond any real one: not a safetensors file.`,
    );
  const dataStart = PREFIX_BYTES + Number(stated);
  if (dataStart > file.length)
    throw new SafetensorsError(
      `The header's stated length is ${stated} bytes, but only ${file.length - PREFIX_BYTES} follow: the file is cut off or foreign.`,
    );
  let header: unknown;
  try {
    // A byte order mark is kept, so that the parser refuses it as the format demands.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      file.subarray(PREFIX_BYTES, dataStart),
    );
    // 1.0 and 1e0 are no sizes for the format, though JavaScript could not tell them from 1
    header = parseStrictJson(text, literal => (/^\d{1,20}$/.test(literal) ? BigInt(literal) : NaN));
  } catch (error) {
    const where = error instanceof JsonError ? ` (${printable(error.message)})` : '';
    throw new SafetensorsError(`The header is not valid JSON${where}: the file is damaged or not a safetensors file.`);
  }
  if (!isRecord(header)) throw new SafetensorsError('The header is not a JSON object.');
  return { header, dataStart };
}

function readMetadata(value: unknown): Record<string, string> {
  if (value === null) return {};
  if (!isRecord(value)) throw new SafetensorsError(`"${METADATA_KEY}" is not an object of strings.`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new SafetensorsError(`The metadata "${printable(key)}" is not a string.`);
    requireText(key, 'The metadata key');
    requireText(text, `The metadata "${printable(key)}"`);
  }
  return value as Record<string, string>;
}

/** Checks one tensor's entry against itself and against the length of the data. */
function readEntry(
  name: string,
  entry: unknown,
  dataBytes: number,
): { dtype: SafetensorsDtype | SkippedDtype; shape: readonly number[]; begin: number; end: number } {
  requireText(name, 'The tensor name');
  const fail = (what: string): never => {
    throw new SafetensorsError(`Tensor "${printable(name)}": ${what}.`);
  };
  if (!isRecord(entry)) return fail('its entry in the header is not an object');
  const { dtype, shape, data_offsets: offsets } = entry; // other keys are for other readers
  if (typeof dtype !== 'string' || !(isDtype(dtype) || Object.hasOwn(SKIPPED_BITS, dtype)))
    return fail(`dtype ${typeof dtype === 'string' ? `"${printable(dtype)}"` : 'missing'} is none of the format`);
  if (!isCounts(shape)) return fail('its shape is not a list of sizes (whole numbers from 0)');
  if (!isCounts(offsets) || offsets.length !== 2) return fail('its data_offsets are not two whole numbers from 0');
  const [begin = 0n, end = 0n] = offsets;
  if (begin > end || end > dataBytes)
    return fail(`its data_offsets [${begin}, ${end}] do not lie within the ${dataBytes} bytes of data`);
  const bitsOfOne = isDtype(dtype) ? 8 * elementBytes(dtype) : SKIPPED_BITS[dtype as SkippedDtype];
  const bits = [...shape, BigInt(bitsOfOne)].reduce((product, size) => {
    if (product * size > MAX_COUNT) fail('its shape has more elements than can be counted');
    return product * size;
  }, 1n);
  if ((end - begin) * 8n !== bits)
    return fail(
      `shape [${printable(shape.join(', '))}] of ${dtype} takes ${Number(bits) / 8} bytes, but its data_offsets span ${end - begin}`,
    );
  return {
    dtype: dtype as SafetensorsDtype | SkippedDtype,
    shape: shape.map(Number),
    begin: Number(begin),
    end: Number(end),
  };
}

/** The tensors together must cover the data exactly: no overlaps, no holes, nothing left over. */
function requireExactCover(spans: { name: string; begin: number; end: number }[], dataBytes: number): void {
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of spans) {
    if (begin < at) throw new SafetensorsError(`Tensor "${printable(name)}" overlaps the one before it in the data.`);
    if (begin > at)
      throw new SafetensorsError(`${begin - at} bytes of data before tensor "${printable(name)}" belong to no tensor.`);
    at = end;
  }
  if (at !== dataBytes) throw new SafetensorsError(`The last ${dataBytes - at} bytes of data belong to no tensor.`);
}

/** The bytes that a shape takes, or an error if that is not a number one can count with. */
function byteLength(name: string, dtype: SafetensorsDtype, shape: readonly number[]): number {
  const wrong = shape.find(size => !Number.isSafeInteger(size) || size < 0);
  if (wrong !== undefined) throw new SafetensorsError(`Tensor "${printable(name)}": ${wrong} is not a size.`);
  // Zero-sized tensors are legal, but not as a disguise for sizes whose product overflows.
  const nonZero = shape.reduce((product, size) => product * Math.max(size, 1), elementBytes(dtype));
  if (!Number.isSafeInteger(nonZero))
    throw new SafetensorsError(`Tensor "${printable(name)}": its shape has more elements than can be counted.`);
  return shape.includes(0) ? 0 : nonZero;
}

function arrayAt(file: Uint8Array, at: number, dtype: SafetensorsDtype, length: number): SafeTensor['data'] {
  const offset = file.byteOffset + at;
  if (offset % elementBytes(dtype) === 0) return new ARRAYS[dtype](file.buffer as ArrayBuffer, offset, length);
  const bytes = new Uint8Array(length * elementBytes(dtype)); // a Buffer's own slice would be no copy
  bytes.set(file.subarray(at, at + bytes.length));
  return new ARRAYS[dtype](bytes.buffer);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(ARRAYS, value);
}

function isCounts(value: unknown): value is bigint[] {
  return Array.isArray(value) && value.every(size => typeof size === 'bigint' && size <= MAX_COUNT);
}

function requireText(text: string, what: string): void {
  if (/\p{Surrogate}/u.test(text))
    throw new SafetensorsError(
      `${what} ${printable(JSON.stringify(text))} is not valid Unicode text (half a surrogate pair).`,
    );
}

function requireLittleEndian(): void {
  if (!littleEndian)
    throw new SafetensorsError('safetensors files can only be read and written on little-endian machines.');
}

/** Text from a file as part of a one-line message: without control characters, and not longer than a line. */
function printable(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu, '?');
  return clean.length > 80 ? `${clean.slice(0, 80)}...` : clean;
}
