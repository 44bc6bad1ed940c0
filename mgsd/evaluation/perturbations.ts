/**
 * Pictures made worse by a known amount, so that robustness is a curve and not one figure for one other look: noise,
 * blur, lost contrast, a margin, and the tilt of a photograph. All strengths run from 0, which changes nothing, to 1;
 * `unit` says what 1 is. A result follows from image, strength and seed.
 */
import { hostMath, Random } from '../../core/index.js';
import type { Puzzle } from '../method/puzzles.js';
import { crc32 } from '../worlds/crc32.js';

/** A picture of a board, (pixels, pixels, 3) bytes. */
interface Picture {
  readonly data: Uint8Array;
  readonly pixels: number;
  /** Cells a side, which blur is measured in. */
  readonly cells: number;
}

interface Kind {
  /** What strength 1 is. */
  readonly unit: string;
  /** The pixels of the changed picture, 0..255 but for rounding. @param strength above 0 */
  readonly apply: (picture: Picture, strength: number, random: Random) => ArrayLike<number>;
}

const GREY = 128;

export const perturbations = {
  noise: {
    unit: 'Gaussian, standard deviation half of the range from black to white',
    apply: ({ data }, strength, random) => Float32Array.from(data, value => value + 127.5 * strength * random.normal()),
  },
  blur: {
    unit: 'Gaussian, standard deviation half of a cell',
    apply: (picture, strength) => blurred(picture, (0.5 * strength * picture.pixels) / picture.cells),
  },
  contrast: {
    unit: 'all contrast is lost: one grey',
    apply: ({ data }, strength) => Float32Array.from(data, value => value + strength * (GREY - value)),
  },
  margin: {
    unit: 'half of the width is a grey margin around the board',
    apply: (picture, strength) => warped(picture, (x, y) => [x / (1 - strength / 2), y / (1 - strength / 2)]),
  },
  tilt: {
    unit: 'turned by 20 degrees, and leaning back by 20 degrees, the whole board in the picture',
    apply: (picture, strength, random) => tilted(picture, (strength * Math.PI) / 9, random.integer(2) === 0 ? 1 : -1),
  },
} as const satisfies Record<string, Kind>;

/** The name of a kind. */
export type PerturbationKind = keyof typeof perturbations;
export const PERTURBATION_KINDS = Object.keys(perturbations) as PerturbationKind[];

/** What is done to a picture, and how much: 0..1. */
export interface Perturbation {
  readonly kind: PerturbationKind;
  readonly strength: number;
}

/** The picture after all of these, one after another: (pixels, pixels, 3). */
export function perturb(picture: Picture, list: readonly Perturbation[], seed: number): Uint8Array {
  return list.reduce((data, { kind, strength }, i) => {
    if (!(strength >= 0 && strength <= 1))
      throw new RangeError(`strengths run from 0 to 1, and ${kind} has ${strength}`);
    if (strength === 0) return data;
    const values = perturbations[kind].apply({ ...picture, data }, strength, new Random(seed, i));
    return Uint8Array.from(values, value => Math.min(255, Math.max(0, Math.round(value))));
  }, picture.data);
}

/** A puzzle's picture after all of these; what is random follows from the puzzle. */
export function perturbPicture(
  { world, instance }: Puzzle,
  data: Uint8Array,
  list: readonly Perturbation[],
): Uint8Array {
  const picture = { data, pixels: Math.sqrt(data.length / 3), cells: instance.size };
  return perturb(picture, list, crc32(world.instanceKey(instance)));
}

/** Along rows, then along columns; beyond the edge the picture goes on as its edge is. @param deviation in pixels */
function blurred({ data, pixels }: Picture, deviation: number): Float32Array {
  const reach = Math.ceil(3 * deviation);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, k) => {
    const z = (k - reach) / deviation;
    return hostMath.exp(-(z * z) / 2);
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  /** Weighted means along one axis: `step` values lie between neighbours on it. */
  const pass = (values: ArrayLike<number>, step: number): Float32Array => {
    const out = new Float32Array(values.length);
    for (let i = 0; i < out.length; i++) {
      const place = Math.floor(i / step) % pixels;
      for (let k = -reach; k <= reach; k++) {
        const from = Math.min(pixels - 1, Math.max(0, place + k));
        out[i]! += (weights[k + reach]! / total) * values[i + (from - place) * step]!;
      }
    }
    return out;
  };
  return pass(pass(data, 3), 3 * pixels);
}

/** Sample points a side in each pixel of a warped picture. */
const SAMPLES = 3;

/**
 * The picture seen through a map of places, grey where it shows what lies outside. @param source from a place in the
 * new picture to that in the old one; both run from -1 to 1 on either axis
 */
function warped({ data, pixels }: Picture, source: (x: number, y: number) => readonly [number, number]): Float32Array {
  const out = new Float32Array(data.length);
  const count = pixels * SAMPLES;
  for (let row = 0; row < count; row++)
    for (let col = 0; col < count; col++) {
      const [x, y] = source((2 * col + 1) / count - 1, (2 * row + 1) / count - 1);
      const isInside = x >= -1 && x < 1 && y >= -1 && y < 1;
      const from = Math.floor(((y + 1) / 2) * pixels) * pixels + Math.floor(((x + 1) / 2) * pixels);
      const to = Math.floor(row / SAMPLES) * pixels + Math.floor(col / SAMPLES);
      for (let c = 0; c < 3; c++) out[3 * to + c]! += (isInside ? data[3 * from + c]! : GREY) / SAMPLES ** 2;
    }
  return out;
}

/** How far the camera is from a tilted board, in halves of the board's width. */
const CAMERA = 4;

/** Turned in its plane to one side, then leaning back from the camera, both by `angle`, and as small as it takes. */
function tilted(picture: Picture, angle: number, side: 1 | -1): Float32Array {
  const [cos, sin] = [hostMath.cos(angle), hostMath.sin(angle)];
  // The half diagonal's reach after turning, and what of it comes nearer to the camera.
  const reach = cos + sin;
  const size = reach / (1 - (reach * sin) / CAMERA);
  return warped(picture, (x, y) => {
    const [px, py] = [x * size, y * size];
    // A point (u, v) of the board is v sin(angle) nearer to the camera at the bottom, so it is seen at
    // (u, v cos(angle)) / (1 - v sin(angle) / CAMERA); this is that, solved for u and v.
    const v = py / (cos + (py * sin) / CAMERA);
    const u = px * (1 - (v * sin) / CAMERA);
    return [u * cos + side * v * sin, v * cos - side * u * sin];
  });
}
