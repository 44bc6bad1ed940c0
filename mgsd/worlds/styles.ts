/**
 * The render styles of a world: that of training, and a held-out one that no model trains on. The held-out style draws
 * the same roles with other shapes, shades and line widths, and varies from puzzle to puzzle: the puzzle's key picks
 * one of a few versions of the sheet, and shifts each loose sprite a little. So rendering stays a pure function of the
 * puzzle.
 */

import { BoardPainter, moved, type Placement, type Sprite, type SpriteSheet } from './canvas.js';
import { crc32 } from './crc32.js';
import { createLookRenderer, type Looks } from './looks.js';
import { RENDER_STYLES, type RenderStyle, type WorldInstance } from './world.js';

export interface Style<Name extends string> {
  /** Number of versions of the sheet. */
  readonly versions: number;
  /** The sheet for cells of `side` pixels (for what is measured in pixels); version 0 .. versions - 1. */
  readonly sheet: (side: number, version: number) => SpriteSheet<Name>;
  /** Sprites that are moved by up to `MAXIMUM_SHIFT` of a cell; they must leave that margin to their cell's border. */
  readonly loose: readonly Name[];
}

/** How far a loose sprite is moved at most, in cells. */
const MAXIMUM_SHIFT = 0.05;

/** Where a loose sprite may sit: in the middle or towards a corner. Few, since a painter keeps each of them. */
const SHIFTS = [
  { x: 0, y: 0 },
  ...[-MAXIMUM_SHIFT, MAXIMUM_SHIFT].flatMap(x => [-MAXIMUM_SHIFT, MAXIMUM_SHIFT].map(y => ({ x, y }))),
];

/**
 * A number from 0 to count - 1 that follows from a text; the low bits are left to the split, which uses the same hash.
 */
function pick(text: string, count: number): number {
  return (crc32(text) >>> 8) % count;
}

/** A sheet that also has each loose sprite in its shifted places, under its name and the number of the shift. */
function withShiftedSprites<Name extends string>(
  sheet: SpriteSheet<Name>,
  loose: readonly Name[],
): SpriteSheet<string> {
  const sprites: Record<string, Sprite> = { ...sheet.sprites };
  for (const name of loose)
    SHIFTS.forEach(({ x, y }, i) => {
      sprites[`${name}${i}`] = sheet.sprites[name].map(shape => moved(shape, x, y));
    });
  return { ground: sheet.ground, sprites };
}

/** How a world looks, and which sprites stand where. */
interface Appearance<I extends WorldInstance, Name extends string> {
  readonly title: string;
  readonly styles: Readonly<Record<'training' | 'held-out', Style<Name>>>;
  readonly looks: Looks<Name>;
  readonly placements: (instance: I) => readonly Placement<Name>[];
  readonly instanceKey: (instance: I) => string;
}

/**
 * The function that draws a world's puzzles as RGB images, (pixels, pixels, 3); a RangeError for an unknown style or
 * too few pixels. Keeps one painter for each style, version and size, so that a second image is fast.
 */
export function createRenderer<I extends WorldInstance, Name extends string>({
  title,
  styles,
  looks,
  placements,
  instanceKey,
}: Appearance<I, Name>): (instance: I, pixels: number, style?: RenderStyle) => Uint8Array {
  const painters = new Map<string, BoardPainter<string>>();
  const renderLook = createLookRenderer(looks, placements);
  return (instance, pixels, style = 'training') => {
    if (typeof style === 'number' ? style >>> 0 !== style : !RENDER_STYLES.includes(style))
      throw new RangeError(
        `${title} has no style '${style}': choose one of ${RENDER_STYLES.join(', ')}, or a seed from 0 to ${2 ** 32 - 1}`,
      );
    if (typeof style === 'number') return renderLook(instance, pixels, style);
    if (style === 'random') return renderLook(instance, pixels, crc32(instanceKey(instance)));
    const { versions, loose, sheet } = styles[style];
    const key = versions > 1 || loose.length > 0 ? instanceKey(instance) : '';
    const version = pick(key, versions);
    const painterKey = `${style},${version},${instance.size},${pixels}`;
    let painter = painters.get(painterKey);
    if (painter === undefined) {
      const sprites = withShiftedSprites(sheet(pixels / instance.size, version), loose);
      painter = new BoardPainter(sprites, instance.size, pixels);
      painters.set(painterKey, painter);
    }
    const shifted = ({ row, col, sprite }: Placement<Name>): Placement<string> =>
      loose.includes(sprite)
        ? { row, col, sprite: `${sprite}${pick(`${row},${col},${sprite} of ${key}`, SHIFTS.length)}` }
        : { row, col, sprite };
    return painter.paint(placements(instance).map(shifted));
  };
}
