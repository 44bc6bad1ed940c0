import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { planFrames } from '../../../mgsd/pictures/animation.js';
import { encodeApng } from '../../../mgsd/pictures/apng.js';
import { decodePng } from '../../../mgsd/pictures/png.js';
import type { RgbImage } from '../../../mgsd/pictures/png.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';
import type { World } from '../../../mgsd/worlds/world.js';
import { Random } from '../../../core/index.js';

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

/** An independent walk over a file's chunks. */
function chunksOf(file: Uint8Array): Chunk[] {
  const bytes = Buffer.from(file);
  const chunks: Chunk[] = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at))
    chunks.push({
      type: bytes.toString('latin1', at + 4, at + 8),
      data: bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)),
    });
  return chunks;
}

const plain = (value: number): RgbImage => ({ width: 5, height: 3, data: new Uint8Array(45).fill(value) });

describe('a moving picture', () => {
  const frames = [
    { image: plain(10), milliseconds: 250 },
    { image: plain(200), milliseconds: 1000 },
    { image: plain(90), milliseconds: 0 },
  ];
  const file = encodeApng(frames);

  it('shows its first frame to whoever cannot play it', () => {
    expect(decodePng(file)).toEqual(frames[0]!.image); // checks every checksum too
  });

  it('has its chunks in the order of the specification, numbered without a gap', () => {
    const chunks = chunksOf(file);
    expect(chunks.map(({ type }) => type)).toEqual(['IHDR', 'acTL', 'fcTL', 'IDAT', 'fcTL', 'fdAT', 'fcTL', 'fdAT', 'IEND']); // prettier-ignore
    const numbered = chunks.filter(({ type }) => type === 'fcTL' || type === 'fdAT');
    expect(numbered.map(({ data }) => data.readUInt32BE(0))).toEqual([0, 1, 2, 3, 4]);
    const [actl] = chunks.filter(({ type }) => type === 'acTL');
    expect([actl!.data.readUInt32BE(0), actl!.data.readUInt32BE(4)]).toEqual([3, 0]);
    const times = chunks.filter(({ type }) => type === 'fcTL').map(({ data }) => data.readUInt16BE(20) / data.readUInt16BE(22)); // prettier-ignore
    expect(times).toEqual([0.25, 1, 0]);
  });

  it('holds the later frames as pixels', () => {
    const [, data] = chunksOf(file).filter(({ type }) => type === 'fdAT');
    const rows = inflateSync(data!.data.subarray(4)); // a filter's number and 15 bytes per row, 3 rows
    expect(rows).toHaveLength(3 * 16);
    expect(rows[0]! <= 4).toBe(true);
  });

  it('refuses frames that do not fit together', () => {
    expect(() => encodeApng([])).toThrow(/at least one frame/);
    const wide = { width: 6, height: 3, data: new Uint8Array(54) };
    expect(() => encodeApng([frames[0]!, { image: wide, milliseconds: 1 }])).toThrow(/one size: 5 x 3/);
    expect(() => encodeApng([{ image: plain(1), milliseconds: 70_000 }])).toThrow(/65535/);
  });
});

describe('a plan being carried out', () => {
  const world: World = createWorldByName('frozenlake');
  const instance = world.generate(new Random(5, 1), 4);
  const plan = world.referencePlan(instance);

  it('begins at the start, moves between cells, and ends with the whole way', () => {
    const shown = planFrames(world, instance, plan, 64);
    expect(shown).toHaveLength(1 + 4 * plan.length);
    expect(shown.every(({ image }) => image.width === 64 && image.height === 64)).toBe(true);
    const different = new Set(shown.map(({ image }) => Buffer.from(image.data).toString('base64')));
    expect(different.size).toBe(shown.length);
  });

  it('stops where the plan fails, and shows a board where there is no plan', () => {
    const fatal = world.actions.find(action => world.step(instance, world.start(instance), action).verdict === 'fatal');
    if (fatal === undefined) throw new Error('this board has nothing fatal beside its start: choose another seed');
    const failing = planFrames(world, instance, [fatal, ...plan], 64);
    expect(failing.length).toBeLessThanOrEqual(5);
    expect(planFrames(world, instance, [], 64)).toHaveLength(1);
  });
});
