/** A plan being carried out, as a moving picture: GIF, which browsers, slides and chats play. */
import { encode } from 'modern-gif';
import type { RgbImage } from './png.js';
import { boardPicture, drawStrokes, middleOf, pathOf } from './draw.js';
import type { Point } from './draw.js';
import type { Action } from '../worlds/grid.js';
import type { World, WorldInstance } from '../worlds/world.js';

export interface Frame {
  readonly image: RgbImage;
  /** How long it stands, in milliseconds; GIF keeps hundredths of a second. */
  readonly milliseconds: number;
}

/** Pictures between two cells, and how long each of them, a halt, and the end stand, in milliseconds. */
const between = 4;
const times = { moving: 60, halt: 240, begin: 700, end: 1600 } as const;

/**
 * The board with an agent that goes along a plan, the way behind it drawn, up to the goal or the first fatal action.
 * @param pixels side of the square picture
 */
export function planFrames(world: World, instance: WorldInstance, actions: readonly Action[], pixels: number): Frame[] {
  const path = pathOf(world, instance, actions);
  const frame = (steps: number, at: Point, milliseconds: number): Frame => {
    const image = boardPicture(world, instance, path.slice(0, steps), pixels);
    const agent = (['casing', 'line'] as const).map(kind => ({
      kind,
      points: [at],
      width: kind === 'line' ? 0.28 : 0.38,
    }));
    drawStrokes(image, agent, pixels / instance.size);
    return { image, milliseconds };
  };
  const [first] = path;
  if (!first) return [{ image: boardPicture(world, instance, [], pixels), milliseconds: times.end }];
  const frames = [frame(0, middleOf(first.from), times.begin)];
  path.forEach(({ from, to, fatal }, k) => {
    const isLast = k === path.length - 1;
    const reached = to < 0 ? from : to; // a wall keeps it where it was
    if (reached !== from)
      for (let step = 1; step < between; step++) {
        const share = step / between;
        const [a, b] = [middleOf(from), middleOf(reached)];
        frames.push(frame(k, [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])], times.moving));
      }
    const standsAt = fatal ? middleOf(from) : middleOf(reached); // the cross is drawn where it failed
    frames.push(frame(k + 1, standsAt, isLast ? times.end : times.halt));
  });
  return frames;
}

/**
 * A GIF that plays for ever. Colours beyond 255 in a frame become their nearest neighbours; boards have fewer.
 * @throws RangeError if there is no frame, or not all have the same size
 */
export async function encodeGif(frames: readonly Frame[]): Promise<Uint8Array> {
  const { width, height } = frames[0]?.image ?? { width: 0, height: 0 };
  if (frames.length === 0 || frames.some(({ image }) => image.width !== width || image.height !== height))
    throw new RangeError('a moving picture needs at least one frame, and frames of the same size');
  const shown = frames.map(({ image, milliseconds }) => ({ data: withAlpha(image), delay: milliseconds }));
  return new Uint8Array(await encode({ width, height, frames: shown, looped: true, format: 'arrayBuffer' }));
}

function withAlpha({ width, height, data }: RgbImage): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let k = 0; k < width * height; k++) rgba.set(data.subarray(3 * k, 3 * k + 3), 4 * k);
  return rgba;
}
