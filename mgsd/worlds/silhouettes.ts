/** Outlines of sprites: polygons x0, y0, x1, y1, ... around the origin, within a distance of about 1; y points down. */
import { hostMath } from '../../core/index.js';
import type { RandomSource } from './world.js';

const { cos, sin } = hostMath;

export type Polygon = readonly number[];

/** Points at equal angles, the first at the top, at distances `radius(i)`. */
function around(count: number, radius: (i: number) => number, turn = 0): Polygon {
  return Array.from({ length: count }, (_, i) => {
    const angle = 2 * Math.PI * (i / count + turn) - Math.PI / 2;
    return [radius(i) * cos(angle), radius(i) * sin(angle)];
  }).flat();
}

const regular = (corners: number, turn = 0): Polygon => around(corners, () => 1, turn);
const disc = regular(24);

/** A circle with waves: smooth, and different every time. */
function puddle(random: RandomSource): Polygon {
  const waves = [2, 3, 4].map(order => ({ order, height: 0.13 * random.uniform(), phase: random.uniform() }));
  return around(24, i =>
    waves.reduce((r, { order, height, phase }) => r + height * cos(2 * Math.PI * ((i * order) / 24 + phase)), 0.8),
  );
}

/** Families of outlines by name. */
export const silhouettes = {
  disc: () => disc,
  square: () => regular(4, 1 / 8),
  /** A square with round corners, by |x|^4 + |y|^4 = 1. */
  cushion: () =>
    around(24, i => {
      const angle = 2 * Math.PI * (i / 24);
      const [x, y] = [cos(angle) * cos(angle), sin(angle) * sin(angle)];
      return 0.85 / Math.sqrt(Math.sqrt(x * x + y * y));
    }),
  diamond: () => regular(4),
  triangle: random => regular(3, random.integer(4) / 4),
  hexagon: random => regular(6, random.integer(2) / 12),
  octagon: () => regular(8, 1 / 16),
  star: random => {
    const points = 4 + random.integer(4);
    return around(2 * points, i => (i % 2 === 0 ? 1 : 0.5));
  },
  cross: random => {
    const w = 0.25 + 0.15 * random.uniform();
    return [-w, -1, w, -1, w, -w, 1, -w, 1, w, w, w, w, 1, -w, 1, -w, w, -1, w, -1, -w, -w, -w];
  },
  heart: () => [0, 0.95, -0.95, -0.1, -0.9, -0.6, -0.5, -0.85, 0, -0.5, 0.5, -0.85, 0.9, -0.6, 0.95, -0.1],
  crown: () => [-0.9, 0.7, -0.95, -0.5, -0.45, 0, 0, -0.8, 0.45, 0, 0.95, -0.5, 0.9, 0.7],
  house: () => [-0.75, 0.8, -0.75, -0.1, -0.95, -0.1, 0, -0.95, 0.95, -0.1, 0.75, -0.1, 0.75, 0.8],
  arrow: () => [-0.9, -0.35, 0, -0.35, 0, -0.85, 0.95, 0, 0, 0.85, 0, 0.35, -0.9, 0.35],
  person: () => [
    ...[-0.25, -0.95, 0.25, -0.95, 0.38, -0.65, 0.22, -0.35, 0.6, -0.2, 0.75, 0.4, 0.4, 0.4, 0.45, 0.95],
    ...[-0.45, 0.95, -0.4, 0.4, -0.75, 0.4, -0.6, -0.2, -0.22, -0.35, -0.38, -0.65],
  ],
  puddle,
} as const satisfies Record<string, (random: RandomSource) => Polygon>;

/** The name of a family. */
export type SilhouetteName = keyof typeof silhouettes;

/** The polygon scaled about the origin, turned by `angle` (radians), and moved to (x, y). */
export function placed(polygon: Polygon, x: number, y: number, rx: number, ry = rx, angle = 0): Polygon {
  const [c, s] = [cos(angle), sin(angle)];
  return polygon.map((_, i) => {
    const [u, v] = [polygon[i - (i % 2)]! * rx, polygon[i - (i % 2) + 1]! * ry];
    return i % 2 === 0 ? x + u * c - v * s : y + u * s + v * c;
  });
}

/** The same polygon with its corners the other way around: a hole in what it overlaps. */
export const reversed = (polygon: Polygon): Polygon =>
  polygon.map((_, i) => polygon[polygon.length - 2 - (i - (i % 2)) + (i % 2)]!);

export const rectangle = (left: number, top: number, right: number, bottom: number): Polygon => [
  ...[left, top, right, top],
  ...[right, bottom, left, bottom],
];
