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
}

/** What is wrong with a file, in one line; the caller knows its path and what to do about it. */
export class SafetensorsError extends Error {
  override name = 'SafetensorsError';
}

/** Bytes of one element, which is also the alignment that a view on the data needs. */
const elementBytes = (dtype: SafetensorsDtype): number => ARRAYS[dtype].BYTES_PER_ELEMENT;

/** The same bound as in the format's reference implementation; our own headers have some kilobytes. */
const MAX_HEADER_BYTES = 100_000_000;

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
 * not.
 *
 * @throws SafetensorsError that names the first thing that is wrong
 */
export function decodeSafetensors(file: Uint8Array): Safetensors {
  requireLittleEndian();
  const { header, text, dataStart } = readHeader(file);
  const duplicate = firstDuplicate(text);
  if (duplicate !== undefined) throw new SafetensorsError(`The header has the key "${printable(duplicate)}" twice.`);

  const dataBytes = file.length - dataStart;
  const spans: { name: string; begin: number; end: number }[] = [];
  const tensors = new Map<string, SafeTensor>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === METADATA_KEY) {
      metadata = readMetadata(entry);
      continue;
    }
    const { dtype, shape, begin, end } = readEntry(name, entry, dataBytes);
    spans.push({ name, begin, end });
    const data = arrayAt(file, dataStart + begin, dtype, (end - begin) / elementBytes(dtype));
    tensors.set(name, { dtype, shape, data } as SafeTensor);
  }
  requireExactCover(spans, dataBytes);
  return { metadata, tensors };
}

/** The parsed header, its text, and where in the file the data begins. */
function readHeader(file: Uint8Array): { header: Record<string, unknown>; text: string; dataStart: number } {
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
  let text: string;
  let header: unknown;
  try {
    // A byte order mark is kept, so that JSON.parse refuses it as the format demands.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file.subarray(PREFIX_BYTES, dataStart));
    header = JSON.parse(text);
  } catch {
    throw new SafetensorsError('The header is not valid JSON: the file is damaged or not a safetensors file.');
  }
  if (!isRecord(header) || !text.startsWith('{')) throw new SafetensorsError('The header is not a JSON object.');
  return { header, text, dataStart };
}

function readMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value)) throw new SafetensorsError(`"${METADATA_KEY}" is not an object of strings.`);
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string') throw new SafetensorsError(`The metadata "${printable(key)}" is not a string.`);
  return value as Record<string, string>;
}

/** Checks one tensor's entry against itself and against the length of the data. */
function readEntry(
  name: string,
  entry: unknown,
  dataBytes: number,
): { dtype: SafetensorsDtype; shape: readonly number[]; begin: number; end: number } {
  const fail = (what: string): never => {
    throw new SafetensorsError(`Tensor "${printable(name)}": ${what}.`);
  };
  if (!isRecord(entry)) return fail('its entry in the header is not an object');
  const { dtype, shape, data_offsets: offsets, ...rest } = entry;
  const extra = Object.keys(rest)[0];
  if (extra !== undefined) return fail(`its entry has the unknown key "${printable(extra)}"`);
  if (!isDtype(dtype))
    return fail(
      `dtype ${printable(dtype === undefined ? 'missing' : JSON.stringify(dtype))} is not one of ${Object.keys(ARRAYS).join(', ')}`,
    );
  if (!isCounts(shape)) return fail('its shape is not a list of sizes (whole numbers from 0)');
  if (!isCounts(offsets) || offsets.length !== 2) return fail('its data_offsets are not two whole numbers from 0');
  const [begin = 0, end = 0] = offsets;
  if (begin > end || end > dataBytes)
    return fail(`its data_offsets [${begin}, ${end}] do not lie within the ${dataBytes} bytes of data`);
  const bytes = byteLength(name, dtype, shape);
  if (end - begin !== bytes)
    return fail(
      `shape [${shape.join(', ')}] of ${dtype} takes ${bytes} bytes, but its data_offsets span ${end - begin}`,
    );
  return { dtype, shape, begin, end };
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

/**
 * The first key that stands twice in one object of a JSON text, which JSON.parse would silently let the last one win.
 * @param text valid JSON
 */
function firstDuplicate(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = []; // the keys so far of each open object; undefined for a list
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(undefined);
    else if (char === '}' || char === ']') open.pop();
    else if (char === '"') {
      const start = at++;
      while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
      let next = at + 1;
      while (/\s/.test(text[next] ?? '')) next++;
      if (text[next] !== ':') continue; // a value
      const key = JSON.parse(text.slice(start, at + 1)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(ARRAYS, value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(size => Number.isSafeInteger(size) && (size as number) >= 0);
}

function requireText(text: string, what: string): void {
  if (/\p{Surrogate}/u.test(text))
    throw new SafetensorsError(`${what} ${JSON.stringify(text)} is not valid Unicode text (half a surrogate pair).`);
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
