/**
 * Reading a plan out of a written answer. The plan is the content of the last complete `<answer>...</answer>` block; text
 * outside it is never read as moves. Inside, actions may run together (`UUR`) or be separated; one word that is no action
 * of the world makes the whole answer unreadable.
 */

import { DOWN, DROP, LEFT, PICK, RIGHT, UP, type Action } from './grid.js';

export interface ParsedAnswer {
  /** Whether a complete answer block holds at least one action and nothing else. */
  readonly parsed: boolean;
  /** Empty unless `parsed`. */
  readonly actions: readonly Action[];
  /** For people: what is wrong, or `ok`. */
  readonly reason: string;
}

/** Spellings of the actions: letters, words, arrows and the digits of gymnasium. */
const SPELLINGS: readonly (readonly [spelling: string, action: Action])[] = [
  ...spellings(LEFT, 'LEFTWARDS LEFTWARD LEFT L \u2190 0'),
  ...spellings(DOWN, 'DOWNWARDS DOWNWARD DOWN D \u2193 1'),
  ...spellings(RIGHT, 'RIGHTWARDS RIGHTWARD RIGHT R \u2192 2'),
  ...spellings(UP, 'UPWARDS UPWARD UP U \u2191 3'),
  ...spellings(PICK, 'PICK_UP PICKUP PICK GRAB 4'),
  ...spellings(DROP, 'PUT_DOWN PUTDOWN PLACE DROP PUT 5'),
];

function spellings(action: Action, words: string): (readonly [string, Action])[] {
  return words.split(' ').map(word => [word, action] as const);
}

/** Longest word without separators that is looked at; longer ones are not plans of any board. */
const MAXIMUM_WORD = 1024;

/**
 * The actions of a word without separators such as `UUR` or `UPICK`, null if it cannot be cut into spellings. Filled from
 * the end, so that each tail is cut once; a longer spelling goes first where several fit.
 */
function cutWord(word: string, allowed: ReadonlySet<Action>): Action[] | null {
  if (word.length > MAXIMUM_WORD) return null;
  const choice: (readonly [string, Action] | null)[] = Array.from({ length: word.length }, () => null);
  const canCut = (at: number): boolean => at === word.length || (choice[at] ?? null) !== null;
  for (let at = word.length - 1; at >= 0; at--) {
    const fits = SPELLINGS.find(
      ([spelling, action]) => allowed.has(action) && word.startsWith(spelling, at) && canCut(at + spelling.length),
    );
    choice[at] = fits ?? null;
  }
  const actions: Action[] = [];
  for (let at = 0; at < word.length;) {
    const cut = choice[at];
    if (cut === null || cut === undefined) return null;
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
  // Lower-casing keeps the length of everything but a few letters of foreign alphabets; those texts are searched as they are.
  const searched = lower.length === text.length ? lower : text;
  const start = searched.lastIndexOf(OPENING, searched.lastIndexOf(CLOSING));
  const end = searched.indexOf(CLOSING, start);
  return start < 0 || end < 0 ? null : text.slice(start + OPENING.length, end);
}

/** The plan in `text` for a world with these actions. Never throws. */
export function parseAnswerText(text: string, allowed: readonly Action[]): ParsedAnswer {
  const failed = (reason: string): ParsedAnswer => ({ parsed: false, actions: [], reason });
  const block = lastAnswerBlock(text);
  if (block === null) return failed('no complete <answer>...</answer> block');
  const set = new Set(allowed);
  const actions: Action[] = [];
  for (const word of block.toUpperCase().split(/[\s,;|>-]+/)) {
    if (word === '') continue;
    const cut = cutWord(word, set);
    if (cut === null) return failed(`'${word.slice(0, 40)}' is no action of this world`);
    actions.push(...cut);
  }
  return actions.length === 0 ? failed('the answer block is empty') : { parsed: true, actions, reason: 'ok' };
}
