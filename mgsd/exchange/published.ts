/**
 * What the method's published code reads out of a written answer: its evaluator (`benchmark`) and the reward of its
 * training (`reward`). Neither asks whether it understood all of the answer.
 *
 *                   benchmark                                reward
 *     the text      last block, else everything              first block, else nothing
 *     run together  letters and digits of moves with only    letters, digits and arrows with only white space
 *                   white space or , ; | / > - in between,   in between, in every world
 *                   in worlds without PICK and DROP
 *     else, words   those listed below                       those listed below
 *     other words   are skipped                              are skipped
 *     PICK in a     is foreign: skipped, but the answer      is skipped
 *     maze, say     does not count as parsed
 *
 * A listed word counts if neither letter, digit nor `_` touches it. So `Step10: right` has one action, the benchmark
 * does not see `PICK_UP`, and in `PUT-DOWN` it sees DOWN.
 */

import { UP } from '../worlds/grid.js';
import type { Action } from '../worlds/grid.js';
import { answerBlocks, spellings } from './answers.js';

/** What a published reader makes of an answer. */
export interface PublishedReading {
  readonly actions: readonly Action[];
  /** Words for actions that the world does not have, as written. */
  readonly foreign: readonly string[];
}

/** @param listed the words for each action, in the order of `Action` */
function reader(listed: readonly string[], between: RegExp, together: RegExp) {
  const known = new Map(spellings(listed));
  // longer ones first: PICK-UP is not PICK
  const words = [...known.keys()].filter(word => /\w/.test(word)).sort((a, b) => b.length - a.length);
  // as Python's \b has it: letters and digits of all scripts; an arrow touches nothing
  const pattern = `(?<![\\p{L}\\p{N}_])(?:${words.join('|')})(?![\\p{L}\\p{N}_])|[\u2190-\u2193]`;
  return { known, words: new RegExp(pattern, 'giu'), between, together };
}

const READERS = {
  benchmark: reader(
    [
      'L LEFT LEFTWARD LEFTWARDS 0',
      'D DOWN DOWNWARD DOWNWARDS 1',
      'R RIGHT RIGHTWARD RIGHTWARDS 2',
      'U UP UPWARD UPWARDS 3',
      'PICK PICKUP PICK-UP GRAB 4',
      'DROP PLACE 5',
    ],
    /[\p{White_Space},;|/>-]/gu,
    /^[LDRU0-3]+$/,
  ),
  reward: reader(
    [
      'L LEFT 0 \u2190',
      'D DOWN 1 \u2193',
      'R RIGHT 2 \u2192',
      'U UP 3 \u2191',
      'PICK PICKUP PICK_UP PICK-UP GRAB',
      'DROP PUTDOWN PUT_DOWN PUT-DOWN',
    ],
    /[\p{White_Space}]/gu,
    /^[LDRU0-3\u2190-\u2193]+$/,
  ),
};

/** Reads an answer for a world with these actions as the published code does. Never throws. */
export function readPublished(
  text: string,
  allowed: readonly Action[],
  scoring: keyof typeof READERS,
): PublishedReading {
  const { known, words, between, together } = READERS[scoring];
  const isReward = scoring === 'reward';
  const blocks = answerBlocks(text);
  const read = isReward ? (blocks[0] ?? '') : (blocks.at(-1) ?? text);
  const moves = read.replace(between, '').toUpperCase();
  const runTogether = together.test(moves) && (isReward || !allowed.some(action => action > UP));
  const found = (runTogether ? Array.from(moves) : (read.match(words) ?? [])).flatMap(word => {
    const action = known.get(word.toUpperCase());
    return action === undefined ? [] : [{ word, action, isForeign: !allowed.includes(action) }];
  });
  return {
    actions: found.filter(({ isForeign }) => !isForeign).map(({ action }) => action),
    foreign: isReward ? [] : found.filter(({ isForeign }) => isForeign).map(({ word }) => word),
  };
}
