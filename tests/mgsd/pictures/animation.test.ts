import { decode, decodeFrames } from 'modern-gif';
import { describe, expect, it } from 'vitest';
import { encodeGif, planFrames } from '../../../mgsd/pictures/animation.js';
import type { RgbImage } from '../../../mgsd/pictures/png.js';
import { createWorldByName, WORLD_NAMES } from '../../../mgsd/worlds/registry.js';
import type { World } from '../../../mgsd/worlds/world.js';
import { Random } from '../../../core/index.js';

const plain = (value: number): RgbImage => ({ width: 5, height: 3, data: new Uint8Array(45).fill(value) });

describe('a moving picture', () => {
  const frames = [
    { image: plain(10), milliseconds: 250 },
    { image: plain(200), milliseconds: 1000 },
    { image: plain(90), milliseconds: 60 },
  ];

  it('holds every frame for its time, and plays for ever', async () => {
    const file = (await encodeGif(frames)).buffer;
    expect(decode(file)).toMatchObject({ width: 5, height: 3, looped: true, loopCount: 0 });
    const back = decodeFrames(file);
    expect(back.map(({ delay }) => delay)).toEqual([250, 1000, 60]);
    expect(back.map(({ data }) => [...new Set(data)])).toEqual([
      [10, 255],
      [200, 255],
      [90, 255],
    ]); // grey, opaque
  });

  it.each(WORLD_NAMES)('%s: looks like the board', async name => {
    const world: World = createWorldByName(name);
    const instance = world.generate(new Random(5, 1), world.levels.at(-1)!);
    const shown = planFrames(world, instance, world.referencePlan(instance), 64);
    decodeFrames((await encodeGif(shown)).buffer).forEach(({ data }, k) => {
      const rgb = data.filter((_, i) => i % 4 < 3);
      const error = shown[k]!.image.data.reduce((most, value, i) => Math.max(most, Math.abs(value - rgb[i]!)), 0);
      expect(error).toBeLessThan(10);
    });
  });

  it('refuses frames that do not fit together', async () => {
    await expect(encodeGif([])).rejects.toThrow(/at least one frame/);
    const wide = { width: 6, height: 3, data: new Uint8Array(54) };
    await expect(encodeGif([frames[0]!, { image: wide, milliseconds: 1 }])).rejects.toThrow(/of the same size/);
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
