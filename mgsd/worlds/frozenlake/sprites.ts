/** How FrozenLake looks: ice, holes of dark water, an elf on a stool at the start, a wrapped gift at the goal. */

import type { Colour, Shape, SpriteSheet } from '../canvas.js';
import type { Look } from '../looks.js';

export type FrozenLakeSprite = 'hole' | 'start' | 'goal';

const EDGE: Colour = [180, 200, 230];
const ICE: Colour = [223, 239, 249];
const GLINT: Colour = [246, 251, 255];
const CRACK: Colour = [199, 221, 240];
const WATER: Colour = [22, 58, 110];
const RIM: Colour = [96, 146, 196];
const WAVE: Colour = [70, 122, 180];
const STOOL: Colour = [122, 78, 42];
const SEAT: Colour = [160, 108, 62];
const COAT: Colour = [30, 140, 62];
const SLEEVE: Colour = [22, 112, 48];
const SKIN: Colour = [248, 204, 164];
const HAT: Colour = [24, 150, 70];
const INK: Colour = [40, 30, 30];
const BELT: Colour = [236, 190, 60];
const BOX: Colour = [204, 32, 46];
const LID: Colour = [226, 56, 66];
const RIBBON: Colour = [255, 205, 64];
const RIBBON_SHADE: Colour = [226, 168, 32];

const TRAINING_SHEET: SpriteSheet<FrozenLakeSprite> = {
  ground: [
    { kind: 'box', left: 0, top: 0, right: 1, bottom: 1, colour: EDGE },
    { kind: 'box', left: 0.025, top: 0.025, right: 0.975, bottom: 0.975, colour: ICE },
    { kind: 'polygon', points: [0.1, 0.34, 0.34, 0.1, 0.42, 0.1, 0.1, 0.42], colour: GLINT },
    { kind: 'polygon', points: [0.6, 0.9, 0.9, 0.6, 0.9, 0.65, 0.65, 0.9], colour: CRACK },
  ],
  sprites: {
    hole: [
      { kind: 'ellipse', x: 0.5, y: 0.5, rx: 0.44, ry: 0.42, colour: RIM },
      { kind: 'ellipse', x: 0.5, y: 0.53, rx: 0.39, ry: 0.36, colour: WATER },
      { kind: 'ellipse', x: 0.4, y: 0.47, rx: 0.13, ry: 0.03, colour: WAVE },
      { kind: 'ellipse', x: 0.6, y: 0.62, rx: 0.14, ry: 0.03, colour: WAVE },
    ],
    start: [
      // The stool under the elf.
      { kind: 'box', left: 0.26, top: 0.74, right: 0.34, bottom: 0.95, colour: STOOL },
      { kind: 'box', left: 0.66, top: 0.74, right: 0.74, bottom: 0.95, colour: STOOL },
      { kind: 'box', left: 0.2, top: 0.69, right: 0.8, bottom: 0.79, colour: SEAT },
      // Coat with sleeves, belt, face and pointed hat.
      { kind: 'polygon', points: [0.34, 0.44, 0.66, 0.44, 0.76, 0.72, 0.24, 0.72], colour: COAT },
      { kind: 'polygon', points: [0.35, 0.46, 0.2, 0.62, 0.28, 0.66, 0.4, 0.54], colour: SLEEVE },
      { kind: 'polygon', points: [0.65, 0.46, 0.8, 0.62, 0.72, 0.66, 0.6, 0.54], colour: SLEEVE },
      { kind: 'box', left: 0.285, top: 0.61, right: 0.715, bottom: 0.65, colour: BELT },
      { kind: 'polygon', points: [0.25, 0.3, 0.4, 0.32, 0.38, 0.4], colour: SKIN },
      { kind: 'polygon', points: [0.75, 0.3, 0.6, 0.32, 0.62, 0.4], colour: SKIN },
      { kind: 'ellipse', x: 0.5, y: 0.34, rx: 0.15, ry: 0.135, colour: SKIN },
      { kind: 'ellipse', x: 0.445, y: 0.34, rx: 0.02, ry: 0.028, colour: INK },
      { kind: 'ellipse', x: 0.555, y: 0.34, rx: 0.02, ry: 0.028, colour: INK },
      { kind: 'polygon', points: [0.3, 0.28, 0.52, 0.02, 0.7, 0.28], colour: HAT },
      { kind: 'ellipse', x: 0.52, y: 0.05, rx: 0.035, ry: 0.035, colour: BELT },
    ],
    goal: [
      { kind: 'box', left: 0.18, top: 0.42, right: 0.82, bottom: 0.92, colour: BOX },
      { kind: 'box', left: 0.14, top: 0.32, right: 0.86, bottom: 0.46, colour: LID },
      { kind: 'box', left: 0.44, top: 0.32, right: 0.56, bottom: 0.92, colour: RIBBON },
      { kind: 'box', left: 0.18, top: 0.62, right: 0.82, bottom: 0.72, colour: RIBBON },
      { kind: 'box', left: 0.18, top: 0.46, right: 0.82, bottom: 0.48, colour: INK, opacity: 0.25 },
      // The bow: two loops and a knot.
      { kind: 'ellipse', x: 0.37, y: 0.22, rx: 0.14, ry: 0.095, colour: RIBBON },
      { kind: 'ellipse', x: 0.63, y: 0.22, rx: 0.14, ry: 0.095, colour: RIBBON },
      { kind: 'ellipse', x: 0.36, y: 0.225, rx: 0.07, ry: 0.045, colour: RIBBON_SHADE },
      { kind: 'ellipse', x: 0.64, y: 0.225, rx: 0.07, ry: 0.045, colour: RIBBON_SHADE },
      { kind: 'ellipse', x: 0.5, y: 0.27, rx: 0.065, ry: 0.065, colour: RIBBON_SHADE },
    ],
  },
};

const box = (left: number, top: number, right: number, bottom: number, colour: Colour): Shape => ({
  kind: 'box',
  ...{ left, top, right, bottom, colour },
});

/** Snow with broad or faint seams, jagged holes, a green flag at the start, a red lantern at the goal. */
function heldOutSheet(side: number, version: number): SpriteSheet<FrozenLakeSprite> {
  const snows: readonly Colour[] = [
    [206, 222, 226],
    [228, 226, 238],
  ];
  const broad = version % 2 === 0;
  const seam = Math.max(broad ? 0.06 : 0.03, 1 / side);
  const seamColour: Colour = broad ? [166, 178, 196] : [192, 202, 214];
  const depth: Colour = [16, 36, 74];
  const slope: Colour = [124, 152, 178];
  const green: Colour = [52, 158, 84];
  const red: Colour = [190, 36, 62];
  const glow: Colour = [250, 196, 92];
  return {
    ground: [
      box(0, 0, 1, 1, seamColour),
      box(seam, seam, 1, 1, snows[version >> 1]!),
      { kind: 'ellipse', x: 0.3, y: 0.72, rx: 0.07, ry: 0.025, colour: [244, 246, 250] },
    ],
    sprites: {
      hole: [
        {
          kind: 'polygon',
          points: [0.12, 0.3, 0.42, 0.1, 0.78, 0.16, 0.92, 0.48, 0.8, 0.84, 0.4, 0.9, 0.1, 0.7],
          colour: slope,
        },
        {
          kind: 'polygon',
          points: [0.2, 0.36, 0.46, 0.18, 0.72, 0.24, 0.84, 0.5, 0.74, 0.78, 0.42, 0.82, 0.18, 0.66],
          colour: depth,
        },
      ],
      start: [
        box(0.26, 0.12, 0.34, 0.9, [84, 70, 60]),
        { kind: 'polygon', points: [0.34, 0.14, 0.86, 0.34, 0.34, 0.56], colour: green },
        { kind: 'ellipse', x: 0.3, y: 0.88, rx: 0.16, ry: 0.05, colour: [120, 134, 150] },
      ],
      goal: [
        box(0.46, 0.08, 0.54, 0.3, [70, 60, 60]),
        { kind: 'ellipse', x: 0.5, y: 0.56, rx: 0.3, ry: 0.34, colour: red },
        { kind: 'ellipse', x: 0.5, y: 0.56, rx: 0.13, ry: 0.18, colour: glow },
      ],
    },
  };
}

export const LOOKS = {
  training: { versions: 1, loose: [], sheet: () => TRAINING_SHEET },
  'held-out': { versions: 4, loose: ['hole', 'start', 'goal'], sheet: heldOutSheet },
} as const satisfies Record<string, Look<FrozenLakeSprite>>;
