/** How FrozenLake looks: ice, holes of dark water, an elf on a stool at the start, a wrapped gift at the goal. */

import { box, ellipse, hex, polygon, type Colour, type Placement, type SpriteSheet } from '../canvas.js';
import { colOf, rowOf } from '../grid.js';
import type { Style } from '../styles.js';
import type { FrozenLakeInstance } from './rules.js';

export type FrozenLakeSprite = 'hole' | 'start' | 'goal';

export function placements({ start, goal, holes }: FrozenLakeInstance): Placement<FrozenLakeSprite>[] {
  const place = (cell: number, sprite: FrozenLakeSprite) => ({ row: rowOf(cell), col: colOf(cell), sprite });
  return [...holes.map(cell => place(cell, 'hole')), place(start, 'start'), place(goal, 'goal')];
}

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
    box(0, 0, 1, 1, EDGE),
    box(0.025, 0.025, 0.975, 0.975, ICE),
    polygon([0.1, 0.34, 0.34, 0.1, 0.42, 0.1, 0.1, 0.42], GLINT),
    polygon([0.6, 0.9, 0.9, 0.6, 0.9, 0.65, 0.65, 0.9], CRACK),
  ],
  sprites: {
    hole: [
      ellipse(0.5, 0.5, 0.44, 0.42, RIM),
      ellipse(0.5, 0.53, 0.39, 0.36, WATER),
      ellipse(0.4, 0.47, 0.13, 0.03, WAVE),
      ellipse(0.6, 0.62, 0.14, 0.03, WAVE),
    ],
    start: [
      // The stool under the elf.
      box(0.26, 0.74, 0.34, 0.95, STOOL),
      box(0.66, 0.74, 0.74, 0.95, STOOL),
      box(0.2, 0.69, 0.8, 0.79, SEAT),
      // Coat with sleeves, belt, face and pointed hat.
      polygon([0.34, 0.44, 0.66, 0.44, 0.76, 0.72, 0.24, 0.72], COAT),
      polygon([0.35, 0.46, 0.2, 0.62, 0.28, 0.66, 0.4, 0.54], SLEEVE),
      polygon([0.65, 0.46, 0.8, 0.62, 0.72, 0.66, 0.6, 0.54], SLEEVE),
      box(0.285, 0.61, 0.715, 0.65, BELT),
      polygon([0.25, 0.3, 0.4, 0.32, 0.38, 0.4], SKIN),
      polygon([0.75, 0.3, 0.6, 0.32, 0.62, 0.4], SKIN),
      ellipse(0.5, 0.34, 0.15, 0.135, SKIN),
      ellipse(0.445, 0.34, 0.02, 0.028, INK),
      ellipse(0.555, 0.34, 0.02, 0.028, INK),
      polygon([0.3, 0.28, 0.52, 0.02, 0.7, 0.28], HAT),
      ellipse(0.52, 0.05, 0.035, 0.035, BELT),
    ],
    goal: [
      box(0.18, 0.42, 0.82, 0.92, BOX),
      box(0.14, 0.32, 0.86, 0.46, LID),
      box(0.44, 0.32, 0.56, 0.92, RIBBON),
      box(0.18, 0.62, 0.82, 0.72, RIBBON),
      { ...box(0.18, 0.46, 0.82, 0.48, INK), opacity: 0.25 },
      // The bow: two loops and a knot.
      ellipse(0.37, 0.22, 0.14, 0.095, RIBBON),
      ellipse(0.63, 0.22, 0.14, 0.095, RIBBON),
      ellipse(0.36, 0.225, 0.07, 0.045, RIBBON_SHADE),
      ellipse(0.64, 0.225, 0.07, 0.045, RIBBON_SHADE),
      ellipse(0.5, 0.27, 0.065, 0.065, RIBBON_SHADE),
    ],
  },
};

/** The colours of the held-out look by role, which no random look comes near (looks.ts). */
export const HELD_OUT_COLOURS = {
  ice: hex('#cedee2', '#e4e2ee'),
  line: hex('#a6b2c4', '#c0cad6', '#f4f6fa'),
  hole: hex('#10244a', '#7c98b2'),
  start: hex('#349e54', '#54463c', '#788696'),
  goal: hex('#be243e', '#fac45c', '#463c3c'),
} satisfies Record<string, readonly Colour[]>;

/** Snow with broad or faint seams, jagged holes, a green flag at the start, a red lantern at the goal. */
function heldOutSheet(side: number, version: number): SpriteSheet<FrozenLakeSprite> {
  const { ice, line, hole, start, goal } = HELD_OUT_COLOURS;
  const [broadSeam, faintSeam, glint] = line;
  const [depth, slope] = hole;
  const [green, pole, shadow] = start;
  const [red, glow, handle] = goal;
  const broad = version % 2 === 0;
  const seam = Math.max(broad ? 0.06 : 0.03, 1 / side);
  return {
    ground: [
      box(0, 0, 1, 1, broad ? broadSeam : faintSeam),
      box(seam, seam, 1, 1, ice[version >> 1]!),
      ellipse(0.3, 0.72, 0.07, 0.025, glint),
    ],
    sprites: {
      hole: [
        polygon([0.12, 0.3, 0.42, 0.1, 0.78, 0.16, 0.92, 0.48, 0.8, 0.84, 0.4, 0.9, 0.1, 0.7], slope),
        polygon([0.2, 0.36, 0.46, 0.18, 0.72, 0.24, 0.84, 0.5, 0.74, 0.78, 0.42, 0.82, 0.18, 0.66], depth),
      ],
      start: [
        box(0.26, 0.12, 0.34, 0.9, pole),
        polygon([0.34, 0.14, 0.86, 0.34, 0.34, 0.56], green),
        ellipse(0.3, 0.88, 0.16, 0.05, shadow),
      ],
      goal: [
        box(0.46, 0.08, 0.54, 0.3, handle),
        ellipse(0.5, 0.56, 0.3, 0.34, red),
        ellipse(0.5, 0.56, 0.13, 0.18, glow),
      ],
    },
  };
}

export const STYLES = {
  training: { versions: 1, loose: [], sheet: () => TRAINING_SHEET },
  'held-out': { versions: 4, loose: ['hole', 'start', 'goal'], sheet: heldOutSheet },
} as const satisfies Record<string, Style<FrozenLakeSprite>>;
