/**
 * Shapes without a colour: how much of each pixel they cover. A mask is made once and then stamped in any colour, which
 * is what makes a picture in a new palette cheap.
 */
import type { Colour } from './canvas.js';
import type { Polygon } from './silhouettes.js';

/** A rectangle of pixels, (height, width), and how much of each is covered, 0..256. */
export interface Mask {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly cover: Uint16Array;
}

/** Lines across each row of pixels along which cover is measured. */
const LINES = 4;

/**
 * The mask of polygons in pixel coordinates, cut to an image of `pixels` x `pixels`. A polygon whose corners run the
 * other way around is a hole in those that it overlaps.
 *
 * Where a line crosses an edge, all pixels to the right go from outside to inside or back: so each crossing is noted as
 * a step, up or down by the edge's direction, and the running sum of a row's steps is its cover.
 */
export function maskOf(polygons: readonly Polygon[], pixels: number): Mask {
  const bound = (value: number) => Math.min(pixels, Math.max(0, value));
  let [left, top, right, bottom] = [pixels, pixels, 0, 0];
  for (const polygon of polygons)
    for (let i = 0; i < polygon.length; i += 2) {
      left = Math.min(left, bound(Math.floor(polygon[i]!)));
      right = Math.max(right, bound(Math.ceil(polygon[i]!)));
      top = Math.min(top, bound(Math.floor(polygon[i + 1]!)));
      bottom = Math.max(bottom, bound(Math.ceil(polygon[i + 1]!)));
    }
  const [width, height] = [Math.max(0, right - left), Math.max(0, bottom - top)];
  const steps = new Float32Array((width + 2) * height);
  for (const polygon of polygons)
    for (let i = 0, last = polygon.length - 2; i < polygon.length; last = i, i += 2) {
      const [x1, y1, x2, y2] = [polygon[last]!, polygon[last + 1]!, polygon[i]!, polygon[i + 1]!];
      const direction = y2 > y1 ? 1 : -1;
      // Line k lies at y = top + (k + 1/2) / LINES.
      const lineAt = (y: number) => Math.min(height * LINES, Math.max(0, Math.ceil((y - top) * LINES - 0.5)));
      for (let line = lineAt(Math.min(y1, y2)), end = lineAt(Math.max(y1, y2)); line < end; line++) {
        const y = top + (line + 0.5) / LINES;
        const x = Math.min(width, Math.max(0, x1 + ((y - y1) * (x2 - x1)) / (y2 - y1) - left));
        const at = Math.floor(line / LINES) * (width + 2) + Math.floor(x);
        steps[at]! += direction * (1 - (x % 1));
        steps[at + 1]! += direction * (x % 1);
      }
    }
  const cover = new Uint16Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0, sum = 0; x < width; x++) {
      sum += steps[y * (width + 2) + x]!;
      cover[y * width + x] = Math.min(256, Math.round((256 * Math.abs(sum)) / LINES));
    }
  return { left, top, width, height, cover };
}

/** Masks of shapes that do not overlap as one: in a pixel that several share, their cover adds up. */
export function union(masks: readonly Mask[], pixels: number): Mask {
  const cover = new Uint16Array(pixels * pixels);
  for (const { left, top, width, height, cover: part } of masks)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const at = (top + y) * pixels + left + x;
        cover[at] = Math.min(256, cover[at]! + part[y * width + x]!);
      }
  return { left: 0, top: 0, width: pixels, height: pixels, cover };
}

/** Paints a mask, moved by whole pixels, over an image of (pixels, pixels, 3); what lies outside is cut off. */
export function stamp(
  image: Uint8Array,
  pixels: number,
  { left, top, width, height, cover }: Mask,
  [red, green, blue]: Colour,
  dx: number,
  dy: number,
): void {
  const [firstX, endX] = [Math.max(0, -left - dx), Math.min(width, pixels - left - dx)];
  for (let y = Math.max(0, -top - dy); y < Math.min(height, pixels - top - dy); y++) {
    let at = ((top + dy + y) * pixels + left + dx + firstX) * 3;
    for (let x = firstX; x < endX; x++, at += 3) {
      const part = cover[y * width + x]!;
      if (part === 0) continue;
      image[at]! += ((red - image[at]!) * part + 128) >> 8;
      image[at + 1]! += ((green - image[at + 1]!) * part + 128) >> 8;
      image[at + 2]! += ((blue - image[at + 2]!) * part + 128) >> 8;
    }
  }
}
