/**
 * How Maze looks. Training: white corridors in black, a light-grey line on every open boundary, the start a yellow dot
 * and the target a blue one. Wall and line widths and the dots' radius are in pixels, by the published formulas:
 *
 *     wall = max(2, floor(cell / 4))   line = max(1, floor(cell / 16))   radius = max(3, floor((cell - wall) / 4))
 *
 * Every cell is a square inset by half a wall; an open side adds half a bridge to it, the neighbour adds the other
 * half.
 */

import { box, ellipse, hex, polygon, type Colour, type Placement, type Sprite, type SpriteSheet } from '../canvas.js';
import { DOWN, LEFT, MOVES, RIGHT, UP, boardCells, colOf, rowOf, type Action } from '../grid.js';
import type { Style } from '../styles.js';
import { isOpen, type MazeInstance } from './rules.js';

export type MazeSprite = 'start' | 'target' | 'north' | 'south' | 'west' | 'east';

const BRIDGES: readonly MazeSprite[] = ['west', 'south', 'east', 'north'];

/** The sprites of a puzzle: a half bridge on every open side of every cell, and the two dots. */
export function placements(instance: MazeInstance): Placement<MazeSprite>[] {
  const sprites: Placement<MazeSprite>[] = [];
  for (const cell of boardCells(instance.size)) {
    const [row, col] = [rowOf(cell), colOf(cell)];
    for (const move of MOVES) if (isOpen(instance, cell, move)) sprites.push({ row, col, sprite: BRIDGES[move]! });
    if (cell === instance.start) sprites.push({ row, col, sprite: 'start' });
    if (cell === instance.target) sprites.push({ row, col, sprite: 'target' });
  }
  return sprites;
}

/** Measures in cells. */
interface Measures {
  readonly wall: number;
  readonly line: number;
}

interface Colours {
  readonly wall: Colour;
  readonly corridor: Colour;
  readonly line: Colour;
}

function sheet({ wall, line }: Measures, colours: Colours, start: Sprite, target: Sprite): SpriteSheet<MazeSprite> {
  const [near, far] = [wall / 2, 1 - wall / 2];
  /** The half bridge on a side, and the half of the line that lies on this side of the boundary. */
  const bridge = (side: Action): Sprite =>
    [
      { depth: wall / 2, colour: colours.corridor },
      { depth: line / 2, colour: colours.line },
    ].map(({ depth, colour }) => {
      if (side === LEFT) return box(0, near, depth, far, colour);
      if (side === RIGHT) return box(1 - depth, near, 1, far, colour);
      if (side === UP) return box(near, 0, far, depth, colour);
      return box(near, 1 - depth, far, 1, colour);
    });
  return {
    ground: [box(0, 0, 1, 1, colours.wall), box(near, near, far, far, colours.corridor)],
    sprites: { start, target, west: bridge(LEFT), south: bridge(DOWN), east: bridge(RIGHT), north: bridge(UP) },
  };
}

const YELLOW: Colour = [255, 220, 0];
const BLUE: Colour = [0, 64, 255];

const training: Style<MazeSprite> = {
  versions: 1,
  loose: [],
  sheet: side => {
    const wall = Math.max(2, Math.floor(side / 4));
    const line = Math.max(1, Math.floor(side / 16));
    // The dot stays inside the white square, also where cells have few pixels.
    const radius = Math.min(Math.max(3, Math.floor((side - wall) / 4)), (side - wall) / 2) / side;
    const dot = (colour: Colour): Sprite => [ellipse(0.5, 0.5, radius, radius, colour)];
    const colours: Colours = { wall: [0, 0, 0], corridor: [255, 255, 255], line: [224, 224, 224] };
    return sheet({ wall: wall / side, line: line / side }, colours, dot(YELLOW), dot(BLUE));
  },
};

/** The colours of the held-out look by role, which no random look comes near (looks.ts). */
export const HELD_OUT_COLOURS = {
  wall: hex('#343a4a', '#463024'),
  corridor: hex('#e8e0cc', '#dee6da'),
  line: hex('#d6cbb2', '#dee6da'),
  start: hex('#f0aa1e', '#6e5414'),
  target: hex('#263c96', '#78a0eb'),
} satisfies Record<string, readonly Colour[]>;

/** Walls of dark stone or wood between sandy floors, narrower than in training; an amber diamond and a navy square. */
const heldOut: Style<MazeSprite> = {
  versions: 4,
  loose: ['start', 'target'],
  sheet: (side, version) => {
    const { start, target, ...palettes } = HELD_OUT_COLOURS;
    const [amber, rim] = start;
    const [navy, centre] = target;
    const wall = Math.max(2 / side, [0.14, 0.18][version % 2]!);
    const pick = (colours: readonly Colour[]) => colours[version >> 1]!;
    const reach = Math.min(0.3, (1 - wall) / 2 - 0.05);
    const diamond = (r: number): readonly number[] => [0.5, 0.5 - r, 0.5 + r, 0.5, 0.5, 0.5 + r, 0.5 - r, 0.5];
    const square = (r: number, colour: Colour) => box(0.5 - r, 0.5 - r, 0.5 + r, 0.5 + r, colour);
    return sheet(
      { wall, line: 0.05 },
      { wall: pick(palettes.wall), corridor: pick(palettes.corridor), line: pick(palettes.line) },
      [polygon(diamond(reach), rim), polygon(diamond(reach * 0.82), amber)],
      [square(reach * 0.8, navy), square(reach * 0.3, centre)],
    );
  },
};

export const STYLES = { training, 'held-out': heldOut } as const;
