/** Boards with plans on them, as text for terminals and as pictures. */
import { cellOf, maskOf, sizeOf } from '../models/vocabulary.js';
import type { RgbImage } from './png.js';
import type { Colour } from './worlds/canvas.js';
import { createInstance as frozenLakeOf } from './worlds/frozenlake/rules.js';
import type { FrozenLakeInstance } from './worlds/frozenlake/rules.js';
import { cellAt, colOf, DOWN, MOVES, neighbour, RIGHT, rowOf } from './worlds/grid.js';
import type { Action } from './worlds/grid.js';
import { ALL_WALLS, createInstance as mazeOf, isOpen } from './worlds/maze/rules.js';
import type { MazeInstance } from './worlds/maze/rules.js';
import { createInstance as miniBehaviourOf, distanceToTable } from './worlds/minibehaviour/rules.js';
import type { MiniBehaviourInstance } from './worlds/minibehaviour/rules.js';
import type { WorldName } from './worlds/registry.js';
import type { World, WorldInstance } from './worlds/world.js';

type CellKind = 'start' | 'goal' | 'obstacle' | 'floor';

/** What drawing has to know of a world beyond its contract. A further world adds an entry to `views`. */
interface BoardView<I extends WorldInstance> {
  /** The puzzle that a recap describes. @throws Error that says what is wrong with it */
  read(size: number, recap: readonly number[]): I;
  /** The letter and the kind of a cell, `.` for free floor. */
  cell(instance: I, cell: number): readonly [letter: string, kind: CellKind];
  /** Whether a wall stands in the way of a move; left out in worlds without walls inside the board. */
  readonly walled?: (instance: I, cell: number, move: Action) => boolean;
}

const FLOOR = ['.', 'floor'] as const;

/** The cells that the tokens stand for. @throws Error if one is no cell */
function cellsOf(tokens: readonly number[], what: string): number[] {
  const cells = tokens.map(cellOf);
  if (cells.includes(-1)) throw new Error(`${what} are not all cells`);
  return cells;
}

const frozenLake: BoardView<FrozenLakeInstance> = {
  read: (size, recap) => {
    const [start = -1, goal = -1, ...holes] = cellsOf(recap, 'start, goal and holes');
    return frozenLakeOf(size, start, goal, holes);
  },
  cell: ({ start, goal, holes }, cell) => {
    if (cell === start) return ['S', 'start'];
    if (cell === goal) return ['G', 'goal'];
    return holes.includes(cell) ? ['H', 'obstacle'] : FLOOR;
  },
};

const maze: BoardView<MazeInstance> = {
  read: (size, recap) => {
    const [start = -1, target = -1] = cellsOf(recap.slice(0, 2), 'start and target');
    const walls = recap.slice(2).map(token => (maskOf(token) < 0 ? -1 : ALL_WALLS - maskOf(token)));
    return mazeOf(size, start, target, walls);
  },
  cell: ({ start, target }, cell) => {
    if (cell === start) return ['S', 'start'];
    return cell === target ? ['T', 'goal'] : FLOOR;
  },
  walled: (instance, cell, move) => move < MOVES.length && !isOpen(instance, cell, move),
};

const miniBehaviour: BoardView<MiniBehaviourInstance> = {
  read: (size, recap) => {
    const [agent = -1, printer = -1, table = -1, ...more] = cellsOf(recap, 'agent, printer and table');
    if (more.length > 0) throw new Error('there are cells after agent, printer and table');
    return miniBehaviourOf(size, agent, printer, table);
  },
  cell: ({ agent, printer, table }, cell) => {
    if (cell === agent) return ['A', 'start'];
    if (cell === printer) return ['P', 'goal'];
    return distanceToTable(table, cell) === 0 ? ['T', 'obstacle'] : FLOOR;
  },
};

const views = { frozenlake: frozenLake, maze, minibehaviour: miniBehaviour } satisfies Record<WorldName, unknown>;

function viewOf(world: World): BoardView<WorldInstance> {
  const view = (views as Readonly<Record<string, unknown>>)[world.name];
  if (view === undefined) throw new Error(`boards of ${world.title} cannot be drawn yet`);
  return view as BoardView<WorldInstance>;
}

/** The puzzle that a recap describes, or what is wrong with it. */
export function readBoard(world: World, recap: readonly number[]): { instance: WorldInstance } | { problem: string } {
  const size = sizeOf(recap[0] ?? -1);
  if (size < 0) return { problem: 'it does not begin with the size of a board' };
  try {
    return { instance: viewOf(world).read(size, recap.slice(1)) };
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
      return viewOf(world).walled?.(instance, cell, action) ? -1 : neighbour(instance.size, cell, action);
    }
  }
  return steps;
}

/** Paints the letters of a text board; every function gets one or two characters. */
export interface BoardColours {
  readonly start: (text: string) => string;
  readonly goal: (text: string) => string;
  readonly obstacle: (text: string) => string;
  readonly floor: (text: string) => string;
  readonly path: (text: string) => string;
  readonly fatal: (text: string) => string;
}

/** L D R U, then PICK and DROP. */
const plainArrows = ['<', 'v', '>', '^', 'p', 'd'] as const;
const arrows = ['\u2190', '\u2193', '\u2192', '\u2191', 'p', 'd'] as const;

/**
 * A board as lines of text. FrozenLake: S start, G goal, H hole; Maze: S start, T target and its walls; MiniBehaviour: A
 * agent, P printer, T table; `.` is free floor. In each cell of a path stands the direction in which it goes on (p and d:
 * pick and drop); x marks where a plan fails. All lines have the same number of characters, codes of colours not counted.
 * @param colours left out: plain ASCII
 */
export function boardText(
  world: World,
  instance: WorldInstance,
  path: readonly PathStep[] = [],
  colours?: BoardColours,
): string[] {
  const view = viewOf(world);
  const { size } = instance;
  const paint = (name: keyof BoardColours, text: string) => (colours ? colours[name](text) : text);
  const marks = new Map<number, string>();
  for (const { action, from } of path) marks.set(from, paint('path', (colours ? arrows : plainArrows)[action]));
  const last = path.at(-1);
  if (last?.fatal) marks.set(last.to < 0 ? last.from : last.to, paint('fatal', 'x'));

  const letters = (row: number) =>
    Array.from({ length: size }, (_, col) => {
      const [letter, kind] = view.cell(instance, cellAt(row, col));
      const mark = kind === 'start' || kind === 'goal' ? undefined : marks.get(cellAt(row, col));
      return mark ?? paint(kind, letter);
    });
  const rows = Array.from({ length: size }, (_, row) => row);
  const { walled } = view;
  if (!walled) return rows.map(row => letters(row).join(' '));

  const edge = `+${'-+'.repeat(size)}`;
  const lines = rows.flatMap(row => {
    const cells = letters(row).map((text, col) => text + (walled(instance, cellAt(row, col), RIGHT) ? '|' : ' '));
    const below = rows.map(col => (walled(instance, cellAt(row, col), DOWN) ? '-+' : ' +'));
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
