/** Boards as inline SVG: the rendered puzzle, all optimal plans, and the student's plan over them. */
import { cellOf } from '../../models/vocabulary.js';
import { pathOf } from '../pictures/draw.js';
import type { PathStep } from '../pictures/draw.js';
import { encodePng } from '../pictures/png.js';
import type { Puzzle } from '../method/puzzles.js';
import { actionName, colOf, DOWN, LEFT, RIGHT, rowOf, UP } from '../worlds/grid.js';
import type { Action } from '../worlds/grid.js';
import type { PlanState, WorldInstance } from '../worlds/world.js';
import { html } from './html.js';
import type { Html } from './html.js';

/** Units of the drawing per cell. */
const unit = 20;

/** Pixels per cell of the picture below the plans. */
const cellPixels = 40;

export function pngUrl(data: Uint8Array, pixels: number): string {
  const png = encodePng({ width: pixels, height: pixels, data });
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}

/** The picture of a puzzle, once per page; `board` refers to it by `id`. */
export function boardDefinition(id: string, { world, instance }: Puzzle): Html {
  const side = unit * instance.size;
  const url = pngUrl(world.render(instance, cellPixels * instance.size), cellPixels * instance.size);
  return html`<svg class="definition" aria-hidden="true" focusable="false">
    <defs><image id="${id}" href="${url}" width="${side}" height="${side}" /></defs>
  </svg>`;
}

export interface BoardOptions {
  /** Id of the `boardDefinition`; left out: the picture is put into this drawing. */
  readonly picture?: string;
  /** The student's plan; left out: none is drawn. */
  readonly plan?: readonly Action[];
  /** Draws every optimal plan below it. */
  readonly optimal?: boolean;
  /** What the drawing shows, for people who do not see it. */
  readonly label: string;
}

export function board({ world, instance }: Puzzle, { picture, plan = [], optimal = true, label }: BoardOptions): Html {
  const side = unit * instance.size;
  const image =
    picture === undefined
      ? html`<image
          href="${pngUrl(world.render(instance, cellPixels * instance.size), cellPixels * instance.size)}"
          width="${side}"
          height="${side}"
        />`
      : html`<use href="#${picture}" />`;
  const best = optimal ? optimalMoves({ world, instance }) : [];
  const path = pathOf(world, instance, plan);
  return html`<svg class="board" viewBox="0 0 ${side} ${side}" role="img" aria-label="${label}">
    ${image}
    <g class="optimal">${best.map(([from, to]) => segment(from, to))}</g>
    ${planPath(path)}
  </svg>`;
}

const x = (cell: number) => (colOf(cell) + 0.5) * unit;
const y = (cell: number) => (rowOf(cell) + 0.5) * unit;
const round = (value: number) => Number(value.toFixed(2));

function segment(from: number, to: number): Html {
  return html`<path d="M${x(from)} ${y(from)}L${x(to)} ${y(to)}" />`;
}

/** Every move from cell to cell that some optimal plan makes. */
export function optimalMoves({ world, instance }: Puzzle): [from: number, to: number][] {
  const moves = new Map<string, [number, number]>();
  const cell = (state: PlanState) => cellOf(world.cellAfter(instance, state));
  const states = [world.start(instance)];
  const seen = new Set(states);
  for (const state of states)
    for (const action of world.optimalActions(instance, state)) {
      const { next } = world.step(instance, state, action);
      const [from, to] = [cell(state), cell(next)];
      if (from !== to) moves.set(`${from} ${to}`, [from, to]);
      if (!seen.has(next)) states.push(next);
      seen.add(next);
    }
  return [...moves.values()];
}

/** The number of optimal plans. */
export function countOptimalPlans({ world, instance }: Puzzle): number {
  const known = new Map<PlanState, number>();
  const count = (state: PlanState): number => {
    if (world.isGoal(instance, state)) return 1;
    const before = known.get(state);
    if (before !== undefined) return before;
    const total = world
      .optimalActions(instance, state)
      .reduce<number>((sum, action) => sum + count(world.step(instance, state, action).next), 0);
    known.set(state, total);
    return total;
  };
  return count(world.start(instance));
}

/** Unit steps of the moves on the page. */
const steps: Readonly<Partial<Record<Action, readonly [dx: number, dy: number]>>> = {
  [LEFT]: [-1, 0],
  [DOWN]: [0, 1],
  [RIGHT]: [1, 0],
  [UP]: [0, -1],
};

function planPath(path: readonly PathStep[]): Html | null {
  const [first] = path;
  if (!first) return null;
  const moves = path.filter(({ from, to, fatal }) => from !== to && !fatal);
  const points = [first.from, ...moves.map(({ to }) => to)].map(cell => `${x(cell)} ${y(cell)}`);
  const failed = path.find(({ fatal }) => fatal);
  const line = [...points, ...(failed ? [point(failed, 0.5)] : [])].join('L');
  const last = moves.at(-1);
  const deeds = path.filter(({ action, fatal }) => steps[action] === undefined && !fatal);
  return html`<g class="plan"
    ><path class="casing" d="M${line}" /><path
      class="line"
      d="M${line}"
    />${!failed && last ? arrow(last) : null}<circle
      class="begin"
      cx="${x(first.from)}"
      cy="${y(first.from)}"
      r="1.8"
    />${deeds.map(({ action, from }) => html`<text x="${x(from)}" y="${y(from) - 5}">${actionName(action)}</text>`)}${failed ? cross(failed) : null}</g
  >`;
}

/** A place on the way of a fatal move: 1 is the next cell's middle. Moves that a wall stops end at the wall. */
function point({ action, from }: PathStep, share: number): string {
  const [dx, dy] = steps[action] ?? [0, 0];
  return `${round(x(from) + dx * share * unit)} ${round(y(from) + dy * share * unit)}`;
}

function cross(failed: PathStep): Html {
  const [dx, dy] = steps[failed.action] ?? [0, 0];
  const reach = (failed.to < 0 ? 0.4 : 1) * unit;
  const [cx, cy] = [x(failed.from) + dx * reach, y(failed.from) + dy * reach];
  const arm = 4;
  const d = `M${cx - arm} ${cy - arm}L${cx + arm} ${cy + arm}M${cx - arm} ${cy + arm}L${cx + arm} ${cy - arm}`;
  return html`<path class="casing" d="${d}" /><path class="fatal" d="${d}" />`;
}

function arrow({ from, to }: PathStep): Html {
  const length = Math.hypot(x(to) - x(from), y(to) - y(from));
  const [ux, uy] = [(x(to) - x(from)) / length, (y(to) - y(from)) / length];
  const tip = [x(to) + 2.4 * ux, y(to) + 2.4 * uy] as const;
  const corner = (sign: number) =>
    `${round(tip[0] - 5 * ux - sign * 3.2 * uy)} ${round(tip[1] - 5 * uy + sign * 3.2 * ux)}`;
  return html`<path class="head" d="M${round(tip[0])} ${round(tip[1])}L${corner(1)}L${corner(-1)}Z" />`;
}

/** A puzzle that exists only in a student's recap. */
export function asPuzzle({ world }: Puzzle, instance: WorldInstance): Puzzle {
  return { world, instance };
}
