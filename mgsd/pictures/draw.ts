/** Boards with plans on them, as text for terminals and as pictures. */
import { cellOf } from '../../models/vocabulary.js';
import type { RgbImage } from './png.js';
import type { Colour } from '../worlds/canvas.js';
import { cellAt, colOf, DOWN, neighbour, RIGHT, rowOf } from '../worlds/grid.js';
import type { Action } from '../worlds/grid.js';
import type { World, WorldInstance } from '../worlds/world.js';

/** The puzzle that a recap describes, or what is wrong with it. */
export function readBoard(world: World, recap: readonly number[]): { instance: WorldInstance } | { problem: string } {
  try {
    return { instance: world.readRecap(recap) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** One action on a board. Cells are numbers 8 * row + col. */
export interface PathStep {
  readonly action: Action;
  readonly from: number;
  /** Where it led; for a fatal move the cell that it entered, -1 if a wall, the edge or the rules kept it where it was. */
  readonly to: number;
  /** The cross where a plan fails. */
  readonly fatal: boolean;
}

/** The steps of a plan, up to the goal or the first fatal one. */
export function pathOf(world: World, instance: WorldInstance, actions: readonly Action[]): PathStep[] {
  const steps: PathStep[] = [];
  let state = world.start(instance);
  for (const action of actions) {
    if (world.isGoal(instance, state)) break;
    const from = cellOf(world.cellAfter(instance, state));
    const step = world.step(instance, state, action);
    state = step.next;
    const fatal = step.verdict === 'fatal';
    steps.push({ action, from, to: fatal ? entered(from) : cellOf(world.cellAfter(instance, state)), fatal });
    if (fatal) break;

    function entered(cell: number): number {
      return world.isWalled?.(instance, cell, action) ? -1 : neighbour(instance.size, cell, action);
    }
  }
  return steps;
}

/** Paints the letters of a text board; every function gets one or two characters. */
export interface BoardColours {
  /** The cell where the agent begins. */
  readonly start: (text: string) => string;
  /** The goal. */
  readonly goal: (text: string) => string;
  /** Holes and tables. */
  readonly obstacle: (text: string) => string;
  /** Free floor. */
  readonly floor: (text: string) => string;
  /** The directions of a plan. */
  readonly path: (text: string) => string;
  /** The cross where a plan fails. */
  readonly fatal: (text: string) => string;
}

/** L D R U, then PICK and DROP. */
const plainArrows = ['<', 'v', '>', '^', 'p', 'd'] as const;
const arrows = ['\u2190', '\u2193', '\u2192', '\u2191', 'p', 'd'] as const;

/**
 * A board as lines of text, with the letters and walls that its world gives (`cellLook`, `isWalled`); `.` is free floor. In each cell of a path stands the direction in which it goes on (p and d:
 * pick and drop); x marks where a plan fails. All lines have the same number of characters, codes of colours not counted.
 * @param colours left out: plain ASCII
 */
export function boardText(
  world: World,
  instance: WorldInstance,
  /** The directions of a plan. */
  path: readonly PathStep[] = [],
  colours?: BoardColours,
): string[] {
  const { size } = instance;
  const paint = (name: keyof BoardColours, text: string) => (colours ? colours[name](text) : text);
  const marks = new Map<number, string>();
  for (const { action, from } of path) marks.set(from, paint('path', (colours ? arrows : plainArrows)[action]));
  const last = path.at(-1);
  if (last?.fatal) marks.set(last.to < 0 ? last.from : last.to, paint('fatal', 'x'));

  const letters = (row: number) =>
    Array.from({ length: size }, (_, col) => {
      const [letter, kind] = world.cellLook(instance, cellAt(row, col));
      const mark = kind === 'start' || kind === 'goal' ? undefined : marks.get(cellAt(row, col));
      return mark ?? paint(kind, letter);
    });
  const rows = Array.from({ length: size }, (_, row) => row);
  if (!world.isWalled) return rows.map(row => letters(row).join(' '));
  const isWalled = (cell: number, move: Action) => world.isWalled?.(instance, cell, move) ?? false;

  const edge = `+${'-+'.repeat(size)}`;
  const lines = rows.flatMap(row => {
    const cells = letters(row).map((text, col) => text + (isWalled(cellAt(row, col), RIGHT) ? '|' : ' '));
    const below = rows.map(col => (isWalled(cellAt(row, col), DOWN) ? '-+' : ' +'));
    return [`|${cells.join('')}`, `+${below.join('')}`];
  });
  return [edge, ...lines];
}

const PATH_COLOUR: Colour = [240, 120, 20];
const FATAL_COLOUR: Colour = [220, 20, 40];
const CASING: Colour = [255, 255, 255];

/** A board as the model sees it, with a path drawn over it: a square image with this many pixels a side. */
export function boardPicture(
  world: World,
  instance: WorldInstance,
  /** The directions of a plan. */
  path: readonly PathStep[],
  pixels: number,
): RgbImage {
  const image = { width: pixels, height: pixels, data: world.render(instance, pixels) };
  const side = pixels / instance.size;
  const centre = (cell: number): Point => [(colOf(cell) + 0.5) * side, (rowOf(cell) + 0.5) * side];
  const moves = path.filter(({ from, to }) => to >= 0 && from !== to);
  const width = 0.035 * side;
  for (const [colour, radius] of [
    [CASING, 2 * width],
    [PATH_COLOUR, width],
  ] as const)
    // prettier-ignore
    moves.forEach(({ from, to }, k) => {
      const [tail, head] = [centre(from), centre(to)];
      line(image, tail, head, radius, colour);
      if (k === moves.length - 1) arrowHead(image, tail, head, 0.16 * side, radius, colour);
    });
  const failed = path.find(({ fatal }) => fatal);
  if (failed) {
    const [fromX, fromY] = centre(failed.from);
    const step = directions[failed.action] ?? [0, 0];
    // Where a wall or the edge was in the way the cross stands on it.
    const reach = failed.to < 0 ? 0.42 : 1;
    const [x, y] = [fromX + step[0] * reach * side, fromY + step[1] * reach * side];
    const arm = 0.18 * side;
    for (const sign of [-1, 1])
      line(image, [x - arm, y - sign * arm], [x + arm, y + sign * arm], 1.5 * width, FATAL_COLOUR);
  }
  return image;
}

/** Of the moves L, D, R, U. */
const directions: readonly Point[] = [[-1, 0], [0, 1], [1, 0], [0, -1]]; // prettier-ignore

type Point = readonly [x: number, y: number];

/** A line with round ends, smooth at its edges. */
function line(
  { width, height, data }: RgbImage,
  [ax, ay]: Point,
  [bx, by]: Point,
  radius: number,
  colour: Colour,
): void {
  const [dx, dy] = [bx - ax, by - ay];
  const squared = dx * dx + dy * dy;
  const range = (a: number, b: number, end: number) =>
    [
      Math.max(0, Math.floor(Math.min(a, b) - radius - 1)),
      Math.min(end, Math.ceil(Math.max(a, b) + radius + 1)),
    ] as const;
  const [left, right] = range(ax, bx, width);
  const [top, bottom] = range(ay, by, height);
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
      const along = squared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / squared));
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(px - along * dx, py - along * dy)));
      const at = (y * width + x) * 3;
      for (let c = 0; c < 3; c++) data[at + c] = Math.round(data[at + c]! * (1 - cover) + colour[c]! * cover);
    }
  }
}

/** A round spot with a light rim, at a place in pixels. */
export function drawSpot(image: RgbImage, at: readonly [x: number, y: number], radius: number): void {
  line(image, at, at, 1.35 * radius, CASING);
  line(image, at, at, radius, PATH_COLOUR);
}

function arrowHead(
  image: RgbImage,
  [tx, ty]: Point,
  [hx, hy]: Point,
  size: number,
  radius: number,
  colour: Colour,
): void {
  const length = Math.hypot(hx - tx, hy - ty);
  const [ux, uy] = [(hx - tx) / length, (hy - ty) / length];
  for (const side of [-1, 1])
    line(image, [hx, hy], [hx - size * (ux + side * uy), hy - size * (uy - side * ux)], radius, colour);
}

/** Every pixel as a square of `factor` pixels a side. */
export function enlarge({ width, height, data }: RgbImage, factor: number): RgbImage {
  const out = new Uint8Array(width * height * factor * factor * 3);
  for (let y = 0; y < height * factor; y++)
    for (let x = 0; x < width * factor; x++) {
      const from = (Math.floor(y / factor) * width + Math.floor(x / factor)) * 3;
      out.set(data.subarray(from, from + 3), (y * width * factor + x) * 3);
    }
  return { width: width * factor, height: height * factor, data: out };
}

/** Pictures in a row on white, `gap` pixels apart. */
export function sideBySide(images: readonly RgbImage[], gap: number): RgbImage {
  const width = images.reduce((sum, image) => sum + image.width, gap * (images.length - 1));
  const height = Math.max(...images.map(image => image.height));
  const data = new Uint8Array(width * height * 3).fill(255);
  let left = 0;
  for (const image of images) {
    for (let y = 0; y < image.height; y++)
      data.set(image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3), (y * width + left) * 3);
    left += image.width + gap;
  }
  return { width, height, data };
}
