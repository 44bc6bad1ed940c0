/**
 * Verdicts as the method's published code gives them. It has two, which differ from each other and from `World.judge`:
 *
 *                        strict (World.judge)      benchmark                      reward
 *     answer             last complete block       last block, else all the text  first block
 *     unknown words      nothing is read           passed over                    passed over
 *     FrozenLake, edge   failure                   failure                        the agent stays where it is
 *     after the goal     no longer optimal         ignored                        ignored
 *
 * `strict` is the default everywhere; the others are for comparison with published numbers.
 */

import { DOWN, DROP, LEFT, PICK, RIGHT, UP, type Action } from './grid.js';
import { lastAnswerBlock } from './answers.js';
import type { Verdict, World, WorldInstance } from './world.js';

/** Names of the rules by which answers are judged: ours, and the two of the published code. */
export const SCORINGS = ['strict', 'benchmark', 'reward'] as const;
/** One of `SCORINGS`. */
export type Scoring = (typeof SCORINGS)[number];

/** The judgement of an action list. */
export function judgeActions<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  actions: readonly Action[],
  scoring: Scoring,
): Verdict {
  if (scoring === 'strict') return world.judge(instance, actions);
  const isNoOp = (reason: string) => scoring === 'reward' && (world.rewardNoOps ?? []).includes(reason);
  const carriedOut: Action[] = [];
  let state = world.start(instance);
  let stood = 0;
  for (const action of actions) {
    if (world.isGoal(instance, state)) break;
    const step = world.step(instance, state, action);
    if (step.verdict === 'fatal' && isNoOp(step.reason)) {
      stood++;
      continue;
    }
    carriedOut.push(action);
    state = step.next;
    if (step.verdict === 'fatal') break;
  }
  const verdict = world.judge(instance, carriedOut);
  const steps = verdict.steps + stood;
  const parsed = actions.length > 0;
  return {
    ...verdict,
    ...{ parsed, steps, length: actions.length },
    optimal: verdict.success && steps === world.shortestLength(instance),
    reason: parsed && carriedOut.length === 0 ? 'unfinished' : verdict.reason,
  };
}

/** The judgement of a written answer. */
export function judgeAnswer<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  text: string,
  scoring: Scoring,
): Verdict {
  if (scoring === 'strict') return world.judgeText(instance, text);
  const block = scoring === 'benchmark' ? (lastAnswerBlock(text) ?? text) : firstAnswerBlock(text);
  return judgeActions(world, instance, block === null ? [] : looseActions(world, block, scoring), scoring);
}

function firstAnswerBlock(text: string): string | null {
  return /<answer>([\s\S]*?)<\/answer>/i.exec(text)?.[1] ?? null;
}

const WORDS: Readonly<Record<string, Action>> = {
  ...{ LEFT, DOWN, RIGHT, UP, LEFTWARD: LEFT, DOWNWARD: DOWN, RIGHTWARD: RIGHT, UPWARD: UP },
  ...{ LEFTWARDS: LEFT, DOWNWARDS: DOWN, RIGHTWARDS: RIGHT, UPWARDS: UP, PICK, PICKUP: PICK, GRAB: PICK, DROP },
  ...{ 0: LEFT, 1: DOWN, 2: RIGHT, 3: UP },
};
const BENCHMARK_WORDS: Readonly<Record<string, Action>> = { 4: PICK, 5: DROP, PLACE: DROP };
const REWARD_WORDS: Readonly<Record<string, Action>> = { PUTDOWN: DROP, '\u2190': LEFT, '\u2193': DOWN, '\u2192': RIGHT, '\u2191': UP }; // prettier-ignore
const LETTERS: Readonly<Record<string, Action>> = { L: LEFT, D: DOWN, R: RIGHT, U: UP };

/** Every word that is an action, whatever stands between; letters may run together, but not beside PICK and DROP. */
function looseActions(world: World, text: string, scoring: Scoring): Action[] {
  const words = { ...WORDS, ...(scoring === 'benchmark' ? BENCHMARK_WORDS : REWARD_WORDS) };
  const found = text.toUpperCase().match(/[A-Z]+|[\u2190-\u2193]|\d/g) ?? [];
  return found.flatMap(word => {
    const action = Object.hasOwn(words, word) ? words[word]! : undefined;
    if (action !== undefined) return world.actions.includes(action) ? [action] : [];
    return /^[LDRU]+$/.test(word) ? Array.from(word, letter => LETTERS[letter]!) : [];
  });
}
