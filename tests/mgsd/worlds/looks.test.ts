import { describe, expect, test } from 'vitest';
import { Random } from '../../../core/random.js';
import { labDistance, labOf, colourOf, labAt } from '../../../mgsd/worlds/colour.js';
import type { Shape, Sprite } from '../../../mgsd/worlds/canvas.js';
import { LOOKS as lakeLooks } from '../../../mgsd/worlds/frozenlake/looks.js';
import { createFrozenLake } from '../../../mgsd/worlds/frozenlake/frozenlake.js';
import { STYLES as lakeStyles } from '../../../mgsd/worlds/frozenlake/sprites.js';
import type { Drawing } from '../../../mgsd/worlds/looks.js';
import { maskOf, stamp, union } from '../../../mgsd/worlds/masks.js';
import { createMaze } from '../../../mgsd/worlds/maze/maze.js';
import { LOOKS as mazeLooks } from '../../../mgsd/worlds/maze/looks.js';
import { STYLES as mazeStyles } from '../../../mgsd/worlds/maze/sprites.js';
import { createMiniBehaviour } from '../../../mgsd/worlds/minibehaviour/minibehaviour.js';
import { LOOKS as officeLooks } from '../../../mgsd/worlds/minibehaviour/looks.js';
import { STYLES as officeStyles } from '../../../mgsd/worlds/minibehaviour/sprites.js';
import { HELD_OUT_DISTANCE, drawPalette, groundRole, type Palette, type Roles } from '../../../mgsd/worlds/palette.js';
import { placed, rectangle, reversed, silhouettes, type Polygon } from '../../../mgsd/worlds/silhouettes.js';
import type { World } from '../../../mgsd/worlds/world.js';
import { testRandom } from '../random.js';

const worlds: readonly { readonly world: World; readonly roles: Roles }[] = [
  { world: createFrozenLake(), roles: lakeLooks.roles },
  { world: createMaze(), roles: mazeLooks.roles },
  { world: createMiniBehaviour(), roles: officeLooks.roles },
];

const palettes = (roles: Roles): Palette[] =>
  Array.from({ length: 300 }, (_, seed) => drawPalette(new Random(seed), roles));

test('roles that leave each other no room are an Error, not an endless loop', () => {
  const grey: Parameters<typeof groundRole> = [[0.4, 0.6], [0, 0.1], [0, 360], []];
  const roles = { ground: groundRole(...grey), hole: { ...groundRole(...grey), apartFrom: { ground: 2 } } };
  expect(() => drawPalette(new Random(1), roles)).toThrow(/no colours for ground, hole in 1000 palettes/);
});

describe.each(worlds)('random looks of $world.title', ({ world, roles }) => {
  test('a picture follows from puzzle, size and seed: other puzzles in between change nothing', () => {
    const puzzle = world.generate(testRandom(1), world.levels[1]!);
    const other = world.generate(testRandom(2), world.levels[1]!);
    const pictures = [0, 1, 2 ** 32 - 1].map(seed => world.render(puzzle, 48, seed));
    expect(new Set(pictures.map(String)).size).toBe(3);
    for (let seed = 0; seed < 40; seed++) world.render(other, 48, seed);
    expect([0, 1, 2 ** 32 - 1].map(seed => world.render(structuredClone(puzzle), 48, seed))).toEqual(pictures);
    expect(world.render(other, 48, 1)).not.toEqual(pictures[1]);
  });

  test('no colour comes near the one that the held-out look has for the same role', () => {
    for (const palette of palettes(roles))
      for (const [name, colour] of Object.entries(palette))
        for (const heldOut of roles[name.split('.')[0]!]!.heldOut)
          expect(labDistance(labOf(colour), labOf(heldOut)), name).toBeGreaterThanOrEqual(HELD_OUT_DISTANCE);
  });

  test('every role stands out against those that it may be mistaken for, and shades against what they lie on', () => {
    for (const palette of palettes(roles))
      for (const [name, { apartFrom, shaded }] of Object.entries(roles)) {
        const lab = labOf(palette[name]!);
        for (const [other, distance] of Object.entries(apartFrom))
          expect(labDistance(lab, labOf(palette[other]!)), `${name} and ${other}`).toBeGreaterThanOrEqual(distance);
        for (const shade of shaded ? ['edge', 'mark'] : [])
          expect(Math.abs(labOf(palette[`${name}.${shade}`]!)[0] - lab[0]), name).toBeGreaterThan(0.1);
      }
  });

  test('backgrounds are light and dark, grey and coloured, in every hue', () => {
    const ground = Object.keys(roles)[0]!;
    const labs = palettes(roles).map(palette => labOf(palette[ground]!));
    const share = (found: (lab: (typeof labs)[number]) => boolean) => labs.filter(found).length / labs.length;
    expect(share(([lightness]) => lightness > 0.75)).toBeGreaterThan(0.15);
    expect(share(([lightness]) => lightness < 0.45)).toBeGreaterThan(0.1);
    expect(share(([, a, b]) => Math.hypot(a, b) < 0.03)).toBeGreaterThan(0.15);
    for (const [signA, signB] of [
      [1, 1],
      [1, -1],
      [-1, 1],
      [-1, -1],
    ] as const)
      expect(share(([, a, b]) => Math.hypot(a, b) > 0.04 && a * signA > 0 && b * signB > 0)).toBeGreaterThan(0.05);
  });

  test('what differs between two puzzles can be seen in every look, at the smallest cells', () => {
    const level = world.levels.at(-1)!;
    for (let seed = 0; seed < 60; seed++) {
      const [puzzle, other] = [2 * seed, 2 * seed + 1].map(s => world.generate(testRandom(s), level));
      const [picture, changed] = [puzzle!, other!].map(each => world.render(each, 48, seed));
      // Noise is the same for both: what remains are the sprites. A changed cell has at least 36 pixels.
      const clear = picture!.filter((value, i) => Math.abs(value - changed![i]!) > 24).length;
      expect(clear, `look ${seed}`).toBeGreaterThan(20);
    }
  });

  test('sizes and seeds that cannot be drawn are refused', () => {
    const puzzle = world.generate(testRandom(1), world.levels[0]!);
    expect(() => world.render(puzzle, 48, -1)).toThrow(/no style '-1': .* or a seed from 0 to 4294967295/);
    expect(() => world.render(puzzle, 48, 0.5)).toThrow(RangeError);
    expect(() => world.render(puzzle, 2, 1)).toThrow(/2 pixels cannot show/);
    expect(world.render(puzzle, puzzle.size, 1)).toHaveLength(puzzle.size ** 2 * 3);
  });
});

test('objects stand where they are: each FrozenLake hole differs from the ice beside it, in every look', () => {
  const { world } = worlds[0]!;
  for (let seed = 0; seed < 100; seed++) {
    const board = world.generate(testRandom(seed), 4) as unknown as { holes: number[]; start: number; goal: number };
    const bare = { ...board, holes: [] };
    const [picture, empty] = [board, bare].map(each => world.render(each as never, 64, seed));
    // In each hole's cell at least a fifth of the pixels change, elsewhere none but at the seams.
    const changed = new Array<number>(16).fill(0);
    for (let i = 0; i < picture!.length; i += 3)
      if ([0, 1, 2].some(c => Math.abs(picture![i + c]! - empty![i + c]!) > 12)) {
        const [x, y] = [(i / 3) % 64, Math.floor(i / 3 / 64)];
        changed[4 * Math.floor(y / 16) + Math.floor(x / 16)]! += 1;
      }
    for (let cell = 0; cell < 16; cell++) {
      const isHole = board.holes.includes(8 * Math.floor(cell / 4) + (cell % 4));
      if (isHole) expect(changed[cell], `look ${seed}`).toBeGreaterThan(25);
    }
  }
});

describe('sprites of the held-out look', () => {
  const side = 48;
  /** What polygons cover, stretched to fill a square. */
  function silhouette(polygons: readonly Polygon[]): Float64Array {
    const bounds = [0, 1].map(axis => {
      const values = polygons.flat().filter((_, i) => i % 2 === axis);
      return { least: Math.min(...values), length: Math.max(...values) - Math.min(...values) };
    });
    const out = new Float64Array(side * side);
    for (const polygon of polygons) {
      const stretched = polygon.map((value, i) => (side * (value - bounds[i % 2]!.least)) / bounds[i % 2]!.length);
      const { left, top, width, cover } = maskOf([stretched], side);
      cover.forEach((part, i) => {
        const at = (top + Math.floor(i / width)) * side + left + (i % width);
        out[at] = Math.max(out[at]!, part / 256);
      });
    }
    return out;
  }
  const polygonOf = (shape: Shape): Polygon =>
    shape.kind === 'ellipse'
      ? placed(silhouettes.disc(), shape.x, shape.y, shape.rx, shape.ry)
      : shape.kind === 'box'
        ? rectangle(...(shape.points as [number, number, number, number]))
        : shape.points;
  const sum = (a: Float64Array, b: Float64Array, of: (x: number, y: number) => number) =>
    a.reduce((total, value, i) => total + of(value, b[i]!), 0);

  // Two silhouettes share this much of what either covers. Holes are blobs in any look, and tables fill their cells.
  const atMost: Readonly<Record<string, number>> = { hole: 0.95, table: 1 };
  test.each([
    ['FrozenLake', lakeLooks.sprites, lakeStyles],
    ['Maze', mazeLooks.sprites, mazeStyles],
    ['MiniBehaviour', officeLooks.sprites, officeStyles],
  ] as const)('%s: no random look draws them', (_, parts, styles) => {
    const heldOut = styles['held-out'].sheet(16, 0).sprites as Readonly<Record<string, Sprite>>;
    for (const [p, part] of parts.entries())
      for (let variant = 0; variant < 60; variant++) {
        const [name, layers] = Object.entries(part(new Random(variant, p + 1)) as Record<string, Drawing>)[0]!;
        const drawn = silhouette(layers.map(({ polygons }) => polygons[0]!));
        const other = silhouette(heldOut[name]!.map(polygonOf));
        const shared = sum(drawn, other, Math.min) / sum(drawn, other, Math.max);
        expect(shared, `${name} ${variant}`).toBeLessThanOrEqual(atMost[name] ?? 0.9);
      }
  });
});

describe('colours', () => {
  test('OKLab of known colours, there and back', () => {
    expect(labOf([255, 255, 255]).map(v => Math.round(v * 1e3) / 1e3 + 0)).toEqual([1, 0, 0]);
    // Ottosson's page gives red as lightness 0.628, chroma 0.258, hue 29.2
    const [lightness, a, b] = labOf([255, 0, 0]);
    expect([lightness, Math.hypot(a, b), (Math.atan2(b, a) * 180) / Math.PI].map(v => v.toFixed(2))).toEqual([
      '0.63',
      '0.26',
      '29.23',
    ]);
    for (const colour of [
      [12, 200, 99],
      [0, 0, 0],
      [250, 3, 128],
    ] as const)
      expect(colourOf(labOf(colour)) ?? colour).toEqual(colour);
    expect(colourOf(labAt(0.9, 0.3, 264))).toBeUndefined(); // no screen has so light and vivid a blue
  });
});

describe('masks', () => {
  const area = ({ cover }: { readonly cover: Uint16Array }) => cover.reduce((sum, part) => sum + part, 0) / 256;

  test('cover is the area, also of what lies between pixels, concave shapes and holes', () => {
    expect(area(maskOf([rectangle(1.25, 2, 5.5, 7.75)], 10))).toBeCloseTo(4.25 * 5.75, 1);
    expect(area(maskOf([placed(silhouettes.disc(), 10, 10, 8)], 20))).toBeCloseTo(12 * 64 * Math.sin(Math.PI / 12), 0);
    const cross = placed(silhouettes.cross(new Random(1)), 10, 10, 8);
    const arm = Math.abs(cross[0]! - 10); // half its width
    expect(Math.abs(area(maskOf([cross], 20)) - (2 * 16 * 2 * arm - (2 * arm) ** 2))).toBeLessThan(4);
    const [outer, inner] = [rectangle(0, 0, 10, 10), rectangle(3, 3, 6, 6)];
    expect(area(maskOf([outer, reversed(inner)], 10))).toBeCloseTo(91, 5);
  });

  test('what lies outside of the image is cut off; a union adds what its masks share', () => {
    expect(area(maskOf([rectangle(-5, -5, 5, 5)], 8))).toBe(25);
    expect(maskOf([rectangle(-5, -5, -1, -1)], 8).width).toBe(0);
    const halves = [rectangle(0, 0, 1.5, 2), rectangle(1.5, 0, 2, 2)].map(half => maskOf([half], 2));
    expect(Array.from(union(halves, 2).cover)).toEqual([256, 256, 256, 256]);
  });

  test('a stamp is moved by whole pixels, and blends by cover', () => {
    const image = new Uint8Array(3 * 3 * 3);
    stamp(image, 3, maskOf([rectangle(0, 0, 1.5, 1)], 3), [200, 100, 0], 2, 1);
    expect(Array.from(image.subarray(3 * 5, 3 * 6))).toEqual([200, 100, 0]); // the half pixel beside it is cut off
    stamp(image, 3, maskOf([rectangle(0, 0, 0.5, 1)], 3), [0, 0, 0], 2, 1);
    expect(Array.from(image.subarray(3 * 5, 3 * 6))).toEqual([100, 50, 0]);
    expect(image.filter(value => value > 0)).toHaveLength(2);
  });
});
