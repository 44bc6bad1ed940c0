/** What a world says in natural language, for models that were trained on it. `mgsd/exchange/prompts.ts` puts prompts together. */

import type { WorldInstance } from './world.js';

export interface WorldLanguage<I extends WorldInstance = WorldInstance> {
  /** What is in the image and in which colours, in one sentence or two. */
  readonly legend: string;
  /** The rules, a sentence each. */
  readonly rules: readonly string[];
  /** What a response restates of the state before it plans: `the size, the start, ...`. */
  readonly restate: string;
  /** How the answer block is written. */
  readonly answerRule: string;
  /** A whole response to a small puzzle, as it should look. */
  readonly example: string;
  /** The fields of the `context` variant of `describe`, for a planner that is told only these. */
  readonly contextFields: string;
  /** The perception questions of stage 1, in their order. */
  readonly questions: readonly string[];
  /** The right answers to them, one each; an answer may have several lines. */
  answers(instance: I): string[];
}
