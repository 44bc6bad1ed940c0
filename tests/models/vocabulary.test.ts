import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as v from '../../models/vocabulary.js';

const anyId = fc.integer({ min: 0, max: v.VOCABULARY_SIZE - 1 });

describe('vocabulary', () => {
  test('every id has a name of its own', () => {
    const ids = Array.from({ length: v.VOCABULARY_SIZE }, (_, id) => id);
    expect(new Set(ids.map(v.tokenName)).size).toBe(v.VOCABULARY_SIZE);
    for (const id of ids) expect(v.tokenName(id)).toMatch(/^\S+$/);
  });

  test('named constants are distinct and have the names they stand for', () => {
    const special = [v.PAD, v.BOS, v.EOS, v.ANS, v.IMG, v.PLAN, v.NONE];
    expect(v.tokensToText(special)).toBe('PAD BOS EOS ANS IMG PLAN none');
    const opening = [v.TASK_FROZENLAKE, v.TASK_MAZE, v.TASK_MINIBEHAVIOUR, v.MODE_PERCEIVE, v.MODE_PLAN];
    expect(v.tokensToText(opening)).toBe('task:frozenlake task:maze task:minibehaviour mode:perceive mode:plan');
  });

  test('cells: token, row, column and index belong together; every other id is no cell', () => {
    for (let row = 0; row < 8; row++)
      for (let col = 0; col < 8; col++) {
        const id = v.cellIndexToken(row * 8 + col);
        expect([v.cellRow[id], v.cellCol[id], v.cellOf(id)]).toEqual([row, col, row * 8 + col]);
        expect(v.tokenName(id)).toBe(`(${row},${col})`);
      }
    const others = Array.from({ length: v.VOCABULARY_SIZE }, (_, id) => id).filter(id => v.tokenKind(id) !== 'cell');
    expect(others).toHaveLength(64);
    for (const id of others) expect([v.cellRow[id], v.cellCol[id], v.cellOf(id)]).toEqual([-1, -1, -1]);
  });

  test('exactly one reading fits an id: cell, action, size, mask or none of them', () => {
    fc.assert(
      fc.property(anyId, id => {
        const readings = { cell: v.cellOf(id), action: v.actionOf(id), size: v.sizeOf(id), mask: v.maskOf(id) };
        const fitting = Object.entries(readings).filter(([, value]) => value >= 0);
        const kind = v.tokenKind(id);
        expect(fitting.map(([name]) => name)).toEqual(kind in readings ? [kind] : []);
      }),
    );
  });

  test('actions, sizes, masks and questions round trip', () => {
    expect(v.ACTION_NAMES.map((_, a) => v.actionOf(v.actionToken(a)))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(v.tokensToText([0, 1, 2, 3, 4, 5].map(v.actionToken))).toBe('L D R U PICK DROP');
    for (let size = 2; size <= 8; size++) expect(v.sizeOf(v.sizeToken(size))).toBe(size);
    for (let mask = 0; mask < 16; mask++) expect(v.maskOf(v.maskToken(mask))).toBe(mask);
    expect(v.tokenName(v.maskToken(1 + 8))).toBe('open:NE');
    expect([1, 7].map(n => v.tokenName(v.questionToken(n)))).toEqual(['Q1', 'Q7']);
  });

  test('what does not exist is refused by name', () => {
    expect(() => v.cellIndexToken(1.5)).toThrow(RangeError);
    expect(() => v.sizeToken(9)).toThrow(/2 to 8/);
    expect(() => v.actionToken(6)).toThrow(RangeError);
    expect(() => v.questionToken(0)).toThrow(RangeError);
    expect(() => v.tokenName(128)).toThrow(/no token 128/);
  });
});
