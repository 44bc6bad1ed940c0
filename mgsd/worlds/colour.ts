/**
 * Colours by how they look: OKLab (Björn Ottosson, 2020), in which equal distances look about equally large. Black and
 * white are 1 apart; two colours side by side can just be told apart at about 0.02.
 */
import { hostMath } from '../../core/index.js';
import type { Colour } from './canvas.js';

const { cos, exp, log, sin } = hostMath;
/** x to a power, x >= 0. */
const power = (x: number, exponent: number) => exp(exponent * log(x));
const square = (x: number) => x * x;
const cube = (x: number) => x * x * x;

export type Lab = readonly [lightness: number, a: number, b: number];

/** A colour by lightness (0..1), chroma (0: grey; the most vivid have 0.3) and hue (degrees; red 29, blue 264). */
export function labAt(lightness: number, chroma: number, hue: number): Lab {
  const angle = (hue * Math.PI) / 180;
  return [lightness, chroma * cos(angle), chroma * sin(angle)];
}

export function labDistance(a: Lab, b: Lab): number {
  return Math.sqrt(square(a[0] - b[0]) + square(a[1] - b[1]) + square(a[2] - b[2]));
}

const toLinear = (byte: number): number => {
  const value = byte / 255;
  return value <= 0.04045 ? value / 12.92 : power((value + 0.055) / 1.055, 2.4);
};
const toByte = (linear: number): number =>
  Math.round(255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * power(linear, 1 / 2.4) - 0.055));

/** sRGB, 0..255, as OKLab. */
export function labOf(colour: Colour): Lab {
  const [r, g, b] = colour.map(toLinear) as [number, number, number];
  const l = power(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b, 1 / 3);
  const m = power(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b, 1 / 3);
  const s = power(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b, 1 / 3);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** OKLab as sRGB, 0..255; undefined for a colour that screens do not have. */
export function colourOf([lightness, a, b]: Lab): Colour | undefined {
  const l = cube(lightness + 0.3963377774 * a + 0.2158037573 * b);
  const m = cube(lightness - 0.1055613458 * a - 0.0638541728 * b);
  const s = cube(lightness - 0.0894841775 * a - 1.291485548 * b);
  const red = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
  const green = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
  const blue = -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s;
  if (Math.min(red, green, blue) < 0 || Math.max(red, green, blue) > 1) return undefined;
  return [toByte(red), toByte(green), toByte(blue)];
}
