/**
 * The contract of a world. A further world is one folder that exports a `WorldFactory`, and one line in `registry.ts`:
 * it states its rules (`WorldRules`), and `createWorld` derives what follows from a search over the plan states: all
 * optimal actions, shortest lengths, verdicts, and how often walking straight ahead succeeds.
 */

import { actionToken, cellIndexToken } from '../../models/vocabulary.js';
import { actionName, cellOfState, type Action } from './grid.js';
import { solve } from './solver.js';

/** Where random numbers come from. Everything that draws takes one, so that a seed decides every puzzle. */
export interface RandomSource {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Uniform in 0 .. n-1; n >= 1. */
  integer(n: number): number;
}

/** One element of `items`, all equally likely; an Error on an empty list. */
export function choose<T>(random: RandomSource, items: readonly T[]): T {
  const item = items[random.integer(items.length)];
  if (item === undefined) throw new Error('cannot choose from an empty list');
  return item;
}

/** One puzzle: plain data that survives JSON and `structuredClone`, for worker threads and files. */
export interface WorldInstance {
  /** Side of the square board, which is also the level. */
  readonly size: number;
}

/**
 * Where a plan stands: the agent's cell, plus a multiple of 64 for whatever else the world remembers (64 for carrying,
 * 128 for done, ...). States are small, so the solver holds distances in an array.
 */
export type PlanState = number;

export type StepResult =
  | { readonly verdict: 'ok' | 'goal'; readonly next: PlanState }
  /** The plan has failed. `next` is the unchanged state, from which the targets go on (see response.ts). */
  | { readonly verdict: 'fatal'; readonly next: PlanState; readonly reason: string };

/**
 * What an image can look like: always the same (`training`); drawn differently, as no model is trained on, to measure
 * the shift (`held-out`); or in a random look that follows from the puzzle.
 */
export const RENDER_STYLES = ['training', 'held-out', 'random'] as const;
/** One of `RENDER_STYLES`, or a random look by its seed, a whole number of 32 bits. */
export type RenderStyle = (typeof RENDER_STYLES)[number] | number;

/** What is in a cell, for drawing: a letter, `.` for free floor, and how to colour it. */
export type CellMark = readonly [letter: string, kind: 'start' | 'goal' | 'obstacle' | 'floor'];

/** A perception question and its true answer. */
export interface Question {
  /** Lower-case, for tables: `holes`. */
  readonly name: string;
  /**
   * One token, a list, which may be empty, or a `table`: cells, each followed by what is said of it. Lists and
   * tables are sets: their order does not count.
   */
  readonly answer: readonly number[];
  readonly kind: 'one' | 'list' | 'table';
}

/** The verdict on a whole plan. */
export interface Verdict {
  /** The goal was reached before anything fatal. Actions after the goal do not undo it. */
  readonly success: boolean;
  /** Success with as many actions as a shortest plan has; actions after the goal count. */
  readonly optimal: boolean;
  /** There is at least one action. */
  readonly parsed: boolean;
  /** Number of all emitted actions. */
  readonly length: number;
  /** Actions carried out up to the goal or the fatal one, which counts. */
  readonly steps: number;
  /** Share of a shortest plan covered before the first action that is not optimal, 0..1. */
  readonly progress: number;
  /** `goal`, or why not: `unparsed`, `unfinished`, or the world's reason for the fatal action. */
  readonly reason: string;
  /** The states passed through, the start first. */
  readonly path: readonly PlanState[];
}

/** What a world has to state. `I` is its puzzle; functions are pure and throw only on wrong arguments. */
export interface WorldRules<I extends WorldInstance = WorldInstance> {
  /** Lower-case name, in configs and on the command line: `frozenlake`. */
  readonly name: string;
  /** Name for people, and of the folders of stored puzzles: `FrozenLake`. */
  readonly title: string;
  /** The token that opens a prompt of this world. */
  readonly taskToken: number;
  /** The board sizes that the paper trains on. */
  readonly levels: readonly number[];
  readonly actions: readonly Action[];
  /** Difficulties that `generate` can be asked for. */
  readonly difficulties: readonly string[];

  /**
   * A random solvable puzzle of side `level`, of one of `difficulties` if asked; an Error that names the options if a
   * bounded number of draws brings none.
   */
  generate(random: RandomSource, level: number, difficulty?: string): I;
  /** The difficulty of a puzzle, one of `difficulties`. */
  difficulty(instance: I): string;
  /** Text that is equal for equal puzzles only. */
  instanceKey(instance: I): string;
  /**
   * Text of the layout that the split hashes: two puzzles of one layout stay on the same side. Equal for rotated and
   * mirrored layouts; see `smallestForm`.
   */
  layoutKey(instance: I): string;

  /** The puzzle as an RGB image, bytes row by row from the top: (pixels, pixels, 3). */
  render(instance: I, pixels: number, style?: RenderStyle): Uint8Array;
  /** The state in tokens, in a fixed order: the symbolic prompt, the perception target and the head of every plan. */
  recap(instance: I): number[];
  /**
   * The puzzle that a recap describes. @throws Error if there is none: what a model perceives may contradict itself
   */
  readRecap(tokens: readonly number[]): I;
  /** No recap of a puzzle that `generate` returns is longer. */
  maximumRecapLength(level: number): number;
  /**
   * Names of the recap's tokens, one by one; the last name is for all remaining tokens. Left out: evaluation reports
   * the recap as a whole.
   */
  readonly recapFields?: readonly string[];
  /**
   * The cell (8 * row + col) that the recap token at `position` describes by its place, on a board of side `size`; -1
   * if none. Left out: no token of this world's recaps does. A rule of the format, which must not depend on the puzzle.
   */
  readonly recapCell?: (size: number, position: number) => number;
  /** What the generator's options rule out that this puzzle has: `a start beside its goal`. Left out: nothing. */
  neverDrawn?(instance: I): string | undefined;
  /** The perception questions with their answers, at most seven, derived facts included. Left out: nothing is asked. */
  questions?(instance: I): readonly Question[];
  /** What is in a cell, for boards drawn as text. */
  cellMark(instance: I, cell: number): CellMark;
  /** Whether a wall stands in the way of a move; left out in worlds without walls inside the board. */
  isWalled?(instance: I, cell: number, move: Action): boolean;

  /** The state in which every plan begins. */
  start(instance: I): PlanState;
  /** Whether a plan has reached its goal. */
  isGoal(instance: I, state: PlanState): boolean;
  /** One action from a state that is not a goal state. */
  step(instance: I, state: PlanState, action: Action): StepResult;
  /** No shortest plan of a puzzle that `generate` returns is longer; responses are cut at this many actions. */
  maximumPlanLength(level: number): number;
  /**
   * What a player would do who knows where things are but not what is in the way. On a board without obstacles each
   * such action must lead nearer to the goal, so that every walk ends.
   */
  straightAhead(instance: I, state: PlanState): Action[];
}

/** A world: its rules and what follows from them. */
export interface World<I extends WorldInstance = WorldInstance> extends WorldRules<I> {
  /** The number of actions to the goal, -1 if it cannot be reached or `state` cannot be reached from the start. */
  distance(instance: I, state: PlanState): number;
  /**
   * Every action that begins a shortest plan from `state`, in the order of `actions`; empty at the goal or without a
   * plan.
   */
  optimalActions(instance: I, state: PlanState): Action[];
  /** The length of a shortest plan, -1 if there is none. */
  shortestLength(instance: I): number;
  /** The shortest plan whose actions come first in the order of `actions`; an Error if there is none. */
  referencePlan(instance: I): Action[];
  /**
   * Exact probability, 0..1, that a walk reaches the goal if each step is drawn uniformly from `straightAhead`.
   */
  straightAheadSuccess(instance: I): number;
  /** Whether every straight-ahead walk fails, so that only planning solves the puzzle. */
  needsDetour(instance: I): boolean;
  /** The verdict on a list of actions. */
  judge(instance: I, actions: readonly Action[]): Verdict;
  /** The actions as the answer block holds them: `UUR` or `U,PICK`. */
  formatAnswer(actions: readonly Action[]): string;
  /** The cell token that a response writes after an action that led to `state`. */
  cellAfter(instance: I, state: PlanState): number;
  /** Whether `id` is the token of one of `actions`. */
  isActionToken(id: number): boolean;
}

/** Makes a world from its generator's options as a config file has them; an Error lists what is wrong with them. */
export type WorldFactory<I extends WorldInstance = WorldInstance> = (options?: unknown) => World<I>;

/** Completes rules to a world. A puzzle is searched once and its distances are kept for as long as the object lives. */
export function createWorld<I extends WorldInstance>(rules: WorldRules<I>): World<I> {
  const distances = new WeakMap<I, Int16Array>();
  const tokens = new Set(rules.actions.map(actionToken));
  // `UUR`, but `U,PICK`: letters run together, words are separated.
  const separator = rules.actions.every(action => actionName(action).length === 1) ? '' : ',';

  function generate(random: RandomSource, level: number, difficulty?: string): I {
    if (difficulty !== undefined && !rules.difficulties.includes(difficulty))
      throw new RangeError(
        `${rules.title} has no difficulty '${difficulty}': choose one of ${rules.difficulties.join(', ')}`,
      );
    return rules.generate(random, level, difficulty);
  }

  function distance(instance: I, state: PlanState): number {
    let known = distances.get(instance);
    if (known === undefined) {
      known = solve(rules, instance);
      distances.set(instance, known);
    }
    return known[state] ?? -1;
  }

  function optimalActions(instance: I, state: PlanState): Action[] {
    const here = distance(instance, state);
    if (here <= 0) return [];
    return rules.actions.filter(action => {
      const step = rules.step(instance, state, action);
      return step.verdict !== 'fatal' && distance(instance, step.next) === here - 1;
    });
  }

  function referencePlan(instance: I): Action[] {
    let state = rules.start(instance);
    const plan: Action[] = [];
    while (!rules.isGoal(instance, state)) {
      const action = optimalActions(instance, state)[0];
      if (action === undefined)
        throw new Error(`${rules.title}: this puzzle has no plan to its goal: ${rules.instanceKey(instance)}`);
      plan.push(action);
      state = rules.step(instance, state, action).next;
    }
    return plan;
  }

  function straightAheadSuccess(instance: I): number {
    const known = new Map<PlanState, number>();
    const chance = (state: PlanState): number => {
      if (rules.isGoal(instance, state)) return 1;
      const before = known.get(state);
      if (before !== undefined) return before;
      const actions = rules.straightAhead(instance, state);
      let sum = 0;
      for (const action of actions) {
        const step = rules.step(instance, state, action);
        if (step.verdict !== 'fatal') sum += chance(step.next);
      }
      const mean = actions.length === 0 ? 0 : sum / actions.length;
      known.set(state, mean);
      return mean;
    };
    return chance(rules.start(instance));
  }

  function judge(instance: I, actions: readonly Action[]): Verdict {
    const shortest = distance(instance, rules.start(instance));
    let state = rules.start(instance);
    const path = [state];
    let reason = actions.length === 0 ? 'unparsed' : 'unfinished';
    let onCourse = true;
    let covered = 0;
    for (const action of actions) {
      const before = distance(instance, state);
      const step = rules.step(instance, state, action);
      state = step.next;
      path.push(state);
      onCourse &&= step.verdict !== 'fatal' && before > 0 && distance(instance, state) === before - 1;
      if (onCourse) covered++;
      if (step.verdict === 'ok') continue;
      reason = step.verdict === 'fatal' ? step.reason : 'goal';
      break;
    }
    const success = reason === 'goal';
    return {
      success,
      optimal: success && actions.length === shortest,
      parsed: actions.length > 0,
      length: actions.length,
      steps: path.length - 1,
      progress: shortest > 0 ? covered / shortest : 0,
      reason,
      path,
    };
  }

  return {
    ...rules,
    generate,
    distance,
    optimalActions,
    shortestLength: instance => distance(instance, rules.start(instance)),
    referencePlan,
    straightAheadSuccess,
    needsDetour: instance => straightAheadSuccess(instance) === 0,
    judge,
    formatAnswer: actions => actions.map(actionName).join(separator),
    cellAfter: (_, state) => cellIndexToken(cellOfState(state)),
    isActionToken: id => tokens.has(id),
  };
}
