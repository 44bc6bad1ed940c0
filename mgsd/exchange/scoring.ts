/**
 * Verdicts on written answers, by our rule and by the two of the method's published code, which differ from each other:
 *
 *                        strict                    benchmark                      reward
 *     answer             last complete block       last block, else all the text  first block
 *     unknown words      make it unreadable        are skipped                    are skipped
 *     FrozenLake, edge   failure                   failure                        the agent stays in place
 *     after the goal     no longer optimal         ignored                        ignored
 *
 * `strict` is the default everywhere; the others are for comparison with published numbers.
 */

import type { Action } from '../worlds/grid.js';
import type { Verdict, World, WorldInstance } from '../worlds/world.js';
import { lastAnswerBlock, parseAnswer, spellings } from './answers.js';

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
  const isNoOp = (reason: string) => scoring === 'reward' && world.name === 'frozenlake' && reason === 'off-board';
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
    parsed,
    steps,
    length: actions.length,
    optimal: verdict.success && steps === world.shortestLength(instance),
    reason: parsed && carriedOut.length === 0 ? 'unfinished' : verdict.reason,
  };
}

/** The judgement of a written answer; one that cannot be read fails with the reason `unparsed`. */
export function judgeAnswer<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  text: string,
  scoring: Scoring = 'strict',
): Verdict {
  const actions = scoring === 'strict' ? parseAnswer(text, world.actions) : readLoosely(world, text, scoring);
  return judgeActions(world, instance, actions, scoring);
}

/** The words that the published code takes for actions. */
const WORDS = {
  benchmark: new Map(
    spellings([
      'LEFT LEFTWARD LEFTWARDS 0',
      'DOWN DOWNWARD DOWNWARDS 1',
      'RIGHT RIGHTWARD RIGHTWARDS 2',
      'UP UPWARD UPWARDS 3',
      'PICK PICKUP GRAB 4',
      'DROP PLACE 5',
    ]),
  ),
  reward: new Map(
    spellings([
      'LEFT LEFTWARD LEFTWARDS 0 \u2190',
      'DOWN DOWNWARD DOWNWARDS 1 \u2193',
      'RIGHT RIGHTWARD RIGHTWARDS 2 \u2192',
      'UP UPWARD UPWARDS 3 \u2191',
      'PICK PICKUP GRAB',
      'DROP PUTDOWN',
    ]),
  ),
};

/** Every word that is an action, whatever stands between; letters may run together, but not with PICK and DROP. */
function readLoosely(world: World, text: string, scoring: 'benchmark' | 'reward'): Action[] {
  const block =
    scoring === 'benchmark' ? (lastAnswerBlock(text) ?? text) : /<answer>([\s\S]*?)<\/answer>/i.exec(text)?.[1];
  const found = block?.toUpperCase().match(/[A-Z]+|[\u2190-\u2193]|\d/g) ?? [];
  return found.flatMap(word => {
    const action = WORDS[scoring].get(word);
    if (action !== undefined) return world.actions.includes(action) ? [action] : [];
    return /^[LDRU]+$/.test(word) ? Array.from(word, letter => 'LDRU'.indexOf(letter) as Action) : [];
  });
}
