/**
 * The text of a stored sample, as the method's authors write and read it: lines `key=value` (JSON values on one line), then a
 * line `map:`, `layout:` or `grid:` and the board's rows. What stands in the file twice has to agree.
 */

import { cellOf } from '../../models/vocabulary.js';
import { quoted } from './fields.js';
import { cellAt, cellText, colOf, DOWN, DROP, LEFT, onBoard, PICK, RIGHT, rowOf, UP, type Action } from './grid.js';
import type { World, WorldInstance } from './world.js';

export type SampleField = readonly [name: string, value: string | number | boolean];

/** What one world adds to the common fields, and its board. */
export interface SampleFormat<I extends WorldInstance = WorldInstance> {
  /** The word on the line before the board's rows: `map`. */
  readonly block: string;
  /** The world's own fields; no value holds a line break. */
  fields(instance: I): readonly SampleField[];
  rows(instance: I): readonly string[];
  /** The puzzle of rows and fields; an Error says what is missing or contradicts itself. */
  read(rows: readonly string[], fields: SampleFields): I;
}

/** Where a sample comes from. */
export interface SampleOrigin {
  readonly split: string;
  /** Number of the sample within its world and level. */
  readonly index: number;
  readonly seed: number;
}

const WORDS: readonly (readonly [Action, string])[] = [
  [LEFT, 'left'],
  [DOWN, 'down'],
  [RIGHT, 'right'],
  [UP, 'up'],
  [PICK, 'pick'],
  [DROP, 'drop'],
];

/** `left`, `down`, `right`, `up`, `pick` or `drop`. */
export function actionWord(action: Action): string {
  return WORDS.find(([known]) => known === action)?.[1] ?? '';
}

/** [row, column], as the files write a cell in JSON. */
export function cellPair(cell: number): [row: number, col: number] {
  return [rowOf(cell), colOf(cell)];
}

/** A world without a format of its own stores its description. */
function defaultFormat<I extends WorldInstance>(world: World<I>): SampleFormat<I> {
  return {
    block: 'state',
    fields: () => [],
    rows: instance => world.describe(instance, 'evaluation').split('\n'),
    read: rows => world.parseDescription(rows.join('\n')),
  };
}

/** The text file of a puzzle, with the reference plan as its solution. */
export function sampleText<I extends WorldInstance>(world: World<I>, instance: I, origin: SampleOrigin): string {
  const format = world.sampleFormat ?? defaultFormat(world);
  const plan = world.referencePlan(instance);
  const states = world.judge(instance, plan).path.map(state => cellPair(cellOf(world.cellAfter(instance, state))));
  const fields: readonly SampleField[] = [
    ['task', world.name],
    ['split', origin.split],
    ['level', instance.size],
    ['index', origin.index],
    ['seed', origin.seed],
    ['path_length', plan.length],
    ['solution_actions', JSON.stringify(plan.map(actionWord))],
    ['trajectory_states', JSON.stringify(states)],
    ...format.fields(instance),
  ];
  const lines = fields.map(([name, value]) => `${name}=${value}`);
  return [...lines, `${format.block}:`, ...format.rows(instance), ''].join('\n');
}

/** The parts of a sample's text. */
export interface RawSample {
  readonly fields: SampleFields;
  readonly block: string | undefined;
  readonly rows: readonly string[];
}

/** Cuts the text of a sample into its fields and its board. @throws Error for a line that is neither, or a field with two values */
export function parseSample(text: string): RawSample {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const fields = new Map<string, string>();
  for (const [i, line] of lines.entries()) {
    const trimmed = line.trim();
    if (trimmed === '') continue;
    const block = /^([a-z]+):$/.exec(trimmed)?.[1];
    if (block !== undefined) {
      const rows = lines.slice(i + 1).map(row => row.trim());
      return { fields: new SampleFields(fields), block, rows: rows.filter(row => row !== '') };
    }
    const at = trimmed.indexOf('=');
    if (at < 1) throw new Error(`line ${i + 1} is no key=value: ${quoted(trimmed)}`);
    const [name, value] = [trimmed.slice(0, at).trim(), trimmed.slice(at + 1).trim()];
    if (fields.has(name) && fields.get(name) !== value) throw new Error(`'${name}' has two different values`);
    fields.set(name, value);
  }
  return { fields: new SampleFields(fields), block: undefined, rows: [] };
}

export interface StoredPuzzle<I extends WorldInstance = WorldInstance> {
  readonly instance: I;
  /** As the file says; undefined where it does not. */
  readonly split: string | undefined;
  readonly solution: readonly Action[] | undefined;
  /** What is odd but does no harm, for people. */
  readonly notes: readonly string[];
}

/**
 * The puzzle of a sample's text, checked: it can be solved, its fields agree with its board, and the solution that it gives
 * solves it. Fields that nobody knows are passed over.
 */
export function readSample<I extends WorldInstance>(
  world: World<I>,
  { fields, block, rows }: RawSample,
): StoredPuzzle<I> {
  const format = world.sampleFormat ?? defaultFormat(world);
  if (block !== undefined && block !== format.block)
    throw new Error(`the board of ${world.title} stands behind '${format.block}:', not behind '${block}:'`);
  const instance = format.read(rows, fields);
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

/** The fields of a sample, read with errors that name them. Undefined stands for a field that is not there. */
export class SampleFields {
  readonly #values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  whole(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,9}$/.test(value)) throw new Error(`'${name}' must be a whole number, not ${quoted(value)}`);
    return Number(value);
  }

  json(name: string): unknown {
    const value = this.text(name);
    if (value === undefined) return undefined;
    try {
      return JSON.parse(value);
    } catch {
      throw new Error(`'${name}' is not JSON: ${quoted(value)}`);
    }
  }

  /** The actions of a JSON list of words. */
  actions(name: string): Action[] | undefined {
    const value = this.json(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw new Error(`'${name}' must be a JSON list of words such as "left"`);
    return value.map((word: unknown) => {
      const found = typeof word === 'string' && WORDS.find(([, known]) => known === word.toLowerCase());
      if (!found) throw new Error(`'${name}' holds ${quoted(JSON.stringify(word))}, which is no action`);
      return found[0];
    });
  }

  /** Error if `NAME_row` and `NAME_col` name another cell than the board shows. */
  checkCell(name: string, expected: number): void {
    const [row, col] = [this.whole(`${name}_row`), this.whole(`${name}_col`)];
    const wrong = (row !== undefined && row !== rowOf(expected)) || (col !== undefined && col !== colOf(expected));
    if (wrong)
      throw new Error(
        `${name}_row and ${name}_col say (${row ?? '?'},${col ?? '?'}), but the board ${cellText(expected)}`,
      );
  }

  /** The cell of `NAME_row` and `NAME_col` on a board of side `size`. */
  cell(name: string, size: number): number {
    const [row, col] = [this.whole(`${name}_row`), this.whole(`${name}_col`)];
    if (row === undefined || col === undefined) throw new Error(`'${name}_row' and '${name}_col' are needed`);
    const cell = cellAt(row, col);
    if (row >= size || col >= size || !onBoard(size, cell))
      throw new Error(`${name}_row and ${name}_col say (${row},${col}), which is not on a board of side ${size}`);
    return cell;
  }
}
