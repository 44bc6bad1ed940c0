import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reservedToken } from '../../../models/vocabulary.js';
import { parseAnswer } from '../../../mgsd/exchange/answers.js';
import { judgeAnswer } from '../../../mgsd/exchange/scoring.js';
import { boardText, pathOf, readBoard } from '../../../mgsd/pictures/draw.js';
import { instancePool, splitOf } from '../../../mgsd/method/split.js';
import { cellAt, type Action } from '../../../mgsd/worlds/grid.js';
import { testRandom } from '../random.js';
import { createDelivery, type DeliveryInstance } from './delivery-world.js';

/** What the contract gives a world beyond its rules, on a world with a state that is more than a cell. */
const world = createDelivery();
const puzzle: DeliveryInstance = { size: 3, agent: cellAt(0, 0), parcel: cellAt(0, 2), door: cellAt(2, 2) };
const [L, D, R, U, PICK, DROP] = [0, 1, 2, 3, 4, 5] as const satisfies readonly Action[];

describe('what createWorld derives', () => {
  test('shortest plans, all of them, over states beyond the cell', () => {
    expect(world.shortestLength(puzzle)).toBe(5);
    expect(world.formatAnswer(world.referencePlan(puzzle))).toBe('D,R,R,PICK,DROP');
    expect(world.optimalActions(puzzle, cellAt(0, 1) + 64)).toEqual([D, R]);
    expect(world.optimalActions(puzzle, 128 + cellAt(1, 1))).toEqual([]);
    expect(world.distance(puzzle, 9999)).toBe(-1);
  });

  test.each<[Action[], object]>([
    [[R, PICK, R, D, DROP], { success: true, optimal: true, length: 5, progress: 1 }],
    [[D, U, R, PICK, D, D, DROP], { success: true, optimal: false, length: 7, progress: 1 / 5 }],
    [[R, PICK, U, D, DROP], { success: false, reason: 'off-board', steps: 3, progress: 2 / 5 }],
    [[R, PICK, R, DROP], { success: false, reason: 'illegal-drop' }],
    [[PICK], { success: false, reason: 'illegal-pick', steps: 1 }],
    [[R, R], { success: false, reason: 'parcel' }],
    [[R, PICK, D, D, DROP, L, U], { success: true, optimal: false, length: 7, steps: 5 }],
  ])('verdict of %j', (plan, expected) => {
    expect(world.judge(puzzle, plan)).toMatchObject(expected);
  });

  test('answers are written and read with this world\u2019s separator', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom<Action>(...world.actions), { minLength: 1, maxLength: 30 }), plan => {
        expect(parseAnswer(`<answer>${world.formatAnswer(plan)}</answer>`, world.actions)).toEqual(plan);
      }),
    );
    expect(judgeAnswer(world, puzzle, '<answer>R,PICK,D,D,DROP</answer>').optimal).toBe(true);
    expect(judgeAnswer(world, puzzle, 'R,PICK,D,D,DROP')).toMatchObject({
      success: false,
      parsed: false,
      reason: 'unparsed',
    });
  });

  test('straight-ahead chances are exact and split and pools work without knowing the world', () => {
    // Right leads into the door, down does not; past the door there is no straight way at all.
    const even = { size: 3, agent: cellAt(0, 0), parcel: cellAt(1, 2), door: cellAt(0, 1) };
    expect(world.straightAheadSuccess(even)).toBe(0.5);
    expect(world.needsDetour(even)).toBe(false);
    expect(world.needsDetour({ ...even, parcel: cellAt(0, 2) })).toBe(true);
    const pool = instancePool(world, 3, testRandom(1), { split: 'test', count: 20 });
    expect(pool.every(instance => splitOf(world, instance) === 'test')).toBe(true);
    expect(world.isActionToken(reservedToken(0))).toBe(false);
  });

  test('boards are drawn, and recaps read, without knowing the world', () => {
    expect(boardText(world, puzzle)).toEqual(['A . P', '. . .', '. . D']);
    expect(boardText(world, puzzle, pathOf(world, puzzle, [R, PICK, D, D]))[1]).toBe('. v .');
    expect(readBoard(world, world.recap(puzzle))).toEqual({ instance: puzzle });
  });

  test('a puzzle without a plan has length -1, no optimal actions and a clear error for its plan', () => {
    const stuck = { ...puzzle, parcel: cellAt(7, 7) }; // off the board, out of reach
    expect(world.shortestLength(stuck)).toBe(-1);
    expect(world.optimalActions(stuck, stuck.agent)).toEqual([]);
    expect(() => world.referencePlan(stuck)).toThrow(/no plan to its goal/);
  });
});
