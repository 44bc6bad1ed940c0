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

/**
 * The contents of all complete answer blocks; tags in any case. A block runs from the first opening tag behind the last
 * block to the next closing tag, so it may hold further opening tags.
 */
export function answerBlocks(text: string): string[] {
  // Cut at closing tags: a search for whole blocks would start anew at each of many opening tags.
  const pieces = text.split(/<\/answer>/iu).slice(0, -1);
  return pieces.flatMap(piece => /<answer>(.*)/isu.exec(piece)?.[1] ?? []);
}

/** The plan in `text`, for a world with these actions; empty if it cannot be read. Never throws. */
export function parseAnswer(text: string, allowed: readonly Action[]): Action[] {
  const set = new Set(allowed);
  const block = answerBlocks(text)
    .at(-1)
    ?.split(/<answer>/i)
    .at(-1);
  const words = block?.toUpperCase().split(/[\s,;|>-]+/) ?? [];
  const cuts = words.map(word => cutWord(word, set));
  return cuts.includes(null) ? [] : cuts.flatMap(cut => cut ?? []);
}
