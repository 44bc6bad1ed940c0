import { f16round } from '@petamoriken/float16';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import {
  CheckpointError,
  decodeCheckpoint,
  decodeSafetensors,
  encodeCheckpoint,
  encodeSafetensors,
  loadModel,
} from '../../models/index.js';
import type { SafeTensor, VisionLanguageModel } from '../../models/index.js';
import { cpu } from '../core/devices.js';
import { independentLogits } from './independent.js';
import {
  coordinated,
  fullLogits,
  largestDifference,
  miniature,
  raggedExamples,
  randomModel,
  slottedExamples,
} from './miniature.js';

const devices: Device[] = [];
afterAll(async () => {
  for (const device of devices) await device.close();
});

async function fileOf(model: VisionLanguageModel, metadata: Record<string, string> = {}): Promise<Uint8Array> {
  const parameters = await model.parameters.save();
  return encodeCheckpoint({ config: model.config, parameters, optimizer: new Map(), metadata });
}

describe('a checkpoint', () => {
  it('brings back config, weights, optimiser and metadata, bit by bit', async () => {
    const model = randomModel(cpu);
    const parameters = await model.parameters.save();
    const optimizer = new Map([['m', Float32Array.from([1, 2, 3])]]);
    const metadata = { stage: 'stage1', step: '7' };
    const read = decodeCheckpoint(encodeCheckpoint({ config: miniature, parameters, optimizer, metadata }));
    expect(read).toEqual({ config: miniature, parameters, optimizer, metadata });
    const loaded = await loadModel(cpu, read);
    expect(await loaded.parameters.flat.read()).toEqual(await model.parameters.flat.read());
    expect(loaded.parameters.get('decoder.head').requiresGrad).toBe(true);
    const frozen = await loadModel(cpu, read, { trainable: false });
    expect(frozen.parameters.get('decoder.head').requiresGrad).toBe(false);
  });

  it('has the tensors that models/README.md lists, all F32', async () => {
    const { tensors } = decodeSafetensors(await fileOf(randomModel(cpu)));
    const shape = (name: string) => tensors.get(name)?.shape;
    expect(shape('vision.patch.weight')).toEqual([48, 8]);
    expect(shape('vision.position')).toEqual([4, 8]);
    expect(shape('decoder.block.1.attention.qkv.weight')).toEqual([8, 24]);
    expect(shape('decoder.block.1.mlp.out.weight')).toEqual([32, 8]);
    expect(shape('decoder.head.row')).toEqual([8, 8]);
    expect(shape('decoder.position.response')).toEqual([32, 8]);
    expect([...tensors.values()].every(({ dtype }) => dtype === 'F32')).toBe(true);
    expect(tensors.size).toBe(2 + 1 + 2 * 12 + 2 + 2 + 3 + 2 + 2 * 12 + 2 + 4);
  });

  it('says that it has coordinates, which an older program would overlook, and needs not say that it has none', async () => {
    const written = await fileOf(randomModel(cpu, 1, {}, coordinated));
    const { metadata, tensors } = decodeSafetensors(written);
    expect(metadata['version']).toBe('3');
    expect(decodeCheckpoint(written).config).toEqual(coordinated);
    expect(tensors.get('decoder.coordinate.col')?.shape).toEqual([6, 8]);
    const plain = decodeSafetensors(await fileOf(randomModel(cpu)));
    expect(plain.metadata['version']).toBe('2');
    const { coordinates, ...config } = miniature;
    expect(coordinates).toBe(0);
    const older = { ...plain.metadata, version: '1', config: JSON.stringify(config) };
    expect(decodeCheckpoint(encodeSafetensors(plain.tensors, older)).config).toEqual(miniature);
  });

  it('is refused in one line that says why', async () => {
    const good = await fileOf(randomModel(cpu));
    const { metadata, tensors } = decodeSafetensors(good);
    const old = { ...metadata, version: '1' }; // has no checksum, so that what follows it is looked at
    const changed = (change: Record<string, string>) => encodeSafetensors(tensors, { ...old, ...change });
    const withTensors = (change: (map: Map<string, SafeTensor>) => void) => {
      const map = new Map(tensors);
      change(map);
      return encodeSafetensors(map, old);
    };
    const cases: [Uint8Array, RegExp][] = [
      [encodeSafetensors(tensors, {}), /no checkpoint of mgsd-lite/],
      [changed({ version: '4' }), /format version 4; this program knows 3: install a newer/],
      [changed({ version: 'x' }), /unknown format version "x"; .*load it with the mgsd-lite that wrote it/],
      [changed({ version: '0' }), /unknown format version "0"/],
      [
        changed({ config: JSON.stringify({ ...miniature, layers: 1e9 }) }),
        /layers is 1000000000, and can be 1024 at most/,
      ],
      [changed({ config: '{' }), /not JSON/],
      [changed({ config: 'null' }), /must be a positive whole number/],
      [
        changed({ config: JSON.stringify({ ...miniature, heads: 3 }) }),
        /width \(8\) must be a multiple of heads \(3\)/,
      ],
      [
        changed({ config: JSON.stringify({ ...miniature, width: undefined }) }),
        /width must be a positive whole number/,
      ],
      [changed({ config: JSON.stringify({ ...miniature, coordinates: -1 }) }), /coordinates must be a whole number/],
      [changed({ config: JSON.stringify(coordinated) }), /no tensor "decoder.coordinate.row"/],
      [withTensors(map => map.delete('decoder.norm.gain')), /no tensor "decoder.norm.gain"/],
      [
        withTensors(map => map.set('decoder.norm.gain', { dtype: 'F32', shape: [9], data: new Float32Array(9) })),
        /"decoder.norm.gain" is F32 \[9\]; its config asks for F32 or F16 \[8\]/,
      ],
      [
        withTensors(map => map.set('decoder.norm.gain', { dtype: 'F64', shape: [8], data: new Float64Array(8) })),
        /"decoder.norm.gain" is F64/,
      ],
      [good.slice(0, good.length - 1), /./],
      [good.slice(0, 100), /cut off/],
    ];
    for (const [file, message] of cases) {
      const read = () => decodeCheckpoint(file);
      expect(read).toThrow(message);
      expect(read).toThrow(/^[^\n]*$/);
    }
  });
});

describe('the checksum of a checkpoint', () => {
  it('notices every changed bit, wherever it is', async () => {
    const good = await fileOf(randomModel(cpu), { stage: 'stage1', step: '7' });
    fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), fc.nat({ max: 7 }), (at, bit) => {
        const flipped = good.slice();
        flipped[at]! ^= 1 << bit;
        if (isPadding(good, at) && isPadding(flipped, at)) return; // one kind of white space for another
        expect(() => decodeCheckpoint(flipped)).toThrow(CheckpointError);
      }),
      { numRuns: 400 },
    );
  });

  const isPadding = (file: Uint8Array, at: number) => [9, 10, 13, 32].includes(file[at]!);

  it('is not asked of files from before it', async () => {
    const { metadata, tensors } = decodeSafetensors(await fileOf(randomModel(cpu)));
    const { sha256, ...old } = metadata;
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(decodeCheckpoint(encodeSafetensors(tensors, { ...old, version: '1' })).config).toEqual(miniature);
    expect(() => decodeCheckpoint(encodeSafetensors(tensors, old))).toThrow(/checksum is wrong/);
    const [name, weights] = [...tensors].find(([, { dtype }]) => dtype === 'F32')!;
    const broken = new Map(tensors).set(name, {
      ...weights,
      data: Float32Array.from(weights.data).fill(NaN, 0, 1),
    } as SafeTensor);
    expect(() => decodeCheckpoint(encodeSafetensors(broken, { ...old, version: '1' }))).toThrow(/not finite/);
  });
});

describe('an independent program', () => {
  it.each([
    ['cpu', miniature],
    ['wasm', miniature],
    ['cpu', coordinated],
    ['wasm', coordinated],
  ] as const)(
    'computes the same logits from the file as %s, for symbols and images, with a model of %o',
    async (name, config) => {
      const device = name === 'cpu' ? cpu : await openDevice(name, { threads: 1 });
      if (device !== cpu) devices.push(device);
      const file = await fileOf(randomModel(cpu, 3, {}, config));
      const model = await loadModel(device, decodeCheckpoint(file), { trainable: false });
      const examples = [...raggedExamples(4), ...slottedExamples(5)];
      const logits = await fullLogits(model, examples);
      const independent = independentLogits(file, examples);
      expect(logits).toHaveLength(independent.length);
      const all = independent.flat();
      expect(Math.max(...all) - Math.min(...all)).toBeGreaterThan(2); // the model says something
      expect(
        largestDifference(
          logits.flatMap(row => Array.from(row)),
          all,
        ),
      ).toBeLessThan(1e-4);
    },
  );

  it('keeps weights in f16 if asked to: half the bytes, each number rounded once', async () => {
    const model = randomModel(cpu, 3);
    const parameters = await model.parameters.save();
    const checkpoint = { config: miniature, parameters, optimizer: new Map(), metadata: {} };
    const file = encodeCheckpoint(checkpoint, 'f16');
    expect(encodeCheckpoint(checkpoint).length / file.length).toBeGreaterThan(1.5); // the header is as long
    const read = decodeCheckpoint(file).parameters;
    for (const [name, values] of parameters) expect(read.get(name)).toEqual(values.map(f16round));
  });

  it('notices every part: no tensor of the file can change without the logits changing', async () => {
    const model = randomModel(cpu, 3, {}, coordinated);
    const parameters = await model.parameters.save();
    const examples = slottedExamples(4);
    const reference = independentLogits(await fileOf(model), examples).flat();
    for (const [name, values] of parameters) {
      const changed = values.map(value => value * 1.5 + 0.25);
      // a key's bias alone cancels
      if (name.endsWith('attention.qkv.bias')) changed.fill(values[0]! + 1, 0, changed.length / 3);
      const file = encodeCheckpoint({
        config: coordinated,
        parameters: new Map(parameters).set(name, changed),
        optimizer: new Map(),
        metadata: {},
      });
      expect(largestDifference(independentLogits(file, examples).flat(), reference), name).toBeGreaterThan(1e-4);
    }
  });
});
