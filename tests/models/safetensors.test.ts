import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeSafetensors,
  encodeSafetensors,
  SafetensorsError,
  type SafeTensor,
  type Safetensors,
} from '../../models/safetensors.js';

/** A file made by hand: the header as given, padded to 8 bytes, then the data. */
function fileOf(header: unknown, data: readonly number[] = [], statedLength?: bigint): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const json = new TextEncoder().encode(text);
  const padded = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + padded + data.length).fill(0x20);
  new DataView(file.buffer).setBigUint64(0, statedLength ?? BigInt(padded), true);
  file.set(json, 8);
  file.set(data, 8 + padded);
  return file;
}

const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
const count = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1);

/** Values are drawn as bytes, so that every bit pattern occurs, NaNs included. */
const tensor: fc.Arbitrary<SafeTensor> = fc
  .tuple(fc.constantFrom('F64', 'F32', 'F16', 'BF16', 'I32', 'U8'), shape)
  .chain(([dtype, sizes]) => {
    const make = {
      F64: Float64Array,
      F32: Float32Array,
      F16: Uint16Array,
      BF16: Uint16Array,
      I32: Int32Array,
      U8: Uint8Array,
    };
    const bytes = count(sizes) * make[dtype].BYTES_PER_ELEMENT;
    return fc
      .uint8Array({ minLength: bytes, maxLength: bytes })
      .map(data => ({ dtype, shape: sizes, data: new make[dtype](data.slice().buffer) }) as SafeTensor);
  });
const name = fc.string({ unit: 'grapheme', maxLength: 12 }).filter(text => text !== '__metadata__');
const tensors = fc
  .uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 6 })
  .map(list => new Map(list));
const metadata = fc.dictionary(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
);

const bytesOf = ({ data }: SafeTensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function expectSame(read: Safetensors, written: ReadonlyMap<string, SafeTensor>): void {
  expect(new Set(read.tensors.keys())).toEqual(new Set(written.keys()));
  for (const [key, expected] of written) {
    const actual = read.tensors.get(key)!;
    expect(actual.dtype).toBe(expected.dtype);
    expect(actual.shape).toEqual(expected.shape);
    expect(actual.data.constructor).toBe(expected.data.constructor);
    expect(bytesOf(actual)).toEqual(bytesOf(expected));
  }
}

describe('encodeSafetensors', () => {
  it('writes exactly the bytes that the specification describes', () => {
    const file = encodeSafetensors(
      new Map<string, SafeTensor>([
        ['b', { dtype: 'U8', shape: [3], data: Uint8Array.of(7, 8, 9) }],
        ['a', { dtype: 'F32', shape: [1, 2], data: Float32Array.of(1, -2) }],
      ]),
      { format: 'pt' },
    );
    const header =
      '{"__metadata__":{"format":"pt"},' +
      '"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},' +
      '"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8, ' ');
    const expected = [
      ...[padded.length & 255, padded.length >> 8, 0, 0, 0, 0, 0, 0],
      ...new TextEncoder().encode(padded),
      ...[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0], // 1 and -2 in IEEE single precision
      ...[7, 8, 9],
    ];
    expect([...file]).toEqual(expected);
  });

  it('is undone by decodeSafetensors, bit by bit', () => {
    fc.assert(
      fc.property(tensors, metadata, (written, notes) => {
        const read = decodeSafetensors(encodeSafetensors(written, notes));
        expectSame(read, written);
        expect({ ...read.metadata }).toEqual({ ...notes });
      }),
    );
  });

  it('aligns every tensor to its element', () => {
    fc.assert(
      fc.property(tensors, written => {
        const file = encodeSafetensors(written);
        for (const { data } of decodeSafetensors(file).tensors.values()) expect(data.buffer).toBe(file.buffer);
      }),
    );
  });

  it('gives the same bytes whatever the order of the tensors', () => {
    fc.assert(
      fc.property(tensors, written => {
        expect(encodeSafetensors(new Map([...written].reverse()))).toEqual(encodeSafetensors(written));
      }),
    );
  });

  const one: SafeTensor = { dtype: 'F32', shape: [1], data: Float32Array.of(1) };
  it.each<[string, Map<string, SafeTensor>, Record<string, string>, RegExp]>([
    [
      'data of another length than its shape',
      new Map([['w', { ...one, shape: [2, 3] }]]),
      {},
      /"w": 1 elements .*\[2, 3\] has 6/,
    ],
    ['a negative size', new Map([['w', { ...one, shape: [-1] }]]), {}, /"w": -1 is not a size/],
    ['the reserved name', new Map([['__metadata__', one]]), {}, /cannot be called/],
    ['half a surrogate pair', new Map([['\ud800', one]]), {}, /not valid Unicode/],
    ['metadata that is not text', new Map(), { step: 3 as unknown as string }, /"step" is not a string/],
  ])('refuses %s', (_what, written, notes, message) => {
    expect(() => encodeSafetensors(written, notes)).toThrow(message);
    expect(() => encodeSafetensors(written, notes)).toThrow(SafetensorsError);
  });
});

describe('decodeSafetensors', () => {
  const entry = { dtype: 'U8', shape: [2], data_offsets: [0, 2] };

  it('reads files whose data does not lie aligned', () => {
    const header = { __metadata__: {}, u: { dtype: 'U8', shape: [1], data_offsets: [0, 1] } };
    const file = fileOf({ ...header, f: { dtype: 'F32', shape: [], data_offsets: [1, 5] } }, [9, 0, 0, 0x80, 0x3f]);
    const { tensors: read } = decodeSafetensors(file);
    expect(read.get('u')?.data).toEqual(Uint8Array.of(9));
    expect(read.get('f')?.data).toEqual(Float32Array.of(1));
    const shifted = new Uint8Array(file.length + 3);
    shifted.set(file, 3);
    expect(decodeSafetensors(shifted.subarray(3)).tensors.get('f')?.data).toEqual(Float32Array.of(1));
    // Buffers slice otherwise
    expect(decodeSafetensors(Buffer.from(file)).tensors.get('f')?.data).toEqual(Float32Array.of(1));
  });

  it('reads empty files, names like those of object members, and strings full of JSON', () => {
    expect(decodeSafetensors(fileOf('{}')).tensors.size).toBe(0);
    const text =
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"__proto__":"a","k":"{\\"a\\":1,\\"a\\":2}"}}';
    const read = decodeSafetensors(fileOf(text, [5]));
    expect(read.tensors.get('__proto__')?.data).toEqual(Uint8Array.of(5));
    expect(read.metadata['k']).toBe('{"a":1,"a":2}');
    expect(Object.entries(read.metadata)).toHaveLength(2);
  });

  it.each<[dtype: string, elements: number, bytes: number]>([
    ...['BOOL', 'I8', 'F8_E5M2', 'F8_E4M3', 'F8_E8M0', 'F8_E5M2FNUZ', 'F8_E4M3FNUZ'].map(
      (dtype): [string, number, number] => [dtype, 2, 2],
    ),
    ...['I16', 'U16'].map((dtype): [string, number, number] => [dtype, 2, 4]),
    ['U32', 2, 8],
    ...['I64', 'U64', 'C64'].map((dtype): [string, number, number] => [dtype, 2, 16]),
    ...['F6_E2M3', 'F6_E3M2'].map((dtype): [string, number, number] => [dtype, 4, 3]),
    ['F4', 2, 1],
  ])('skips tensors of %s by name and reads the others', (dtype, elements, bytes) => {
    const header = {
      mask: { dtype, shape: [elements], data_offsets: [0, bytes] },
      w: { dtype: 'U8', shape: [1], data_offsets: [bytes, bytes + 1] },
    };
    const read = decodeSafetensors(fileOf(header, [...new Array<number>(bytes).fill(0), 7]));
    expect([...read.skipped]).toEqual([['mask', dtype]]);
    expect([...read.tensors.keys()]).toEqual(['w']);
    expect(read.tensors.get('w')!.data).toEqual(Uint8Array.of(7));
    const short = { w: { dtype, shape: [elements], data_offsets: [0, bytes + 1] } };
    expect(() => decodeSafetensors(fileOf(short, new Array<number>(bytes + 1).fill(0)))).toThrow(/span/);
  });

  it.each([
    ['no metadata', '{"__metadata__":null}'],
    [
      'unknown keys of an entry',
      '{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"strides":[1.5],"note":{"a":null}}}',
    ],
    ['space around the header', '\n {}\t\n'],
    [
      'a zero before sizes that no product holds',
      '{"w":{"dtype":"F32","shape":[0,1099511627776,1099511627776],"data_offsets":[0,0]}}',
    ],
    ['the largest size there is', '{"w":{"dtype":"U8","shape":[0,18446744073709551615],"data_offsets":[0,0]}}'],
  ])("reads %s, as the format's own reader does", (_what, header) => {
    expect(decodeSafetensors(fileOf(header)).metadata).toEqual({});
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /0 bytes, too few/],
    ['seven bytes', new Uint8Array(7), /7 bytes, too few/],
    ['a header longer than the file', fileOf('{}', [], 5000n), /5000 bytes, but only 8 follow/],
    ['a gigantic header', fileOf('{}', [], 2n ** 63n), /9223372036854775808 bytes, is beyond/],
    [
      'another format (zip)',
      new TextEncoder().encode('PK\x03\x04 some archive, much longer than eight bytes'),
      /beyond any real one/,
    ],
    ['a header that is not JSON', fileOf('{"w": '), /not valid JSON/],
    ['a header that is not UTF-8', fileOf('{}').fill(0xff, 8), /not valid JSON/],
    ['brackets without end', fileOf('['.repeat(100_000)), /not valid JSON/],
    ['a header that is a list', fileOf('[1]'), /not a JSON object/],
    [
      'the same tensor twice',
      fileOf('{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}, "\\u0077" : {}}'),
      /key "w" stands twice/,
    ],
    [
      'the same metadata twice',
      fileOf('{"__metadata__":{"a":"1","a":"2"}}'),
      /line 1, column 26: the key "a" stands twice/,
    ],
    ['metadata of another kind', fileOf({ __metadata__: ['a'] }), /not an object of strings/],
    ['metadata that is not text', fileOf({ __metadata__: { step: 3 } }), /metadata "step" is not a string/],
    ['an entry that is a number', fileOf({ w: 3 }), /"w": its entry .* not an object/],
    ['an unknown dtype', fileOf({ w: { ...entry, dtype: 'F128' } }, [1, 2]), /"w": dtype "F128" is none of the format/],
    ['a dtype named like an object member', fileOf({ w: { ...entry, dtype: 'toString' } }, [1, 2]), /is none of/],
    ['no dtype', fileOf({ w: { shape: [2], data_offsets: [0, 2] } }, [1, 2]), /dtype missing is none of/],
    ['half a byte', fileOf({ w: { ...entry, dtype: 'F4', shape: [3] } }, [1, 2]), /takes 1.5 bytes.*span 2/],
    ['half a surrogate pair', fileOf('{"\\ud800":{}}'), /not valid Unicode/],
    ['brackets in each other', fileOf(`{"w":{"x":${'['.repeat(500)}${']'.repeat(500)}}}`), /more than 127 deep/],
    ...['[2.0]', '[2e0]', '[-0, 2]', '[18446744073709551616, 0]'].map((shape): [string, Uint8Array, RegExp] => [
      `shape ${shape}`,
      fileOf(`{"w":{"dtype":"U8","shape":${shape},"data_offsets":[0,2]}}`, [1, 2]),
      /shape is not a list of sizes/,
    ]),
    [
      'an offset with a fraction',
      fileOf('{"w":{"dtype":"U8","shape":[2],"data_offsets":[0.0,2]}}', [1, 2]),
      /data_offsets are not two/,
    ],
    ['a shape with a fraction', fileOf({ w: { ...entry, shape: [0.5] } }, [1, 2]), /shape is not a list of sizes/],
    ['a negative size', fileOf({ w: { ...entry, shape: [-2] } }, [1, 2]), /shape is not a list of sizes/],
    ['a shape that is a string', fileOf({ w: { ...entry, shape: '2' } }, [1, 2]), /shape is not a list of sizes/],
    [
      'sizes whose product overflows',
      fileOf({ w: { ...entry, shape: [2 ** 40, 2 ** 40] } }, [1, 2]),
      /more elements than can be counted/,
    ],
    [
      'an overflow hidden by a zero',
      fileOf({ w: { ...entry, shape: [2 ** 40, 2 ** 40, 0] } }, [1, 2]),
      /more elements than can be counted/,
    ],
    [
      'a shape larger than its span',
      fileOf({ w: { ...entry, shape: [1_000_000_000] } }, [1, 2]),
      /takes 1000000000 bytes.*span 2/,
    ],
    ['three offsets', fileOf({ w: { ...entry, data_offsets: [0, 1, 2] } }, [1, 2]), /data_offsets are not two/],
    [
      'offsets beyond the data',
      fileOf({ w: { ...entry, data_offsets: [1, 3] } }, [1, 2]),
      /\[1, 3\] do not lie within the 2 bytes/,
    ],
    ['offsets backwards', fileOf({ w: { ...entry, data_offsets: [2, 0] } }, [1, 2]), /do not lie within/],
    ['overlapping tensors', fileOf({ v: entry, w: { ...entry, data_offsets: [1, 3] } }, [1, 2, 3]), /"w" overlaps/],
    [
      'a hole in the data',
      fileOf({ w: { ...entry, data_offsets: [1, 3] } }, [1, 2, 3]),
      /1 bytes of data before tensor "w"/,
    ],
    ['data left over', fileOf({ w: entry }, [1, 2, 3]), /last 1 bytes of data belong to no tensor/],
    ['a cut-off file', fileOf({ w: entry }, [1]), /do not lie within the 1 bytes/],
    ['control characters in a name', fileOf({ 'a\n\u001b[2J': 3 }), /"a\?\?\[2J"/],
  ])('refuses %s in one line', (_what, file, message) => {
    let error: unknown;
    try {
      decodeSafetensors(file);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(SafetensorsError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('\n');
  });

  it('either reads a damaged file or says what is wrong, and reads no cut one', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(tensors, metadata, damage, fc.nat(), (written, notes, changes, cut) => {
        const file = encodeSafetensors(written, notes);
        const damaged = file.slice();
        for (const [at, byte] of changes) damaged[at % damaged.length] = byte;
        try {
          decodeSafetensors(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError);
        }
        expect(() => decodeSafetensors(file.slice(0, cut % file.length))).toThrow(SafetensorsError);
      }),
    );
  });

  it('says what is wrong with any bytes at all', () => {
    const json = fc.json({ maxDepth: 3 }).map(text => fileOf(text, [1, 2, 3]));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), json), file => {
        try {
          expect(decodeSafetensors(file).tensors).toBeInstanceOf(Map);
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError);
        }
      }),
    );
  });
});

/** A reader written from the specification alone, in another language: the sum of each tensor's elements. */
const pythonReader = `
import json, struct, sys
raw = open(sys.argv[1], 'rb').read()
n = struct.unpack('<Q', raw[:8])[0]
assert n % 8 == 0
header = json.loads(raw[8:8 + n])
out = {'__metadata__': header.pop('__metadata__', {})}
for name, t in header.items():
    begin, end = t['data_offsets']
    code = {'F64': 'd', 'F32': 'f', 'F16': 'e', 'I32': 'i', 'U8': 'B'}[t['dtype']]
    out[name] = [t['shape'], list(struct.unpack('<%d%s' % ((end - begin) // struct.calcsize(code), code), raw[8 + n + begin:8 + n + end]))]
print(json.dumps(out))
`;
const hasPython = spawnSync('python3', ['--version']).status === 0;

describe('a reader in another language', () => {
  it.runIf(hasPython)('reads the same names, shapes and values', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mgsd-safetensors-'));
    try {
      const file = path.join(folder, 'a.safetensors');
      const written = new Map<string, SafeTensor>([
        ['half', { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xc100) }], // 1 and -2.5
        ['double', { dtype: 'F64', shape: [], data: Float64Array.of(Math.PI) }],
        ['vision.bias', { dtype: 'F32', shape: [2, 1], data: Float32Array.of(0.5, -1e30) }],
        ['ids', { dtype: 'I32', shape: [1, 3], data: Int32Array.of(-1, 2 ** 31 - 1, 0) }],
        ['none', { dtype: 'U8', shape: [0, 4], data: new Uint8Array(0) }],
      ]);
      fs.writeFileSync(file, encodeSafetensors(written, { config: '{"depth":2}', umlaut: 'ä' }));
      const { stdout, stderr } = spawnSync('python3', ['-c', pythonReader, file], { encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual({
        __metadata__: { config: '{"depth":2}', umlaut: 'ä' },
        half: [[2], [1, -2.5]],
        double: [[], [Math.PI]],
        'vision.bias': [
          [2, 1],
          [0.5, Math.fround(-1e30)],
        ],
        ids: [
          [1, 3],
          [-1, 2 ** 31 - 1, 0],
        ],
        none: [[0, 4], []],
      });
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});
