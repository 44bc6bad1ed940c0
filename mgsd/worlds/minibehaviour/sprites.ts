/**
 * How MiniBehaviour looks. Training: a black floor with dark grid lines of one pixel, tan table cells with a gap of one
 * pixel around them, the agent a red triangle that points right (heading has no meaning), the printer a white box with
 * a black slot and a black lamp.
 */

import { box, ellipse, hex, polygon, type Colour, type Placement, type Shape, type SpriteSheet } from '../canvas.js';
import { colOf, rowOf } from '../grid.js';
import type { Style } from '../styles.js';
import { tableCells, type MiniBehaviourInstance } from './rules.js';

export type MiniBehaviourSprite = 'agent' | 'printer' | 'table';

export function placements({ agent, printer, table }: MiniBehaviourInstance): Placement<MiniBehaviourSprite>[] {
  const place = (cell: number, sprite: MiniBehaviourSprite) => ({ row: rowOf(cell), col: colOf(cell), sprite });
  return [...tableCells(table).map(cell => place(cell, 'table')), place(printer, 'printer'), place(agent, 'agent')];
}

/** A floor with lines along the left and the top edge of each cell. */
const floor = (line: number, lineColour: Colour, colour: Colour): readonly Shape[] => [
  box(0, 0, 1, 1, lineColour),
  box(line, line, 1, 1, colour),
];

const training: Style<MiniBehaviourSprite> = {
  versions: 1,
  loose: [],
  sheet: side => {
    const pixel = 1 / side;
    const BLACK: Colour = [0, 0, 0];
    const WHITE: Colour = [255, 255, 255];
    return {
      ground: floor(pixel, [60, 60, 60], BLACK),
      sprites: {
        table: [box(pixel, pixel, 1 - pixel, 1 - pixel, [181, 143, 96])],
        agent: [polygon([0.22, 0.2, 0.78, 0.5, 0.22, 0.8], [255, 24, 16])],
        printer: [
          box(0.21, 0.24, 0.79, 0.76, WHITE),
          box(0.31, 0.36, 0.69, 0.46, BLACK),
          ellipse(0.68, 0.64, 0.055, 0.055, BLACK),
        ],
      },
    };
  },
};

/** The colours of the held-out look by role, which no random look comes near (looks.ts). */
export const HELD_OUT_COLOURS = {
  floor: hex('#222834', '#2c2622'),
  line: hex('#545860', '#3e3e42'),
  table: hex('#9c703e', '#845c30'),
  agent: hex('#d61e36', '#ffd6d6'),
  printer: hex('#d6dce2', '#fafaf4', '#30343c', '#3c9650'),
} satisfies Record<string, readonly Colour[]>;

/**
 * A slate floor with broad or faint lines, a darker table without gaps, a crimson disc with a nose, a pale grey device.
 */
const heldOut: Style<MiniBehaviourSprite> = {
  versions: 4,
  loose: ['agent', 'printer'],
  sheet: (side, version): SpriteSheet<MiniBehaviourSprite> => {
    const { floor: floors, line, table, agent, printer } = HELD_OUT_COLOURS;
    const [broadLine, faintLine] = line;
    const [wood, grain] = table;
    const [crimson, shine] = agent;
    const [shell, paper, ink, lamp] = printer;
    const broad = version % 2 === 0;
    const width = Math.max(broad ? 0.08 : 0.03, 1 / side);
    return {
      ground: floor(width, broad ? broadLine : faintLine, floors[version >> 1]!),
      sprites: {
        table: [box(0, 0, 1, 1, wood), box(0, 0.3, 1, 0.36, grain), box(0, 0.68, 1, 0.74, grain)],
        agent: [
          ellipse(0.46, 0.5, 0.26, 0.26, crimson),
          polygon([0.62, 0.3, 0.9, 0.5, 0.62, 0.7], crimson),
          ellipse(0.5, 0.42, 0.05, 0.05, shine),
        ],
        printer: [
          polygon([0.3, 0.14, 0.7, 0.14, 0.7, 0.4, 0.3, 0.4], paper),
          polygon([0.16, 0.36, 0.84, 0.36, 0.78, 0.82, 0.22, 0.82], shell),
          box(0.3, 0.62, 0.7, 0.7, ink),
          ellipse(0.3, 0.48, 0.05, 0.05, lamp),
        ],
      },
    };
  },
};

export const STYLES = { training, 'held-out': heldOut } as const;
