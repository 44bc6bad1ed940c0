/**
 * The looks of a world: the training look, and the held-out look that a model never trains on. The held-out one draws the
 * same roles with other shapes, shades and line widths, and no two of its images quite alike: by its key, each puzzle takes
 * one of a few versions of the sheet, and each loose sprite sits a little beside its place. All of it is decided by the
 * puzzle alone, so that rendering stays a pure function.
 */

import { crc32 } from './crc32.js';
import { BoardPainter, type Placement, type Shape, type Sprite, type SpriteSheet } from './canvas.js';
import type { RenderStyle, WorldInstance } from './world.js';

export interface Look<Name extends string> {
  /** Number of versions of the sheet. */
  readonly versions: number;
  /** The sheet for cells of `side` pixels (for what is measured in pixels); version 0 .. versions - 1. */
  readonly sheet: (side: number, version: number) => SpriteSheet<Name>;
  /** Sprites that are moved by up to `MAXIMUM_SHIFT` of a cell; they must leave that margin to their cell's border. */
  readonly loose: readonly Name[];
}

/** How far a loose sprite is moved at most, in cells. */
export const MAXIMUM_SHIFT = 0.05;

/** Where a loose sprite may sit: in the middle or towards one of the corners. Few, since a painter keeps each of them. */
const SHIFTS = [
  { x: 0, y: 0 },
  ...[-MAXIMUM_SHIFT, MAXIMUM_SHIFT].flatMap(x => [-MAXIMUM_SHIFT, MAXIMUM_SHIFT].map(y => ({ x, y }))),
];

/** A shape moved by (x, y) cells. */
function movedShape(shape: Shape, x: number, y: number): Shape {
  switch (shape.kind) {
    case 'ellipse':
      return { ...shape, x: shape.x + x, y: shape.y + y };
    case 'box':
      return {
        ...shape,
        left: shape.left + x,
        right: shape.right + x,
        top: shape.top + y,
        bottom: shape.bottom + y,
      };
    case 'polygon':
      return { ...shape, points: shape.points.map((value, i) => value + (i % 2 === 0 ? x : y)) };
  }
}

/** A number from 0 to count - 1 that a text decides; the low bits are left to the split, which uses the same hash. */
function pick(text: string, count: number): number {
  return (crc32(text) >>> 8) % count;
}

/** A sheet in which each loose sprite also stands moved, under its name with the number of its place. */
function withMovedSprites<Name extends string>(sheet: SpriteSheet<Name>, loose: readonly Name[]): SpriteSheet<string> {
  const sprites: Record<string, Sprite> = { ...sheet.sprites };
  for (const name of loose)
    SHIFTS.forEach(({ x, y }, i) => {
      sprites[`${name}${i}`] = sheet.sprites[name].map(shape => movedShape(shape, x, y));
    });
  return { ground: sheet.ground, sprites };
}

/** Draws the puzzles of a world in its looks. Keeps one painter per look, version and size: a second image is fast. */
export class Looks<I extends WorldInstance, Name extends string> {
  readonly #title: string;
  readonly #looks: Readonly<Record<RenderStyle, Look<Name>>>;
  readonly #keyOf: (instance: I) => string;
  readonly #painters = new Map<string, BoardPainter<string>>();

  constructor(title: string, keyOf: (instance: I) => string, looks: Readonly<Record<RenderStyle, Look<Name>>>) {
    this.#title = title;
    this.#keyOf = keyOf;
    this.#looks = looks;
  }

  get styles(): readonly RenderStyle[] {
    return Object.keys(this.#looks) as RenderStyle[];
  }

  /** The puzzle as an RGB image: (pixels, pixels, 3). RangeError for a style that does not exist or too few pixels. */
  paint(instance: I, pixels: number, style: RenderStyle, placements: readonly Placement<Name>[]): Uint8Array {
    if (!Object.hasOwn(this.#looks, style))
      throw new RangeError(`${this.#title} has no style '${style}': choose one of ${this.styles.join(', ')}`);
    const look = this.#looks[style];
    if (look.versions === 1 && look.loose.length === 0)
      return this.#painter(style, instance.size, pixels, 0).paint(placements);

    const key = this.#keyOf(instance);
    const moved = placements.map(({ row, col, sprite }) =>
      look.loose.includes(sprite)
        ? { row, col, sprite: `${sprite}${pick(`${row},${col},${sprite} of ${key}`, SHIFTS.length)}` }
        : { row, col, sprite },
    );
    return this.#painter(style, instance.size, pixels, pick(key, look.versions)).paint(moved);
  }

  #painter(style: RenderStyle, cells: number, pixels: number, version: number): BoardPainter<string> {
    const key = `${style},${version},${cells},${pixels}`;
    let painter = this.#painters.get(key);
    if (painter === undefined) {
      const look = this.#looks[style];
      painter = new BoardPainter(withMovedSprites(look.sheet(pixels / cells, version), look.loose), cells, pixels);
      this.#painters.set(key, painter);
    }
    return painter;
  }
}
