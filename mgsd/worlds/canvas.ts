/**
 * Draws boards: sprites of a few flat shapes, painted into the cells of a square board at any image size. A pixel is
 * the mean colour of its area, taken from many sample points. Cells need not align with pixels (48 pixels hold 3, 4 or
 * 5 cells), so a pixel may belong to several cells.
 *
 * Such an image is linear in its sprites. So the painter keeps, for every sprite and cell, the *difference* to the
 * empty board in the pixels that the cell touches; an image is the empty board plus the differences of its sprites.
 * That takes some ten microseconds for a small image, however fine the sampling was.
 */

export type Colour = readonly [red: number, green: number, blue: number];

/** Colours from hexadecimal digits, as in CSS: `hex('#ff8000')`. */
export function hex<T extends readonly string[]>(...texts: T): { readonly [K in keyof T]: Colour } {
  const byte = (text: string, at: number) => parseInt(text.slice(at, at + 2), 16);
  return texts.map(text => [byte(text, 1), byte(text, 3), byte(text, 5)]) as { readonly [K in keyof T]: Colour };
}

/** A shape in the unit square of its cell, x to the right and y down; `opacity` 0..1, 1 if left out. */
export type Shape = { readonly colour: Colour; readonly opacity?: number } & (
  | { readonly kind: 'ellipse'; readonly x: number; readonly y: number; readonly rx: number; readonly ry: number }
  /** Corners x0, y0, x1, y1, ...; of a box, top left and bottom right. */
  | { readonly kind: 'box' | 'polygon'; readonly points: readonly number[] }
);

export function ellipse(x: number, y: number, rx: number, ry: number, colour: Colour): Shape {
  return { kind: 'ellipse', x, y, rx, ry, colour };
}

export function box(left: number, top: number, right: number, bottom: number, colour: Colour): Shape {
  return { kind: 'box', points: [left, top, right, bottom], colour };
}

export function polygon(points: readonly number[], colour: Colour): Shape {
  return { kind: 'polygon', points, colour };
}

/** The shape moved by (x, y) cells. */
export function moved(shape: Shape, x: number, y: number): Shape {
  return shape.kind === 'ellipse'
    ? { ...shape, x: shape.x + x, y: shape.y + y }
    : { ...shape, points: shape.points.map((value, i) => value + (i % 2 === 0 ? x : y)) };
}

/** Shapes in the order in which they are painted, the lowest first. */
export type Sprite = readonly Shape[];

/** A world's sprites: the empty cell's, which must cover it, and those that may be painted over it. */
export interface SpriteSheet<Name extends string> {
  readonly ground: Sprite;
  readonly sprites: Readonly<Record<Name, Sprite>>;
}

/** A sprite in a cell. */
export interface Placement<Name extends string> {
  readonly row: number;
  readonly col: number;
  readonly sprite: Name;
}

/** Whether the shape covers the point (x, y). */
function covers(shape: Shape, x: number, y: number): boolean {
  if (shape.kind === 'ellipse') {
    const [u, v] = [(x - shape.x) / shape.rx, (y - shape.y) / shape.ry];
    return u * u + v * v <= 1;
  }
  const { points } = shape;
  if (shape.kind === 'box') return x >= points[0]! && x < points[2]! && y >= points[1]! && y < points[3]!;
  // Even-odd rule: count the edges that a ray to the right crosses.
  let inside = false;
  for (let i = 0, last = points.length - 2; i < points.length; last = i, i += 2) {
    const y1 = points[last + 1]!;
    const y2 = points[i + 1]!;
    if (y1 > y === y2 > y) continue;
    const x1 = points[last]!;
    if (x < x1 + ((y - y1) * (points[i]! - x1)) / (y2 - y1)) inside = !inside;
  }
  return inside;
}

/** The colour of the painted shapes at (x, y), 0..255, written to `out`: (3). Black without a shape. */
function colourAt(layers: readonly Sprite[], x: number, y: number, out: Float64Array): void {
  let [red, green, blue] = [0, 0, 0];
  for (const sprite of layers) {
    for (const shape of sprite) {
      if (!covers(shape, x, y)) continue;
      const opacity = shape.opacity ?? 1;
      red = red * (1 - opacity) + shape.colour[0] * opacity;
      green = green * (1 - opacity) + shape.colour[1] * opacity;
      blue = blue * (1 - opacity) + shape.colour[2] * opacity;
    }
  }
  out[0] = red;
  out[1] = green;
  out[2] = blue;
}

/**
 * Colour sums are whole numbers in units of 1/64 of a colour step, so that sums do not depend on the order of adding.
 */
const UNIT = 64;

/** A rectangle of pixels with the colour difference that a sprite makes there, in 1/64 steps: (height, width, 3). */
interface Patch {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly values: Int16Array;
}

/** The smallest box around all shapes of a sprite, in cells. */
function boundsOf(sprite: Sprite): { left: number; top: number; right: number; bottom: number } {
  const corners = sprite.flatMap(shape =>
    shape.kind === 'ellipse'
      ? [shape.x - shape.rx, shape.y - shape.ry, shape.x + shape.rx, shape.y + shape.ry]
      : shape.points,
  );
  const [xs, ys] = [0, 1].map(axis => corners.filter((_, i) => i % 2 === axis)) as [number[], number[]];
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
}

/** RangeError unless an image of `pixels` x `pixels` can show a board with `cells` cells a side. */
export function checkPixels(cells: number, pixels: number): void {
  if (!Number.isInteger(pixels) || pixels < cells || pixels > 2048)
    throw new RangeError(
      `an image of ${pixels} pixels cannot show ${cells} cells a side: choose a whole number from ${cells} to 2048`,
    );
}

/** Draws boards with `cells` cells a side as `pixels` x `pixels` images; keeps what it has drawn. */
export class BoardPainter<Name extends string> {
  readonly cells: number;
  readonly pixels: number;
  readonly #sheet: SpriteSheet<Name>;
  readonly #empty: Int16Array;
  readonly #work: Int16Array;
  /** By sprite, then by cell in raster order. */
  readonly #patches = new Map<Name, (Patch | undefined)[]>();

  constructor(sheet: SpriteSheet<Name>, cells: number, pixels: number) {
    checkPixels(cells, pixels);
    this.cells = cells;
    this.pixels = pixels;
    this.#sheet = sheet;
    this.#empty = new Int16Array(pixels * pixels * 3);
    this.#work = new Int16Array(pixels * pixels * 3);
    for (let row = 0; row < cells; row++)
      for (let col = 0; col < cells; col++) this.#add(this.#empty, this.#sample(row, col, sheet.ground, []));
  }

  /** The image of a board with these sprites; several may share a cell if they do not overlap: (pixels, pixels, 3). */
  paint(placements: Iterable<Placement<Name>>): Uint8Array {
    const work = this.#work;
    work.set(this.#empty);
    for (const placement of placements) this.#add(work, this.#patch(placement));
    // Mean colours lie in 0..255, and the rounding errors of the few patches that meet in a pixel are far below half a
    // step.
    const image = new Uint8Array(work.length);
    for (let i = 0; i < work.length; i++) image[i] = (work[i]! + UNIT / 2) >> 6;
    return image;
  }

  #patch({ row, col, sprite }: Placement<Name>): Patch {
    let byCell = this.#patches.get(sprite);
    if (byCell === undefined) this.#patches.set(sprite, (byCell = []));
    const { ground, sprites } = this.#sheet;
    return (byCell[row * this.cells + col] ??= this.#sample(row, col, sprites[sprite], [ground]));
  }

  #add(work: Int16Array, patch: Patch): void {
    const { values, width } = patch;
    let from = 0;
    for (let y = 0; y < patch.height; y++) {
      let to = ((patch.top + y) * this.pixels + patch.left) * 3;
      for (let x = 0; x < width * 3; x++) {
        work[to++]! += values[from++]!;
      }
    }
  }

  /** What `sprite` changes in the pixels of a cell that shows `below`, by the mean of a grid of sample points. */
  #sample(row: number, col: number, sprite: Sprite, below: readonly Sprite[]): Patch {
    const side = this.pixels / this.cells;
    // At least 96 sample points across a cell, so that small cells get smooth edges and large ones stay cheap.
    const points = Math.max(2, Math.ceil(96 / side));
    const bounds = boundsOf(sprite);
    const cellLeft = Math.floor(col * side);
    const cellTop = Math.floor(row * side);
    const left = Math.max(cellLeft, Math.floor((col + bounds.left) * side));
    const top = Math.max(cellTop, Math.floor((row + bounds.top) * side));
    const right = Math.min(this.pixels, Math.ceil((col + Math.min(1, bounds.right)) * side));
    const bottom = Math.min(this.pixels, Math.ceil((row + Math.min(1, bounds.bottom)) * side));
    const [width, height] = [Math.max(0, right - left), Math.max(0, bottom - top)];
    const layers = [...below, sprite];
    const sums = new Float64Array(width * height * 3);
    const colour = new Float64Array(3);
    const before = new Float64Array(3);
    for (let py = (top - cellTop) * points; py < (bottom - cellTop) * points; py++) {
      const y = (cellTop + (py + 0.5) / points) / side - row;
      if (y < 0 || y >= 1) continue;
      for (let px = (left - cellLeft) * points; px < (right - cellLeft) * points; px++) {
        const x = (cellLeft + (px + 0.5) / points) / side - col;
        if (x < 0 || x >= 1) continue;
        colourAt(layers, x, y, colour);
        colourAt(below, x, y, before);
        const at = ((Math.floor(py / points) + cellTop - top) * width + Math.floor(px / points) + cellLeft - left) * 3;
        for (let channel = 0; channel < 3; channel++) sums[at + channel]! += colour[channel]! - before[channel]!;
      }
    }
    const values = Int16Array.from(sums, sum => Math.round((sum * UNIT) / points ** 2));
    return { left, top, width, height, values };
  }
}
