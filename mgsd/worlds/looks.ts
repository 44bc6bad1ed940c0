/**
 * Random looks: pictures to train on in which nothing but the roles is always the same. A look is drawn from a seed:
 * colours (palette.ts), sprites (of a few families of outlines, sizes, outline widths and marks), where the board lies
 * in the picture, and pixel noise. So a picture is a pure function of puzzle, size and seed.
 *
 * Colours, places and noise are drawn anew for every look. Of each sprite there are `VARIANTS` drawings, whose masks
 * are kept, so that a second picture is fast.
 */
import { Random } from '../../core/random.js';
import { checkPixels, type Placement } from './canvas.js';
import { maskOf, stamp, union, type Mask } from './masks.js';
import { drawPalette, type Roles } from './palette.js';
import { placed, rectangle, reversed, silhouettes, type Polygon, type SilhouetteName } from './silhouettes.js';
import { choose, type RandomSource, type WorldInstance } from './world.js';

/** Polygons of one colour, in the unit square of a cell, x to the right and y down; see `maskOf` for holes in them. */
export interface Layer {
  /** A role, or a shade of it: `goal`, `goal.edge`. */
  readonly colour: string;
  readonly polygons: readonly Polygon[];
}

/** Layers in the order in which they are painted. */
export type Drawing = readonly Layer[];

/** Sprites that are drawn together, since they must fit each other: a drawing for each name. */
type Part<Name extends string> = (random: RandomSource) => Readonly<Partial<Record<Name, Drawing>>>;

/** How a world may look. */
export interface Looks<Name extends string> {
  readonly roles: Roles;
  /** The role whose colour fills the picture, board and margin. */
  readonly background: string;
  /** What every cell has below its sprites, and what only those have where row + column is odd. */
  readonly ground: Part<'every' | 'odd' | Name>;
  /** The other sprites, each with variants of its own. */
  readonly sprites: readonly Part<Name>[];
}

/** Different drawings of a part. */
const VARIANTS = 32;
/** Shares of the picture's width that are margin, left and right of the board together. */
const MARGINS = [0, 0.04, 0.08];
/** Most pixel noise: its standard deviation, of 255. */
const MOST_NOISE = 14;

/** Standard normal noise in 1/32, which every picture reads from another place on. */
const noise = { values: new Int8Array(0) };
function noiseTable(): Int8Array {
  if (noise.values.length === 0) {
    const random = new Random(0);
    noise.values = Int8Array.from({ length: 2 ** 16 }, () =>
      Math.round(Math.min(3.9, Math.max(-3.9, random.normal())) * 32),
    );
  }
  return noise.values;
}

/** A drawing of one variant at one size, and the masks of its layers where they have been needed: by cell. */
interface Kept {
  readonly drawing: Drawing;
  readonly masks: (readonly Mask[])[];
}

/**
 * The function that draws a world's puzzles in random looks: RGB images (pixels, pixels, 3) from a seed, a whole number
 * of 32 bits.
 */
export function createLookRenderer<I extends WorldInstance, Name extends string>(
  looks: Looks<Name>,
  placements: (instance: I) => readonly Placement<Name>[],
): (instance: I, pixels: number, seed: number) => Uint8Array {
  const parts = [looks.ground, ...looks.sprites] as readonly Part<string>[];
  const known = new Map<string, ReadonlyMap<string, Kept>>();

  /** The drawings of a variant of each part, by sprite. */
  function sprites(part: number, variant: number, cells: number, side: number): ReadonlyMap<string, Kept> {
    const key = `${part},${variant},${cells},${side}`;
    let found = known.get(key);
    if (!found) {
      const drawings = Object.entries(parts[part]!(new Random(variant, part + 1)) as Record<string, Drawing>);
      known.set(key, (found = new Map(drawings.map(([name, drawing]) => [name, { drawing, masks: [] }]))));
    }
    return found;
  }

  return (instance, pixels, seed) => {
    const { size } = instance;
    checkPixels(size, pixels);
    const random = new Random(seed);
    const palette = drawPalette(random, looks.roles);
    const margin = Math.round(pixels * choose(random, MARGINS));
    const side = pixels - margin; // of the board, in pixels
    const [left, top] = [random.integer(margin + 1), random.integer(margin + 1)];
    const chosen = new Map(parts.flatMap((_, part) => [...sprites(part, random.integer(VARIANTS), size, side)]));
    const deviation = random.integer(2) * random.integer(MOST_NOISE + 1);

    const image = new Uint8Array(pixels * pixels * 3);
    fill(image, palette[looks.background]!);
    const paint = (sprite: string, place: number, make: (drawing: Drawing) => readonly Mask[]) => {
      const kept = chosen.get(sprite);
      if (!kept) return;
      const masks = (kept.masks[place] ??= make(kept.drawing));
      kept.drawing.forEach(({ colour }, layer) => {
        stamp(image, pixels, masks[layer]!, palette[colour]!, left, top);
      });
    };
    paint('odd', 0, drawing => groundMasks(drawing, true, size, side));
    paint('every', 0, drawing => groundMasks(drawing, false, size, side));
    for (const { row, col, sprite } of placements(instance))
      paint(sprite, row * size + col, drawing => cellMasks(drawing, row, col, size, side));
    if (deviation > 0) addNoise(image, deviation, random.integer(2 ** 16));
    return image;
  };
}

function cellMasks(drawing: Drawing, row: number, col: number, cells: number, side: number): Mask[] {
  const cell = side / cells;
  const inPixels = (polygon: Polygon) => polygon.map((value, i) => (value + (i % 2 === 0 ? col : row)) * cell);
  return drawing.map(({ polygons }) => maskOf(polygons.map(inPixels), side));
}

/** A mask of the whole board for each layer. */
function groundMasks(drawing: Drawing, onlyOdd: boolean, cells: number, side: number): Mask[] {
  const byCell = Array.from({ length: cells ** 2 }, (_, i) => [Math.floor(i / cells), i % cells] as const)
    .filter(([row, col]) => !onlyOdd || (row + col) % 2 === 1)
    .map(([row, col]) => cellMasks(drawing, row, col, cells, side));
  return drawing.map((_, layer) =>
    union(
      byCell.map(masks => masks[layer]!),
      side,
    ),
  );
}

function fill(image: Uint8Array, colour: readonly number[]): void {
  image.set(colour);
  for (let done = 3; done < image.length; done *= 2) image.copyWithin(done, 0, done);
}

/** @param deviation of 255. @param start place in the table of noise */
function addNoise(image: Uint8Array, deviation: number, start: number): void {
  const table = noiseTable();
  for (let i = 0; i < image.length; i++) {
    const value = image[i]! + ((table[(start + i) & 0xffff]! * deviation) >> 5);
    image[i] = value < 0 ? 0 : value > 255 ? 255 : value;
  }
}

const marks = ['disc', 'square', 'diamond', 'cross', 'triangle', 'star'] as const;

/**
 * Variants of an object: an outline of one of its families at a random size, slant and place, with or without an edge,
 * an empty middle, and a mark.
 * @param name the sprite's, and its role's
 * @param least radius in cells, and `most`
 */
export function objectPart<Name extends string>(
  name: Name,
  [least, most]: readonly [number, number],
  families: readonly SilhouetteName[],
): Part<Name> {
  return random => {
    const outline = silhouettes[choose(random, families)](random);
    const radius = least + (most - least) * random.uniform();
    const stretch = 0.85 + 0.15 * random.uniform();
    const [rx, ry] = random.integer(2) === 0 ? [radius, radius * stretch] : [radius * stretch, radius];
    const slant = 0.4 * (random.uniform() - 0.5);
    const shift = () => 0.5 + (random.uniform() - 0.5) * Math.max(0, 0.5 - radius);
    const [x, y] = [shift(), shift()];
    const scaled = (factor: number, polygon: Polygon = outline) =>
      placed(polygon, x, y, rx * factor, ry * factor, slant);
    const edge = random.uniform() < 0.5 ? 0.12 + 0.2 * random.uniform() : 0;
    const isRing = edge === 0 && random.uniform() < 0.25;
    const mark = silhouettes[choose(random, marks)](random);
    const size = isRing || random.uniform() < 0.5 ? 0 : 0.2 + 0.2 * random.uniform();
    const layers: Drawing = [
      ...(edge > 0 ? [{ colour: `${name}.edge`, polygons: [scaled(1)] }] : []),
      { colour: name, polygons: isRing ? [scaled(1), reversed(scaled(0.35))] : [scaled(1 - edge)] },
      ...(size > 0 ? [{ colour: `${name}.mark`, polygons: [scaled(size, mark)] }] : []),
    ];
    return { [name]: layers } as Partial<Record<Name, Drawing>>;
  };
}

/**
 * Variants of a plain floor: thin or thick lines between its cells, a chequerboard, specks, or nothing.
 * @param line the role of their colour
 */
export function floorPart(line: string): Part<'every' | 'odd'> {
  return random => {
    if (random.uniform() < 0.1) return { odd: [{ colour: line, polygons: [rectangle(0, 0, 1, 1)] }] };
    const width = 0.02 + 0.1 * random.uniform();
    const lines = [rectangle(0, 0, width, 1), rectangle(width, 0, 1, width)]; // along the left side and the top
    const at = () => 0.2 + 0.6 * random.uniform();
    const speck = placed(silhouettes[choose(random, marks)](random), at(), at(), width);
    const polygons = choose(random, [[], lines, lines, lines, [speck], [...lines, speck]]);
    return { every: [{ colour: line, polygons }] };
  };
}
