/** Boards with plans on them, as text for terminals and as pictures. */
import { cellOf } from '../../models/vocabulary.js';
import { encodePng } from './png.js';
import type { RgbImage } from './png.js';
import type { Colour } from '../worlds/canvas.js';
import { cellAt, colOf, DOWN, LEFT, neighbour, RIGHT, rowOf, UP } from '../worlds/grid.js';
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
  /**
   * Where it led; for a fatal move the cell that it entered, -1 if a wall, the edge or the rules kept it where it was.
   */
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
 * A board as lines of text, with the letters and walls that its world gives (`cellMark`, `isWalled`); `.` is free
 * floor. In each cell of a path stands the direction in which it goes on (p and d: pick and drop); x marks where a plan
 * fails. All lines have the same number of characters, codes of colours not counted.
 * @param colours left out: plain ASCII
 */
export function boardText(
  world: World,
  instance: WorldInstance,
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
      const [letter, kind] = world.cellMark(instance, cellAt(row, col));
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

/** A place on a board in cells: (0.5, 0.5) is the middle of the first one. */
export type Point = readonly [x: number, y: number];

/** A line with round ends; points and width are in cells. One point alone is a dot. */
export interface Stroke {
  readonly kind: 'casing' | 'line' | 'fatal' | 'optimal';
  readonly points: readonly Point[];
  readonly width: number;
}

export const middleOf = (cell: number): Point => [colOf(cell) + 0.5, rowOf(cell) + 0.5];
const shifted = ([x, y]: Point, dx: number, dy: number): Point => [x + dx, y + dy];

/** Columns and rows that an action moves by. */
const directionOf = (action: Action): Point => [
  Number(action === RIGHT) - Number(action === LEFT),
  Number(action === DOWN) - Number(action === UP),
];

/**
 * A path as the lines that every picture of it is made of: the way with a dot where it begins, and at its end an arrow,
 * or a cross where the plan fails. What a wall or the edge stops fails at the wall.
 */
export function pathStrokes(path: readonly PathStep[]): Stroke[] {
  const [first] = path;
  if (!first) return [];
  const moves = path.filter(({ from, to, fatal }) => from !== to && !fatal);
  const [last, failed] = [moves.at(-1), path.find(({ fatal }) => fatal)];
  const way = [first.from, ...moves.map(({ to }) => to)].map(middleOf);
  const lines: Point[][] = [way];
  const cross: Point[][] = [];
  if (failed) {
    const [[dx, dy], from, reach] = [directionOf(failed.action), middleOf(failed.from), failed.to < 0 ? 0.42 : 1];
    way.push(shifted(from, dx / 2, dy / 2));
    const at = shifted(from, reach * dx, reach * dy);
    for (const arm of [-0.18, 0.18]) cross.push([shifted(at, -0.18, -arm), shifted(at, 0.18, arm)]);
  } else if (last) {
    const [tip, [dx, dy]] = [
      middleOf(last.to),
      directionOf(last.action).map(value => 0.16 * value) as [number, number],
    ];
    lines.push([shifted(tip, dy - dx, -dx - dy), tip, shifted(tip, -dx - dy, dx - dy)]);
  }
  const strokes = (kind: Stroke['kind'], width: number, all: readonly (readonly Point[])[]) =>
    all.map(points => ({ kind, points, width }));
  return [
    ...strokes('casing', 0.15, lines),
    ...strokes('line', 0.08, lines),
    ...strokes('line', 0.18, [way.slice(0, 1)]),
    ...strokes('casing', 0.18, cross),
    ...strokes('fatal', 0.11, cross),
  ];
}

const colours: Readonly<Record<Stroke['kind'], Colour>> = {
  casing: [255, 255, 255],
  line: [240, 120, 20],
  fatal: [220, 20, 40],
  optimal: [0, 145, 106],
};

/** A board as the model sees it, with a path drawn over it: a square image with this many pixels a side. */
export function boardPicture(
  world: World,
  instance: WorldInstance,
  path: readonly PathStep[],
  pixels: number,
): RgbImage {
  const image = { width: pixels, height: pixels, data: world.render(instance, pixels) };
  drawStrokes(image, pathStrokes(path), pixels / instance.size);
  return image;
}

/** A board as the address of a picture, which can stand in a page or an SVG. */
export function boardUrl(world: World, instance: WorldInstance, pixels: number): string {
  return imageUrl({ width: pixels, height: pixels, data: world.render(instance, pixels) });
}

/** An image as an address, which holds it as a PNG. */
export function imageUrl(image: RgbImage): string {
  return `data:image/png;base64,${btoa(Array.from(encodePng(image), byte => String.fromCharCode(byte)).join(''))}`;
}

/** @param side pixels per cell */
export function drawStrokes(image: RgbImage, strokes: readonly Stroke[], side: number): void {
  for (const { kind, points, width } of strokes)
    points.forEach((point, k) => {
      const to = points[k + 1] ?? (k === 0 ? point : undefined);
      if (to) drawLine(image, point, to, width, side, colours[kind]);
    });
}

/** A line with round ends, smooth at its edges; see `Stroke`. */
function drawLine(
  { width: columns, height: rows, data }: RgbImage,
  from: Point,
  to: Point,
  width: number,
  side: number,
  colour: Colour,
): void {
  const [ax, ay, bx, by, radius] = [...from, ...to, width / 2].map(value => value * side) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const [dx, dy] = [bx - ax, by - ay];
  const squared = dx * dx + dy * dy;
  const first = (a: number, b: number) => Math.max(0, Math.floor(Math.min(a, b) - radius - 1));
  const end = (a: number, b: number, limit: number) => Math.min(limit, Math.ceil(Math.max(a, b) + radius + 1));
  for (let y = first(ay, by); y < end(ay, by, rows); y++)
    for (let x = first(ax, bx); x < end(ax, bx, columns); x++) {
      const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
      const along = squared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / squared));
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(px - along * dx, py - along * dy)));
      const at = (y * columns + x) * 3;
      for (let c = 0; c < 3; c++) data[at + c] = Math.round(data[at + c]! * (1 - cover) + colour[c]! * cover);
    }
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
