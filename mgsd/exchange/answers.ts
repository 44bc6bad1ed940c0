/**
 * Reads a plan out of a written answer: the last complete `<answer>...</answer>` block, and nothing outside it. Inside,
 * actions may run together (`UUR`) or be separated; one word that is no action of the world makes it unreadable.
 */

import type { Action } from '../worlds/grid.js';

/** The spellings in a list of words for each action, in the order of `Action`. */
export function spellings(words: readonly string[]): (readonly [spelling: string, action: Action])[] {
  return words.flatMap((list, action) => list.split(' ').map(word => [word, action as Action] as const));
}

/** Letters, words, arrows, and the digits of gymnasium; longer spellings first. */
const SPELLINGS = spellings([
  'LEFTWARDS LEFTWARD LEFT L \u2190 0',
  'DOWNWARDS DOWNWARD DOWN D \u2193 1',
  'RIGHTWARDS RIGHTWARD RIGHT R \u2192 2',
  'UPWARDS UPWARD UP U \u2191 3',
  'PICK_UP PICKUP PICK GRAB 4',
  'PUT_DOWN PUTDOWN PLACE DROP PUT 5',
]);

/** Words without separators that are longer than this are no plan of any board. */
const MAXIMUM_WORD = 1024;

/** The actions of a word without separators such as `UUR` or `UPICK`, null if it cannot be cut into spellings. */
function cutWord(word: string, allowed: ReadonlySet<Action>): Action[] | null {
  if (word.length > MAXIMUM_WORD) return null;
  // Filled from the end, so that each tail is cut once.
  const choice = new Array<(typeof SPELLINGS)[number] | undefined>(word.length);
  const canCut = (at: number): boolean => at === word.length || choice[at] !== undefined;
  for (let at = word.length - 1; at >= 0; at--)
    choice[at] = SPELLINGS.find(
      ([spelling, action]) => allowed.has(action) && word.startsWith(spelling, at) && canCut(at + spelling.length),
    );
  const actions: Action[] = [];
  for (let at = 0; at < word.length;) {
    const cut = choice[at];
    if (cut === undefined) return null;
    actions.push(cut[1]);
    at += cut[0].length;
  }
  return actions;
}

const OPENING = '<answer>';
const CLOSING = '</answer>';

/** The content of the last complete answer block, null without one; tags in any case. */
export function lastAnswerBlock(text: string): string | null {
  const lower = text.toLowerCase();
  // A few foreign letters change their length in lower case; such texts are searched as they are.
  const searched = lower.length === text.length ? lower : text;
  const start = searched.lastIndexOf(OPENING, searched.lastIndexOf(CLOSING));
  const end = searched.indexOf(CLOSING, start);
  return start < 0 || end < 0 ? null : text.slice(start + OPENING.length, end);
}

/** The plan in `text`, for a world with these actions; empty if it cannot be read. Never throws. */
export function parseAnswer(text: string, allowed: readonly Action[]): Action[] {
  const set = new Set(allowed);
  const words =
    lastAnswerBlock(text)
      ?.toUpperCase()
      .split(/[\s,;|>-]+/) ?? [];
  const cuts = words.map(word => cutWord(word, set));
  return cuts.includes(null) ? [] : cuts.flatMap(cut => cut ?? []);
}
