import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAnswer } from '../../../mgsd/exchange/answers.js';
import { judgeAnswer } from '../../../mgsd/exchange/scoring.js';
import { MOVES, actionName, type Action } from '../../../mgsd/worlds/grid.js';
import { anyPuzzle, frozenLake } from '../random.js';

const ALL: readonly Action[] = [0, 1, 2, 3, 4, 5];
const read = (text: string, actions: readonly Action[] = ALL): string | null => {
  const plan = parseAnswer(text, actions);
  return plan.length > 0 ? plan.map(actionName).join(' ') : null;
};

describe('reading answers', () => {
  test.each([
    ['<answer>UUR</answer>', 'U U R'],
    ['<answer>U,PICK,R,R,DROP</answer>', 'U PICK R R DROP'],
    ['first <answer>LL</answer>, no: <Answer> up, right </ANSWER>', 'U R'],
    ['<answer>R</answer> and then <answer>L', 'R'],
    ['<answer>R</answer> L</answer>', 'R'],
    ['<answer>L <answer>R</answer>', 'R'],
    ['<answer>leftwards -> DOWN\nu</answer>', 'L D U'],
    ['<answer>\u2192 -> \u2193\u2191</answer>', 'R D U'],
    ['<answer>3,3 4 05</answer>', 'U U PICK L DROP'],
    ['<answer>UPICKDROP</answer>', 'U PICK DROP'],
    ['<answer>UPUP</answer>', 'U U'],
    ['<answer>U,PICK UP,R,PUT DOWN</answer>', 'U PICK R DROP'],
    ['<answer>pick-up, up, Place  down</answer>', 'PICK U DROP'],
    ['<answer>L PICK\u00a0UP PUT_DOWN</answer>', 'L PICK DROP'],
    ['<answer>UPICK UP UP DROP DOWN</answer>', 'U PICK U DROP'],
    ['<answer>PICKUP,PUTDOWN</answer>', 'PICK DROP'],
    // no pairs: another line, another element, another word
    ['<answer>PICK\nUP</answer>', 'PICK U'],
    ['<answer>PICK, UP - PUT -> DOWN</answer>', 'PICK U DROP D'],
    ['<answer>PICK UPWARD PICK U</answer>', 'PICK U PICK U'],
  ])('%s', (text, expected) => {
    expect(read(text)).toBe(expected);
  });

  test.each([
    'UUR',
    'go (3,1) right',
    '<answer></answer>',
    '<answer> , </answer>',
    '<answer>UXR</answer>',
    '<answer>U \u2192 R</answer>',
    '<answer>\u2191 PICK \u2192 DROP</answer>',
    '<answer>1 R 2 D</answer>',
    '<answer>R2D</answer>',
    '<answer>3, \u2192</answer>',
    '<answer>1. U 2. R</answer>',
    '<answer>PICK it UP</answer>',
    '<answer>go up</answer>',
    '</answer>UU<answer>',
    '<answer>UU',
  ])('cannot be read, and is not guessed at: %s', text => {
    expect(read(text)).toBeNull();
  });

  test('an action that the world does not have makes the answer unreadable', () => {
    expect(read('<answer>U,PICK</answer>', MOVES)).toBeNull();
    expect(read('<answer>34</answer>', MOVES)).toBeNull();
    expect(read('<answer>U,PICK UP</answer>', MOVES)).toBeNull();
  });

  test('junk never throws and never succeeds; a very long word ends quickly', () => {
    const junk = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string().map(s => `<answer>${s}</answer>`),
    );
    fc.assert(
      fc.property(anyPuzzle, junk, (puzzle, text) => {
        const verdict = judgeAnswer(frozenLake, puzzle, text);
        expect(verdict.success && !verdict.parsed).toBe(false);
      }),
    );
    expect(read(`<answer>${'U'.repeat(1_000_000)}</answer>`)).toBeNull();
    expect(read('<answer>'.repeat(100_000))).toBeNull();
  });
});
