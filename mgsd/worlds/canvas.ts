/**
 * Drawing boards: sprites made of a few flat shapes, painted into the cells of a square board at any image size. A pixel
 * is the mean colour of the area that it covers, taken from many sample points. Board cells need not align with pixels (48
 * pixels hold 3, 4 or 5 cells), so a pixel may belong to several cells.
 *
 * Such an image is linear in its sprites. So the painter keeps, for every sprite and cell, the *difference* to the empty
 * board in the pixels that the cell touches, and an image is the empty board plus the differences of its sprites: some ten
 * microseconds for a small image, however fine the sampling was.
 */

export type Colour = readonly [red: number, green: number, blue: number];

/** A shape in the unit square of its cell, x to the right and y down; `opacity` 0..1, 1 if left out. */
export type Shape = { readonly colour: Colour; readonly opacity?: number } & (
  | { readonly kind: 'ellipse'; readonly x: number; readonly y: number; readonly rx: number; readonly ry: number }
  | {
      readonly kind: 'box';
      readonly left: number;
      readonly top: number;
      readonly right: number;
      readonly bottom: number;
    }
  /** Corners x0, y0, x1, y1, ... */
  | { readonly kind: 'polygon'; readonly points: readonly number[] }
);

/** Shapes in the order in which they are painted, the lowest first. */
export type Sprite = readonly Shape[];

/** The look of a world: the sprite of an empty cell, which must cover it, and those that may be painted over it. */
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
  switch (shape.kind) {
    case 'ellipse':
      return ((x - shape.x) / shape.rx) ** 2 + ((y - shape.y) / shape.ry) ** 2 <= 1;
    case 'box':
      return x >= shape.left && x < shape.right && y >= shape.top && y < shape.bottom;
    case 'polygon': {
      // Even-odd rule: count the edges that a ray to the right crosses.
      const { points } = shape;
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
  }
}

/** The colour of the painted shapes at (x, y), 0..255, written to `out`: (3). */
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

/** Colour sums are whole numbers in units of 1/64 of a colour step, so that sums do not depend on the order of adding. */
const UNIT = 64;

/** A rectangle of pixels with the colour difference that a sprite makes there, in 1/64 steps: (height, width, 3). */
interface Patch {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly values: Int16Array;
}

/** The part of its cell that a sprite changes at most. */
interface Bounds {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const WHOLE_CELL: Bounds = { left: 0, top: 0, right: 1, bottom: 1 };

/** The smallest box around all shapes of a sprite. */
function boundsOf(sprite: Sprite): Bounds {
  const corners = sprite.flatMap(shape => {
    switch (shape.kind) {
      case 'ellipse':
        return [shape.x - shape.rx, shape.y - shape.ry, shape.x + shape.rx, shape.y + shape.ry];
      case 'box':
        return [shape.left, shape.top, shape.right, shape.bottom];
      case 'polygon':
        return shape.points;
    }
  });
  const [xs, ys] = [0, 1].map(axis => corners.filter((_, i) => i % 2 === axis)) as [number[], number[]];
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
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
    if (!Number.isInteger(pixels) || pixels < cells || pixels > 2048)
      throw new RangeError(
        `an image of ${pixels} pixels cannot show ${cells} cells a side: choose a whole number from ${cells} to 2048`,
      );
    this.cells = cells;
    this.pixels = pixels;
    this.#sheet = sheet;
    this.#empty = new Int16Array(pixels * pixels * 3);
    this.#work = new Int16Array(pixels * pixels * 3);
    for (let row = 0; row < cells; row++)
      for (let col = 0; col < cells; col++)
        this.#add(this.#empty, this.#sample(row, col, [sheet.ground], null, WHOLE_CELL));
  }

  /** The image of a board with these sprites; several may share a cell if they do not overlap: (pixels, pixels, 3). */
  paint(placements: Iterable<Placement<Name>>): Uint8Array {
    const work = this.#work;
    work.set(this.#empty);
    for (const placement of placements) this.#add(work, this.#patch(placement));
    // Mean colours lie in 0..255, and the rounding errors of the few patches that meet in a pixel are far below half a step.
    const image = new Uint8Array(work.length);
    for (let i = 0; i < work.length; i++) image[i] = (work[i]! + UNIT / 2) >> 6;
    return image;
  }

  #patch({ row, col, sprite }: Placement<Name>): Patch {
    let byCell = this.#patches.get(sprite);
    if (byCell === undefined) this.#patches.set(sprite, (byCell = []));
    const { ground, sprites } = this.#sheet;
    return (byCell[row * this.cells + col] ??= this.#sample(
      row,
      col,
      [ground, sprites[sprite]],
      [ground],
      boundsOf(sprites[sprite]),
    ));
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

  /**
   * What `layers` put into the pixels of a cell beyond what `minus` puts there, by the mean of a grid of sample points.
   * Only the pixels that meet `bounds` are looked at: elsewhere the layers must make no difference.
   */
  #sample(row: number, col: number, layers: readonly Sprite[], minus: readonly Sprite[] | null, bounds: Bounds): Patch {
    const side = this.pixels / this.cells;
    // At least 96 sample points across a cell, so that small cells get smooth edges and large ones stay cheap.
    const points = Math.max(2, Math.ceil(96 / side));
    const cellLeft = Math.floor(col * side);
    const cellTop = Math.floor(row * side);
    const left = Math.max(cellLeft, Math.floor((col + bounds.left) * side));
    const top = Math.max(cellTop, Math.floor((row + bounds.top) * side));
    const right = Math.min(this.pixels, Math.ceil((col + Math.min(1, bounds.right)) * side));
    const bottom = Math.min(this.pixels, Math.ceil((row + Math.min(1, bounds.bottom)) * side));
    const [width, height] = [Math.max(0, right - left), Math.max(0, bottom - top)];
    const sums = new Float64Array(width * height * 3);
    const colour = new Float64Array(3);
    const ground = new Float64Array(3);
    for (let py = (top - cellTop) * points; py < (bottom - cellTop) * points; py++) {
      const y = (cellTop + (py + 0.5) / points) / side - row;
      if (y < 0 || y >= 1) continue;
      for (let px = (left - cellLeft) * points; px < (right - cellLeft) * points; px++) {
        const x = (cellLeft + (px + 0.5) / points) / side - col;
        if (x < 0 || x >= 1) continue;
        colourAt(layers, x, y, colour);
        if (minus !== null) colourAt(minus, x, y, ground);
        const at = ((Math.floor(py / points) + cellTop - top) * width + Math.floor(px / points) + cellLeft - left) * 3;
        for (let channel = 0; channel < 3; channel++) sums[at + channel]! += colour[channel]! - ground[channel]!;
      }
    }
    const values = Int16Array.from(sums, sum => Math.round((sum * UNIT) / points ** 2));
    return { left, top, width, height, values };
  }
}
