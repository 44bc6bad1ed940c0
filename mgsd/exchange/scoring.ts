/**
 * Verdicts on written answers, by our rule and by the two of the method's published code, which differ from each other:
 *
 *                        strict                    benchmark                      reward
 *     answer             last complete block       last block, else all the text  first block
 *     unknown words      make it unreadable        are skipped                    are skipped
 *     PICK in a lake     makes it unreadable       skipped, but not `parsed`      is skipped
 *     FrozenLake, edge   failure                   failure                        the agent stays in place
 *     after the goal     no longer optimal         ignored                        ignored
 *
 * `strict` is the default everywhere; the others are for comparison with published numbers.
 */

import type { Action } from '../worlds/grid.js';
import type { Verdict, World, WorldInstance } from '../worlds/world.js';
import { parseAnswer } from './answers.js';
import { readPublished } from './published.js';

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

/**
 * The judgement of a written answer; one that cannot be read fails with the reason `unparsed`. By `benchmark` an answer
 * with actions of another world may succeed, yet does not count as parsed.
 */
export function judgeAnswer<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  text: string,
  scoring: Scoring = 'strict',
): Verdict {
  if (scoring === 'strict') return judgeActions(world, instance, parseAnswer(text, world.actions), scoring);
  const { actions, foreign } = readPublished(text, world.actions, scoring);
  const verdict = judgeActions(world, instance, actions, scoring);
  return { ...verdict, parsed: verdict.parsed && foreign.length === 0 };
}
