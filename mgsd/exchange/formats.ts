/**
 * How each world's puzzles are written for others: as text, as files, in prompts. Training needs none of it, so the
 * worlds do not know their formats: this table does. A world without an entry trains, plans and reports; it is neither
 * stored nor exported.
 */

import type { Action } from '../worlds/grid.js';
import type { World, WorldInstance } from '../worlds/world.js';
import { frozenLake } from './frozenlake.js';
import { maze } from './maze.js';
import { miniBehaviour } from './minibehaviour.js';
import type { PuzzleFields } from './puzzle-fields.js';

/**
 * `context`: what a text-only teacher is told. `evaluation`: what stands in for the image when a model is tested on
 * text.
 */
export type TextVariant = 'context' | 'evaluation';

export interface WorldFormats<I extends WorldInstance = WorldInstance> {
  /** The state as lines of text. */
  describe(instance: I, variant: TextVariant): string[];
  readonly file: FileFormat<I>;
  readonly language: WorldLanguage<I>;
}

/** What a world adds to the common fields of a stored puzzle (puzzle-text.ts), and its board. */
export interface FileFormat<I extends WorldInstance = WorldInstance> {
  /** The word on the line above the board's rows: `map`. */
  readonly block: string;
  /**
   * The world's own fields in their order; a value that is no string is written as JSON.
   * @param options the generator's, as the user gave them
   */
  fields(instance: I, world: World<I>, options: unknown): Readonly<Record<string, unknown>>;
  rows(instance: I): readonly string[];
  /** The puzzle of rows and fields; an Error says what is missing or contradicts itself. */
  read(rows: readonly string[], fields: PuzzleFields): I;
}

/** The looks whose colours prompts can name: styles that draw a puzzle in one way. */
export const NAMED_LOOKS = ['training', 'held-out'] as const;
/** How a picture looks. */
export type Look = (typeof NAMED_LOOKS)[number] | 'other';

/** The pieces that prompts.ts puts together, in English. */
export interface WorldLanguage<I extends WorldInstance = WorldInstance> {
  /** What the image shows: with its colours in the looks that have a name, without any in others. */
  readonly legends: Readonly<Record<Look, string>>;
  /** One sentence each. */
  readonly rules: readonly string[];
  /** What a response restates of the state before it plans: `the map size, the start, ...`. */
  readonly restate: string;
  /** How the answer block is written. */
  readonly answerRule: string;
  /** A whole response to a small puzzle. */
  readonly example: string;
  /** The fields of the `context` text, for a teacher that is told only these. */
  readonly contextFields: string;
  /** The perception questions of stage 1. */
  readonly questions: readonly string[];
  /** The right answers, one for each question; an answer may have several lines. */
  answers(instance: I): string[];
}

const formats: Readonly<Record<string, WorldFormats>> = { frozenlake: frozenLake, maze, minibehaviour: miniBehaviour };

/** The world's formats; undefined if it has none. */
export function findFormats<I extends WorldInstance>(world: World<I>): WorldFormats<I> | undefined {
  return Object.hasOwn(formats, world.name) ? (formats[world.name] as WorldFormats<I>) : undefined;
}

/** The world's formats; an Error that says where to add them if it has none. */
export function formatsOf<I extends WorldInstance>(world: World<I>): WorldFormats<I> {
  const found = findFormats(world);
  if (found === undefined)
    throw new Error(
      `${world.title} has no text, file format or prompts, so its puzzles cannot be stored or exported: ` +
        `give '${world.name}' an entry in mgsd/exchange/formats.ts`,
    );
  return found;
}

/**
 * The state as text. `plan` appends the reference plan for a teacher, in the words of the published code, whose switch
 * for leaving it out (`teacher_append_ground_truth`) removes just these.
 */
export function describe<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  variant: TextVariant,
  plan?: readonly Action[],
): string {
  const lines = formatsOf(world).describe(instance, variant);
  if (plan !== undefined)
    lines.push(
      'Do not mention that a reference plan is provided.',
      `Reference action plan: ${world.formatAnswer(plan)}`,
    );
  return lines.join('\n');
}
