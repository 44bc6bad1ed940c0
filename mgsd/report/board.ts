/** Boards as inline SVG: the rendered puzzle, all optimal plans, and the student's plan over them. */
import { cellOf } from '../../models/vocabulary.js';
import { boardUrl, middleOf, pathOf, pathStrokes } from '../pictures/draw.js';
import type { Stroke } from '../pictures/draw.js';
import type { Puzzle } from '../method/puzzles.js';
import { actionName, PICK } from '../worlds/grid.js';
import type { Action } from '../worlds/grid.js';
import type { PlanState } from '../worlds/world.js';
import { html } from '../pictures/html.js';
import type { Html } from '../pictures/html.js';

/** Units of the drawing per cell. */
const unit = 20;

/** Pixels per cell of the picture below the plans. */
const cellPixels = 40;

function picture(puzzle: Puzzle, id: string | null): Html {
  const side = unit * puzzle.instance.size;
  const url = boardUrl(puzzle.world, puzzle.instance, cellPixels * puzzle.instance.size);
  return html`<image ${id === null ? null : html`id="${id}"`} href="${url}" width="${side}" height="${side}" />`;
}

/** The picture of a puzzle, once per page; `board` refers to it by `id`. */
export function boardDefinition(id: string, puzzle: Puzzle): Html {
  return html`<svg class="definition" aria-hidden="true" focusable="false"><defs>${picture(puzzle, id)}</defs></svg>`;
}

export interface BoardOptions {
  /** Id of the `boardDefinition`; left out: the picture is put into this drawing. */
  readonly picture?: string;
  readonly plan: readonly Action[];
  /** Draws every optimal plan below it. */
  readonly optimal?: boolean;
  /** What the drawing shows, for people who do not see it. */
  readonly label: string;
}

export function board(puzzle: Puzzle, { picture: id, plan, optimal = true, label }: BoardOptions): Html {
  const side = unit * puzzle.instance.size;
  const path = pathOf(puzzle.world, puzzle.instance, plan);
  const best = (optimal ? optimalMoves(puzzle) : []).map(
    cells => ({ kind: 'optimal', points: cells.map(middleOf), width: 0.27 }) as const,
  );
  const deeds = path.filter(({ action, fatal }) => action >= PICK && !fatal);
  return html`<svg class="board" viewBox="0 0 ${side} ${side}" role="img" aria-label="${label}">
    ${id === undefined ? picture(puzzle, null) : html`<use href="#${id}" />`}
    <g opacity="0.65">${best.map(svgPath)}</g>
    ${pathStrokes(path).map(svgPath)}${deeds.map(({ action, from }) => {
      const [x, y] = middleOf(from);
      return html`<text x="${x * unit}" y="${y * unit - 5}">${actionName(action)}</text>`;
    })}
  </svg>`;
}

/** A stroke; a dot is a line to itself, whose round ends show. */
export function svgPath({ kind, points, width }: Stroke): Html {
  const places = points.map(point => point.map(value => Number((value * unit).toFixed(2))).join(' '));
  const d = `M${(places.length === 1 ? [...places, ...places] : places).join('L')}`;
  return html`<path class="${kind}" d="${d}" stroke-width="${Number((width * unit).toFixed(2))}" />`;
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
