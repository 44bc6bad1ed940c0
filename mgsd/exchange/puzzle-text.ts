/**
 * The text of a stored puzzle, as the method's authors write and read it: lines `key=value` (JSON values on one line),
 * then a line `map:`, `layout:` or `grid:` and the board's rows. Whatever the file says twice has to agree.
 */

import { cellOf } from '../../models/vocabulary.js';
import type { Action } from '../worlds/grid.js';
import type { World, WorldInstance } from '../worlds/world.js';
import { formatsOf } from './formats.js';
import { ACTION_WORDS, cellPair, PuzzleFields, quoted } from './puzzle-fields.js';

/** Where a puzzle comes from. */
export interface PuzzleOrigin {
  readonly split: string;
  /** Its number within its world and level. */
  readonly index: number;
  readonly seed: number;
  /** The generator's options, as the user gave them. Left out: the world's defaults. */
  readonly options?: unknown;
}

/** The text file of a puzzle, with the reference plan as its solution. */
export function puzzleText<I extends WorldInstance>(world: World<I>, instance: I, origin: PuzzleOrigin): string {
  const { file } = formatsOf(world);
  const plan = world.referencePlan(instance);
  const fields = {
    task: world.name,
    split: origin.split,
    level: instance.size,
    index: origin.index,
    seed: origin.seed,
    path_length: plan.length,
    solution_actions: plan.map(action => ACTION_WORDS[action]),
    trajectory_states: world
      .judge(instance, plan)
      .path.map(state => cellPair(cellOf(world.cellAfter(instance, state)))),
    ...file.fields(instance, world, origin.options),
  };
  const lines = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return [...lines, `${file.block}:`, ...file.rows(instance), ''].join('\n');
}

/** The parts of a stored puzzle's text. */
interface PuzzleParts {
  readonly fields: PuzzleFields;
  readonly block: string | undefined;
  readonly rows: readonly string[];
}

/** Cuts a text into fields and board. @throws Error for a line that is neither, or a field with two values */
export function parsePuzzleText(text: string): PuzzleParts {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const fields = new Map<string, string>();
  for (const [i, line] of lines.entries()) {
    const trimmed = line.trim();
    if (trimmed === '') continue;
    const block = /^([a-z]+):$/.exec(trimmed)?.[1];
    if (block !== undefined) {
      const rows = lines.slice(i + 1).map(row => row.trim());
      return { fields: new PuzzleFields(fields), block, rows: rows.filter(row => row !== '') };
    }
    const at = trimmed.indexOf('=');
    if (at < 1) throw new Error(`line ${i + 1} is no key=value: ${quoted(trimmed)}`);
    const [name, value] = [trimmed.slice(0, at).trim(), trimmed.slice(at + 1).trim()];
    if (fields.has(name) && fields.get(name) !== value) throw new Error(`'${name}' has two different values`);
    fields.set(name, value);
  }
  return { fields: new PuzzleFields(fields), block: undefined, rows: [] };
}

/** What a stored text says of its puzzle. */
export interface ReadPuzzle<I extends WorldInstance = WorldInstance> {
  readonly instance: I;
  /** Undefined where the file names none. */
  readonly split: string | undefined;
  readonly solution: readonly Action[] | undefined;
  /** Oddities that do no harm, for people. */
  readonly notes: readonly string[];
}

/**
 * The puzzle of a stored text, checked: it can be solved, its fields agree with its board, and the given solution
 * solves it. Unknown fields are ignored.
 */
export function readPuzzle<I extends WorldInstance>(
  world: World<I>,
  { fields, block, rows }: PuzzleParts,
): ReadPuzzle<I> {
  const { file } = formatsOf(world);
  if (block !== undefined && block !== file.block)
    throw new Error(`the board of ${world.title} stands behind '${file.block}:', not behind '${block}:'`);
  const instance = file.read(rows, fields);
  const level = fields.whole('level');
  if (level !== undefined && level !== instance.size)
    throw new Error(`level=${level} does not fit a board of side ${instance.size}`);
  const shortest = world.shortestLength(instance);
  if (shortest < 0) throw new Error('no plan leads to the goal of this board');

  const notes: string[] = [];
  const solution = fields.actions('solution_actions');
  if (solution !== undefined) {
    const { success, reason, steps } = world.judge(instance, solution);
    if (!success) throw new Error(`solution_actions does not solve the board (${reason} at action ${steps})`);
    if (solution.length > shortest)
      notes.push(`solution_actions has ${solution.length} actions, and ${shortest} would do`);
  }
  const length = fields.whole('path_length');
  if (length !== undefined && solution !== undefined && length !== solution.length)
    throw new Error(`path_length=${length}, but solution_actions has ${solution.length} actions`);
  if (solution === undefined && length !== undefined && length < shortest)
    throw new Error(`path_length=${length}, but no plan has fewer than ${shortest} actions`);
  return { instance, split: fields.text('split'), solution, notes };
}
