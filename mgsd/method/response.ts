/**
 * What a model is asked (prompts) and what it writes (responses), as tokens.
 *
 *     prompt     task mode recap...          the state in symbols, or
 *                task mode IMG x patches     the state as an image
 *     response   BOS recap... ANS (action cell)* EOS
 *
 * The cell after each action is where the action led; writing it down spares the network counting its own moves. The
 * recap at the head of a plan is word for word the symbolic prompt: perceiving and planning share one grammar.
 *
 * Stage 1 trains `BOS recap... ANS` under mode:plan, the very prefix that stage 2 continues, so that nothing learnt
 * there (prompt, positions, closing token) has to be unlearnt. mode:perceive is for the perception questions, see
 * questions.ts.
 *
 * `walkResponse` alone follows a response from token to token and knows at each position what an oracle would
 * write next. Training targets, the judgement of a generated response and the mask of stage 2 are three readings of it.
 */

import {
  ANS,
  EOS,
  IMG,
  MODE_PERCEIVE,
  MODE_PLAN,
  PLAN,
  NONE,
  VOCABULARY_SIZE,
  actionOf,
  actionToken,
  cellOf,
  maskOf,
  sizeOf,
  tokenName,
} from '../../models/vocabulary.js';
import type { Action } from '../worlds/grid.js';
import type { PlanState, Verdict, World, WorldInstance } from '../worlds/world.js';

/** What is asked for: answers to the perception questions, or a recap and a plan. */
export type Mode = 'perceive' | 'plan';

/** What the target at a position belongs to, as stored in the packed arrays. */
export const SPAN_PADDING = 0;
/** The recap and the ANS (or EOS) that closes it. */
export const SPAN_RECAP = 1;
/** A place where an action, or EOS after the last one, is due. */
export const SPAN_ACTION = 2;
/** A place where the cell that the action led to is due. */
export const SPAN_CELL = 3;

/** Names of the spans for logs, by number. */
export const SPAN_NAMES = ['padding', 'recap', 'action', 'cell'] as const;

/** The largest number of equally good next tokens: all six actions. */
export const MAXIMUM_TARGETS = 6;

/**
 * Tokens task, mode, recap: the state in symbols. `plan` appends PLAN and its actions, a teacher's privileged context.
 */
export function symbolicPrompt<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  mode: Mode = 'plan',
  plan?: readonly Action[],
): number[] {
  const privileged = plan === undefined ? [] : [PLAN, ...plan.map(actionToken)];
  return [world.taskToken, modeToken(mode), ...world.recap(instance), ...privileged];
}

/** Tokens task, mode and one IMG for each of `patches` image patches. */
export function imagePrompt(world: Pick<World, 'taskToken'>, patches: number, mode: Mode = 'plan'): number[] {
  return [world.taskToken, modeToken(mode), ...new Array<number>(patches).fill(IMG)];
}

function modeToken(mode: Mode): number {
  return mode === 'plan' ? MODE_PLAN : MODE_PERCEIVE;
}

/**
 * Slots (see `Sequence` in models/batch.ts) of a symbolic prompt: -1 for task and mode, then the cells that its recap
 * tokens describe.
 */
export function symbolicPromptSlots<I extends WorldInstance>(world: World<I>, instance: I): number[] | undefined {
  const { recapCell } = world;
  if (!recapCell) return undefined;
  return [-1, -1, ...world.recap(instance).map((_, position) => recapCell(instance.size, position))];
}

/**
 * Lists that `responseSlots` has made, by world, then by size and length: equal ones are one object, which goes to a
 * device once.
 */
const slotLists = new WeakMap<World, Map<string, readonly number[]>>();

/**
 * Slots of a response's inputs: input t, which predicts token t, has the cell that recap token t describes on a board
 * of the size that the response itself has written as its first token; nothing is known before that. `length` inputs.
 */
export function responseSlots(world: World, firstToken: number, length: number): readonly number[] | undefined {
  const size = sizeOf(firstToken);
  const { recapCell } = world;
  if (!recapCell || size < 0) return undefined;
  let lists = slotLists.get(world);
  if (!lists) slotLists.set(world, (lists = new Map<string, readonly number[]>()));
  const key = `${size} ${length}`;
  let list = lists.get(key);
  if (!list) lists.set(key, (list = Array.from({ length }, (_, t) => (t === 0 ? -1 : recapCell(size, t)))));
  return list;
}

/** No symbolic prompt of a puzzle of this level is longer; with the reference plan in it if `withPlan`. */
export function maximumPromptLength(world: World, level: number, withPlan = false): number {
  return 2 + world.maximumRecapLength(level) + (withPlan ? 1 + world.maximumPlanLength(level) : 0);
}

/**
 * Number of response positions that a puzzle of this level may need: as many tokens may be generated after BOS, and
 * the model needs as many positions, since the last generated token is never an input.
 */
export function maximumResponseLength(world: World, level: number): number {
  return world.maximumRecapLength(level) + 1 + 2 * world.maximumPlanLength(level) + 1;
}

/**
 * The tokens after BOS of the response that the oracle writes: recap, ANS, the plan with its cells, EOS. `plan` may be
 * any action list; the default is the world's reference plan. After a fatal action the state stays as it was.
 */
export function oracleResponse<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  plan: readonly Action[] = world.referencePlan(instance),
): number[] {
  const tokens = [...world.recap(instance), ANS];
  let state = world.start(instance);
  for (const action of plan) {
    if (!world.isGoal(instance, state)) state = world.step(instance, state, action).next;
    tokens.push(actionToken(action), world.cellAfter(instance, state));
  }
  tokens.push(EOS);
  return tokens;
}

/**
 * Throws if the oracle's own response to a puzzle does not fit into `limit` positions: a limit that is too short caps
 * the success rate silently, however well the model has learnt.
 */
export function assertOracleFits<I extends WorldInstance>(world: World<I>, instance: I, limit: number): void {
  const needed = oracleResponse(world, instance).length;
  if (needed > limit)
    throw new Error(
      `the oracle's own response to ${world.instanceKey(instance)} needs ${needed} tokens, but the limit is ${limit}: ` +
        `take the limit from maximumResponseLength(world, level), or leave this puzzle out`,
    );
}

/** Everything that is known about a response, position by position and as a whole. Position t predicts token t. */
export interface ResponseWalk {
  /** Spans by position: (length). */
  readonly spans: Uint8Array;
  /** All tokens that an oracle might write at each position, given the tokens before it: 1 to 6 ids. */
  readonly targets: readonly (readonly number[])[];
  /** 1 where the tokens before the position still make sense, else 0; see `walkResponse`: (length). */
  readonly sound: Uint8Array;
  /** The tokens before ANS. */
  readonly recap: readonly number[];
  /** ANS was written. */
  readonly answered: boolean;
  readonly actions: readonly Action[];
  /** The tokens written in the places of cells. */
  readonly cells: readonly number[];
  /** Position of EOS, -1 without one. Nothing after it is read. */
  readonly endIndex: number;
  /** Position of the first token that the grammar does not allow, -1 without one. Nothing after it is read as plan. */
  readonly breakIndex: number;
  /** Positions of the first fatal action, the first wrong cell and the action that reached the goal; -1 each. */
  readonly fatalIndex: number;
  readonly wrongCellIndex: number;
  readonly arrivalIndex: number;
}

/**
 * Follows a response, the tokens after BOS. At each position the oracle's targets are, given what stands before it: in
 * the recap the token that belongs there by its number, whatever was written before; in an action's place every optimal
 * action from the state that the actions so far have led to, at the goal EOS; in a cell's place the state's true cell.
 * A fatal action leaves the state unchanged, and the targets go on from there. After a grammar break the target is EOS.
 *
 * A position is sound until the first fatal action, wrong cell or grammar break has been written, until EOS has been
 * written, and, after arrival at the goal and its cell, for one more token (where EOS is due). The bad token itself is
 * in a sound position: there the teacher can say what should have been written.
 */
export function walkResponse<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  tokens: ArrayLike<number>,
): ResponseWalk {
  const truth = world.recap(instance);
  const longestRecap = Math.max(world.maximumRecapLength(instance.size), truth.length);
  const length = tokens.length;
  const spans = new Uint8Array(length);
  const sound = new Uint8Array(length);
  const targets: (readonly number[])[] = [];
  const recap: number[] = [];
  const actions: Action[] = [];
  const cells: number[] = [];
  const first = { end: -1, broken: -1, fatal: -1, wrongCell: -1, arrival: -1 };

  let state: PlanState = world.start(instance);
  let place: 'recap' | 'action' | 'cell' | 'over' = 'recap';
  let isSound = true;
  let answered = false;
  const note = (what: keyof typeof first, position: number): void => {
    if (first[what] < 0) first[what] = position;
  };

  for (let t = 0; t < length; t++) {
    const token = tokens[t]!;
    sound[t] = isSound ? 1 : 0;
    switch (place) {
      case 'recap':
        spans[t] = SPAN_RECAP;
        targets.push([truth[recap.length] ?? ANS]);
        if (token === ANS) {
          answered = true;
          place = 'action';
        } else if (isRecapToken(token) && recap.length < longestRecap) recap.push(token);
        else note('broken', t);
        break;
      case 'action':
        spans[t] = SPAN_ACTION;
        targets.push(nextTokens(world, instance, state));
        // After arrival this is the last token that counts.
        if (first.arrival >= 0) isSound = false;
        if (token === EOS) break;
        if (!world.isActionToken(token)) {
          note('broken', t);
          break;
        }
        actions.push(actionOf(token) as Action);
        if (!world.isGoal(instance, state)) {
          const step = world.step(instance, state, actionOf(token) as Action);
          state = step.next;
          if (step.verdict === 'fatal') note('fatal', t);
          if (step.verdict === 'goal') note('arrival', t);
        }
        place = 'cell';
        break;
      case 'cell': {
        spans[t] = SPAN_CELL;
        const expected = world.cellAfter(instance, state);
        targets.push([expected]);
        if (cellOf(token) < 0) {
          note('broken', t);
          break;
        }
        cells.push(token);
        if (token !== expected) note('wrongCell', t);
        place = 'action';
        break;
      }
      case 'over':
        spans[t] = SPAN_ACTION;
        targets.push([EOS]);
        break;
    }
    if (token === EOS) note('end', t);
    if (first.broken >= 0 || first.end >= 0) place = 'over';
    if (place === 'over' || first.fatal >= 0 || first.wrongCell >= 0) isSound = false;
  }

  return {
    spans,
    targets,
    sound,
    recap,
    answered,
    actions,
    cells,
    endIndex: first.end,
    breakIndex: first.broken,
    fatalIndex: first.fatal,
    wrongCellIndex: first.wrongCell,
    arrivalIndex: first.arrival,
  };
}

/**
 * What is due in an action's place: every optimal action, or EOS at the goal and where no plan leads to it any more.
 */
function nextTokens<I extends WorldInstance>(world: World<I>, instance: I, state: PlanState): readonly number[] {
  const actions = world.optimalActions(instance, state);
  return actions.length === 0 ? [EOS] : actions.map(actionToken);
}

/** Whether a recap of any world may hold the token. */
function isRecapToken(token: number): boolean {
  return token === NONE || sizeOf(token) >= 0 || cellOf(token) >= 0 || maskOf(token) >= 0;
}

/**
 * Which positions of a sampled response count in stage 2, 1 or 0 each: (length). By default those that `walkResponse`
 * calls sound. `maskAfterFatal` false is the published reference: everything up to and including the first EOS.
 */
export function responseMask(walk: ResponseWalk, maskAfterFatal = true): Uint8Array {
  if (maskAfterFatal) return walk.sound.slice();
  const end = walk.endIndex < 0 ? walk.spans.length : walk.endIndex + 1;
  return new Uint8Array(walk.spans.length).fill(1, 0, end);
}

/** A generated response, read and judged. */
export interface ParsedResponse {
  readonly recap: readonly number[];
  /** The recap is the true one, token by token, and was closed. */
  readonly recapExact: boolean;
  readonly actions: readonly Action[];
  /** The tokens in the places of cells, and whether each is the cell where the actions before it lead. */
  readonly cells: readonly number[];
  readonly cellsExact: boolean;
  readonly grammar: { readonly ok: true } | { readonly ok: false; readonly position: number; readonly reason: string };
  readonly endOfSequence: boolean;
  /** Position of the first fatal action among the tokens, -1 without one. */
  readonly fatalIndex: number;
  /**
   * The judgement of the plan. Beside the world's reasons it fails with `no-end` (the limit came before EOS) and
   * `grammar`. A wrong cell alone does not fail a plan: the answer is its actions.
   */
  readonly verdict: Verdict;
  readonly walk: ResponseWalk;
}

/** Reads and judges the tokens after BOS that a model wrote for a puzzle. Never throws, whatever stands there. */
export function parseResponse<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  tokens: ArrayLike<number>,
): ParsedResponse {
  const walk = walkResponse(world, instance, tokens);
  const truth = world.recap(instance);
  const judged = world.judge(instance, walk.actions);
  const failure = walk.breakIndex >= 0 ? 'grammar' : walk.endIndex < 0 ? 'no-end' : null;
  return {
    recap: walk.recap,
    recapExact:
      walk.answered && walk.recap.length === truth.length && walk.recap.every((token, i) => token === truth[i]),
    actions: walk.actions,
    cells: walk.cells,
    cellsExact: walk.wrongCellIndex < 0,
    grammar:
      walk.breakIndex < 0
        ? { ok: true }
        : { ok: false, position: walk.breakIndex, reason: breakReason(walk, tokens[walk.breakIndex]!) },
    endOfSequence: walk.endIndex >= 0,
    fatalIndex: walk.fatalIndex,
    verdict: failure === null ? judged : { ...judged, success: false, optimal: false, parsed: false, reason: failure },
    walk,
  };
}

function breakReason(walk: ResponseWalk, token: number): string {
  const place = SPAN_NAMES[walk.spans[walk.breakIndex]!] ?? 'response';
  const name = token >= 0 && token < VOCABULARY_SIZE && Number.isInteger(token) ? tokenName(token) : String(token);
  const long = place === 'recap' && isRecapToken(token);
  return long ? `the recap is longer than any of this level` : `${name} in the place of ${PLACE_NAMES[place]}`;
}

const PLACE_NAMES = {
  padding: 'nothing',
  recap: 'a recap token',
  action: 'an action',
  cell: 'a cell',
  response: 'another token',
} as const;
