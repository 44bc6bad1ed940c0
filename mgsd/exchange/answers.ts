/**
 * Reads a plan out of a written answer: the last complete `<answer>...</answer>` block, and nothing outside it. Inside,
 * actions may run together (`UUR`) or be separated by white space or , ; | > -. No move is guessed: a block has one
 * notation, words and letters, digits, or arrows, and a word that is none of its actions makes all of it unreadable. So
 * in `U → R` and `1 R 2 D`, where a sign may be a move or not, there is no plan.
 */

import type { Action } from '../worlds/grid.js';

type Spelling = readonly [spelling: string, action: Action];

/** The spellings in a list of words for each action, in the order of `Action`. */
export function spellings(words: readonly string[]): Spelling[] {
  return words.flatMap((list, action) => list.split(' ').map(word => [word, action as Action] as const));
}

/** The notations that an answer may be written in; longer spellings first. Digits are those of gymnasium. */
const NOTATIONS = [
  [
    'LEFTWARDS LEFTWARD LEFT L',
    'DOWNWARDS DOWNWARD DOWN D',
    'RIGHTWARDS RIGHTWARD RIGHT R',
    'UPWARDS UPWARD UP U',
    'PICKUP PICK GRAB',
    'PUTDOWN PLACE DROP PUT',
  ],
  ['0', '1', '2', '3', '4', '5'],
  ['\u2190', '\u2193', '\u2192', '\u2191'],
].map(spellings);

/** Two words for one action, on one line; `UP` and `DOWN` are no moves in them. */
const PAIRS = /(PICK)(?:[^\S\r\n]+|[_-])UP(?![A-Z])|(?:PUT|PLACE|DROP)(?:[^\S\r\n]+|[_-])DOWN(?![A-Z])/g;

/** Words without separators that are longer than this are no plan of any board. */
const MAXIMUM_WORD = 1024;

/** The actions of a word without separators such as `UUR` or `UPICK`, null if it cannot be cut into spellings. */
function cutWord(word: string, known: readonly Spelling[]): Action[] | null {
  if (word.length > MAXIMUM_WORD) return null;
  // Filled from the end, so that each tail is cut once.
  const choice = new Array<Spelling | undefined>(word.length);
  const canCut = (at: number): boolean => at === word.length || choice[at] !== undefined;
  for (let at = word.length - 1; at >= 0; at--)
    choice[at] = known.find(([spelling]) => word.startsWith(spelling, at) && canCut(at + spelling.length));
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
  const block =
    answerBlocks(text)
      .at(-1)
      ?.split(/<answer>/i)
      .at(-1)
      ?.toUpperCase() ?? '';
  const words = block.replace(PAIRS, (_, pick?: string) => (pick ? 'PICK' : 'DROP')).split(/[\s,;|>-]+/);
  const readings = NOTATIONS.map(notation => {
    const known = notation.filter(([, action]) => allowed.includes(action));
    const cuts = words.map(word => cutWord(word, known));
    return cuts.includes(null) ? [] : cuts.flatMap(cut => cut ?? []);
  });
  return readings.find(plan => plan.length > 0) ?? [];
}
