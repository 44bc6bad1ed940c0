import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assertNoLeak, instancePool, splitOf, splitOfLayout } from '../../../mgsd/method/split.js';
import { createFrozenLake } from '../../../mgsd/worlds/frozenlake/frozenlake.js';
import { createInstance } from '../../../mgsd/worlds/frozenlake/rules.js';
import { boardCells } from '../../../mgsd/worlds/grid.js';
import { anyPuzzle, frozenLake, testRandom } from '../random.js';

const LEVELS = [3, 4, 5];
/** The pool sizes that training uses. */
const TRAIN_SIZES: Readonly<Record<number, number>> = { 3: 3000, 4: 15_000, 5: 20_000 };

describe('the split by layout', () => {
  test('is CRC-32 of the layout modulo 8', () => {
    // CRC-32 of '123456789' is the published check value cbf43926.
    expect(0xcbf43926 % 8).toBe(6);
    expect(splitOfLayout('123456789')).toBe('train');
    const tests = Array.from({ length: 8000 }, (_, i) => splitOfLayout(`layout ${i}`)).filter(side => side === 'test');
    expect(tests.length / 8000).toBeCloseTo(1 / 8, 1);
  });

  test('puzzles with the same holes are on the same side, wherever start and goal are', () => {
    fc.assert(
      fc.property(anyPuzzle, fc.nat(), (puzzle, seed) => {
        const free = boardCells(puzzle.size).filter(cell => !puzzle.holes.includes(cell));
        const random = testRandom(seed);
        const start = free[random.integer(free.length)]!;
        const goal = free.filter(cell => cell !== start)[random.integer(free.length - 1)]!;
        const other = createInstance(puzzle.size, start, goal, puzzle.holes);
        expect(frozenLake.layoutKey(other)).toBe(frozenLake.layoutKey(puzzle));
        expect(splitOf(frozenLake, other)).toBe(splitOf(frozenLake, puzzle));
      }),
    );
  });

  test('the real pools hold different puzzles and share no layout, in either direction', () => {
    for (const level of LEVELS) {
      const count = TRAIN_SIZES[level]!;
      const train = instancePool(frozenLake, level, testRandom(1), { split: 'train', count });
      const test = instancePool(frozenLake, level, testRandom(2), { split: 'test', count: 200 });
      const layouts = (pool: typeof train): Set<string> => new Set(pool.map(puzzle => frozenLake.layoutKey(puzzle)));
      expect(disjoint(layouts(train), layouts(test))).toBe(true);
      expect(() => assertNoLeak(frozenLake, train, test)).not.toThrow();
      expect(() => assertNoLeak(frozenLake, test, train)).not.toThrow();
      expect(() => assertNoLeak(frozenLake, train, [...test, train[7]!])).toThrow(/occurs in training and in test/);
      for (const pool of [train, test])
        expect(new Set(pool.map(puzzle => frozenLake.instanceKey(puzzle))).size).toBe(pool.length);
      expect(train).toHaveLength(count);
      expect(test).toHaveLength(200);
    }
  });

  test('pools are deterministic, smaller ones begin larger ones, excluded puzzles do not come again', () => {
    const pool = (count: number, exclude?: ReadonlySet<string>): string[] =>
      instancePool(frozenLake, 4, testRandom(3), { split: 'train', count, ...(exclude && { exclude }) }).map(puzzle =>
        frozenLake.instanceKey(puzzle),
      );
    const large = pool(300);
    expect(pool(300)).toEqual(large);
    expect(pool(100)).toEqual(large.slice(0, 100));
    const next = pool(200, new Set(large.slice(0, 100)));
    expect(next).toEqual(large.slice(100, 300));
  });

  test('a pool of puzzles that need a detour', () => {
    const pool = instancePool(frozenLake, 3, testRandom(4), { split: 'train', count: 50, difficulty: 'detour' });
    expect(pool.every(puzzle => frozenLake.needsDetour(puzzle))).toBe(true);
  });

  test('when the space is exhausted it says so instead of looping', () => {
    const corners = createFrozenLake({ startGoal: 'corners', maximumHoles: 1 });
    const draw = (count: number) => () => instancePool(corners, 3, testRandom(5), { split: 'train', count });
    expect(draw(100)).toThrow(/FrozenLake level 3 seems to have only \d different train puzzles .*not 100:/);
    // within seconds, however many are asked for
    expect(draw(1_000_000)).toThrow(/not 1000000: nothing new in 100000 draws/);
  });

  test('what comes ever more rarely is given up long before it is exhausted', () => {
    const told: number[] = [];
    const request = {
      split: 'train',
      count: 100_000,
      onDrawn: (_: string, drawn: number) => told.push(drawn),
    } as const;
    expect(() => instancePool(frozenLake, 3, testRandom(6), request)).toThrow(
      /hardly more than (\d+) different train puzzles .*not 100000: a new one takes \d{3} draws/,
    );
    expect(told.slice(0, 3)).toEqual([1000, 2000, 3000]);
    // few are missing here, and rare ones are waited for
    expect(instancePool(frozenLake, 3, testRandom(6), { split: 'train', count: told.at(-1)! })).toHaveLength(
      told.at(-1)!,
    );
  });
});

function disjoint(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return [...a].every(key => !b.has(key)) && [...b].every(key => !a.has(key));
}
