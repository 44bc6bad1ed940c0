import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tokensToText } from '../../../models/vocabulary.js';
import { instancePool } from '../../../mgsd/method/split.js';
import { createFrozenLake } from '../../../mgsd/worlds/frozenlake/frozenlake.js';
import { createInstance, mapRows } from '../../../mgsd/worlds/frozenlake/rules.js';
import { boardCells, cellAt, manhattan, type Action } from '../../../mgsd/worlds/grid.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';
import { lakeOf } from '../boards.js';
import { anyPuzzle, frozenLake as world, testRandom } from '../random.js';

const letters = 'LDRU';
const actionsOf = (text: string): Action[] => Array.from(text, letter => letters.indexOf(letter) as Action);
/** All action strings of a length over L D R U. */
const strings = (length: number): string[] =>
  length === 0 ? [''] : strings(length - 1).flatMap(head => letters.split('').map(letter => head + letter));

describe('published test vectors', () => {
  test.each([
    { rows: ['FGF', 'FFF', 'FSF'], best: ['UU'] },
    { rows: ['FHF', 'HFG', 'FSF'], best: ['RU', 'UR'] },
  ])('$rows has the optimal plans $best and no others', ({ rows, best }) => {
    const puzzle = lakeOf(rows);
    expect(world.shortestLength(puzzle)).toBe(best[0]!.length);
    for (let length = 1; length < best[0]!.length; length++)
      for (const plan of strings(length)) expect(world.judge(puzzle, actionsOf(plan)).success).toBe(false);
    const optimal = strings(best[0]!.length).filter(plan => world.judge(puzzle, actionsOf(plan)).optimal);
    expect(optimal.sort()).toEqual(best);
  });

  test('size 3 has 9,216 maps with start and goal, 6,792 solvable, 3,720 of them at distance 2 or more', () => {
    const cells = boardCells(3);
    const count = { all: 0, solvable: 0, far: 0 };
    for (const start of cells)
      for (const goal of cells.filter(cell => cell !== start)) {
        const rest = cells.filter(cell => cell !== start && cell !== goal);
        for (let bits = 0; bits < 128; bits++) {
          const holes = rest.filter((_, i) => ((bits >> i) & 1) === 1);
          const length = world.shortestLength(createInstance(3, start, goal, holes));
          count.all++;
          if (length >= 0) count.solvable++;
          if (length >= 2) count.far++;
        }
      }
    expect(count).toEqual({ all: 9216, solvable: 6792, far: 3720 });
  });
});

describe('rules and verdicts', () => {
  const puzzle = lakeOf(['SFF', 'FHF', 'FFG']);

  test.each([
    { plan: 'RRDD', expected: { success: true, optimal: true, reason: 'goal', length: 4, steps: 4, progress: 1 } },
    { plan: 'DDRR', expected: { success: true, optimal: true, reason: 'goal' } },
    { plan: 'RLRRDD', expected: { success: true, optimal: false, reason: 'goal', progress: 0.25 } },
    { plan: 'RRDDU', expected: { success: true, optimal: false, reason: 'goal', length: 5, steps: 4 } },
    { plan: 'RRDDRRR', expected: { success: true, optimal: false, reason: 'goal', length: 7, steps: 4 } },
    { plan: 'RD', expected: { success: false, optimal: false, reason: 'hole', steps: 2, progress: 0.25 } },
    { plan: 'RDUDRDD', expected: { success: false, reason: 'hole', length: 7, steps: 2 } },
    { plan: 'LRRDD', expected: { success: false, reason: 'off-board', steps: 1, progress: 0 } },
    { plan: 'RRD', expected: { success: false, reason: 'unfinished', parsed: true, progress: 0.75 } },
  ])('$plan: $expected.reason', ({ plan, expected }) => {
    expect(world.judge(puzzle, actionsOf(plan))).toMatchObject(expected);
  });

  test('cells that collide or lie off the board are refused', () => {
    expect(() => createInstance(3, 0, 0, [])).toThrow(/different cells/);
    expect(() => createInstance(3, 0, 1, [1])).toThrow(/different cells/);
    expect(() => createInstance(3, 0, cellAt(0, 3), [])).toThrow(/not on a FrozenLake board/);
    expect(() => createInstance(9, 0, 1, [])).toThrow(/2 to 8/);
  });

  test('the recap is size, start, goal and the holes in raster order', () => {
    const recap = world.recap(lakeOf(['HFG', 'FFF', 'SHF']));
    expect(tokensToText(recap)).toBe('size:3 (2,0) (0,2) (0,0) (2,1)');
  });
});

describe('properties of generated puzzles', () => {
  test('on every reachable state each optimal action comes one step nearer, and no other action does', () => {
    fc.assert(
      fc.property(anyPuzzle, puzzle => {
        for (const cell of boardCells(puzzle.size)) {
          const distance = world.distance(puzzle, cell);
          if (distance <= 0) continue;
          const optimal = world.optimalActions(puzzle, cell);
          expect(optimal.length).toBeGreaterThan(0);
          for (const action of world.actions) {
            const step = world.step(puzzle, cell, action);
            const nearer = step.verdict !== 'fatal' && world.distance(puzzle, step.next) === distance - 1;
            expect(optimal.includes(action)).toBe(nearer);
          }
        }
      }),
    );
  });

  test('limits hold, the reference plan is optimal, and any plan of optimal actions is', () => {
    fc.assert(
      fc.property(anyPuzzle, fc.nat(), (puzzle, seed) => {
        const random = testRandom(seed);
        const shortest = world.shortestLength(puzzle);
        expect(shortest).toBeGreaterThanOrEqual(1);
        expect(shortest).toBeLessThanOrEqual(world.maximumPlanLength(puzzle.size));
        expect(world.recap(puzzle).length).toBeLessThanOrEqual(world.maximumRecapLength(puzzle.size));
        expect(world.judge(puzzle, world.referencePlan(puzzle)).optimal).toBe(true);
        const plan: Action[] = [];
        for (let state = world.start(puzzle); !world.isGoal(puzzle, state);) {
          const actions = world.optimalActions(puzzle, state);
          plan.push(actions[random.integer(actions.length)]!);
          state = world.step(puzzle, state, plan.at(-1)!).next;
        }
        expect(world.judge(puzzle, plan)).toMatchObject({ optimal: true, length: shortest, progress: 1 });
      }),
    );
  });

  test('a puzzle needs a detour exactly if its shortest plan is longer than the walk over an empty board', () => {
    fc.assert(
      fc.property(anyPuzzle, puzzle => {
        const longer = world.shortestLength(puzzle) > manhattan(puzzle.start, puzzle.goal);
        expect(world.needsDetour(puzzle)).toBe(longer);
        expect(world.difficulty(puzzle)).toBe(longer ? 'detour' : 'direct');
      }),
    );
  });

  test('the map reads back as the same puzzle', () => {
    fc.assert(
      fc.property(anyPuzzle, puzzle => {
        expect(lakeOf(mapRows(puzzle))).toEqual(puzzle);
        expect(structuredClone(puzzle)).toEqual(puzzle);
      }),
    );
  });

  test('asked for a difficulty, the generator returns it', () => {
    const random = testRandom(1);
    for (const difficulty of world.difficulties)
      for (let i = 0; i < 20; i++) expect(world.difficulty(world.generate(random, 4, difficulty))).toBe(difficulty);
    expect(() => world.generate(random, 4, 'easy')).toThrow(/no difficulty 'easy'/);
  });

  test('the same seed makes the same puzzles', () => {
    const draw = (): string[] => {
      const random = testRandom(7);
      return Array.from({ length: 50 }, (_, i) => world.instanceKey(world.generate(random, 3 + (i % 6))));
    };
    expect(draw()).toEqual(draw());
    expect(new Set(draw()).size).toBeGreaterThan(45);
  });
});

describe('floors and options', () => {
  test('walking straight ahead solves about 73 % of sizes 3 to 5, and nothing that needs a detour', () => {
    const puzzles = [3, 4, 5].flatMap(level =>
      instancePool(world, level, testRandom(level), { split: 'test', count: 200 }),
    );
    const chances = puzzles.map(puzzle => world.straightAheadSuccess(puzzle));
    const mean = chances.reduce((a, b) => a + b, 0) / chances.length;
    expect(mean).toBeGreaterThan(0.68);
    expect(mean).toBeLessThan(0.78);

    // The exact chance agrees with walks drawn at random; puzzles that need a detour are never solved by one.
    const random = testRandom(3);
    let solved = 0;
    const detours = puzzles.filter(puzzle => world.needsDetour(puzzle));
    expect(detours.length).toBeGreaterThan(30);
    for (const puzzle of puzzles)
      for (let walk = 0; walk < 20; walk++) {
        const plan: Action[] = [];
        for (let state = puzzle.start; !world.isGoal(puzzle, state);) {
          const actions = world.straightAhead(puzzle, state);
          plan.push(actions[random.integer(actions.length)]!);
          const step = world.step(puzzle, state, plan.at(-1)!);
          if (step.verdict === 'fatal') break;
          state = step.next;
        }
        const { success } = world.judge(puzzle, plan);
        if (success) solved++;
        if (success) expect(detours).not.toContain(puzzle);
      }
    expect(solved / (20 * puzzles.length)).toBeCloseTo(mean, 1);
  });

  test("gymnasium's settings: corners, connected, any number of holes", () => {
    const options = { frozenProbability: 0.9, startGoal: 'corners', connectedCorners: true, maximumHoles: null };
    const gym = createFrozenLake(options);
    const random = testRandom(5);
    for (let i = 0; i < 50; i++) {
      const puzzle = gym.generate(random, 4);
      expect([puzzle.start, puzzle.goal]).toEqual([0, cellAt(3, 3)]);
      expect(gym.shortestLength(puzzle)).toBeGreaterThan(0);
    }
    expect(gym.maximumRecapLength(4)).toBe(3 + 14);
    const winding = createFrozenLake({ ...options, frozenProbability: 0.7, minimumDistance: 10 });
    for (let i = 0; i < 5; i++) expect(winding.shortestLength(winding.generate(random, 5))).toBeGreaterThanOrEqual(10);
  });

  test('with connected corners and p = 0.8 the mean number of holes is the published one', () => {
    const published = createFrozenLake({ connectedCorners: true, maximumHoles: null });
    for (const [level, holes] of [
      [3, 1.2],
      [5, 4.2],
    ] as const) {
      const random = testRandom(level);
      const sum = Array.from({ length: 2000 }, () => published.generate(random, level).holes.length);
      expect(Math.abs(sum.reduce((a, b) => a + b, 0) / 2000 - holes)).toBeLessThan(0.15);
    }
  });

  test('a start beside its goal is as frequent as chance makes it, unless a distance is asked for', () => {
    const share = (of: typeof world) => {
      const random = testRandom(12);
      const lengths = Array.from({ length: 900 }, (_, i) => of.shortestLength(of.generate(random, 3 + (i % 3))));
      return lengths.filter(length => length === 1).length / lengths.length;
    };
    expect(Math.abs(share(world) - 0.25)).toBeLessThan(0.05); // about 38, 22 and 14 % for sizes 3, 4 and 5
    expect(share(createFrozenLake({ minimumDistance: 2 }))).toBe(0);
  });

  test('by default fewer than one map in 1000 has more holes than the limit, and one with as many is drawn', () => {
    for (const level of world.levels) {
      const limit = world.maximumRecapLength(level) - 3;
      // of n^2 cells, each a hole with probability 0.2: P(k holes) from P(k - 1 holes), summed beyond the limit
      let [chance, beyond] = [0.8 ** (level * level), 0];
      for (let k = 1; k <= level * level; k++) {
        chance *= ((level * level - k + 1) / k) * (0.2 / 0.8);
        if (k > limit) beyond += chance;
      }
      expect(beyond, `size ${level}`).toBeLessThan(1e-3);
    }
    const dense = createFrozenLake({ frozenProbability: 0.4 });
    const random = testRandom(13);
    const counts = Array.from({ length: 60 }, () => dense.generate(random, 5).holes.length);
    expect(Math.max(...counts)).toBe(dense.maximumRecapLength(5) - 3);
  });

  test('the default limits; a given limit holds; a range of p is accepted', () => {
    const few = createFrozenLake({ maximumHoles: 2, frozenProbability: [0.5, 0.7] });
    const random = testRandom(9);
    for (let i = 0; i < 30; i++) expect(few.generate(random, 5).holes.length).toBeLessThanOrEqual(2);
    expect([3, 4, 5, 6, 7, 8].map(level => world.maximumRecapLength(level))).toEqual([10, 12, 15, 19, 23, 27]);
  });

  test('impossible wishes end with an error, wrong options with the list of what is wrong', () => {
    const far = createFrozenLake({ minimumDistance: 100 });
    expect(() => far.generate(testRandom(1), 3)).toThrow(/no FrozenLake puzzle of size 3/);
    expect(() => createFrozenLake({ frozenProbability: 2, colour: 'blue' })).toThrow(/colour[\s\S]*frozenProbability/);
    expect(() => createWorldByName('chess')).toThrow(/no world 'chess': choose one of frozenlake/);
    expect(createWorldByName('frozenlake', {}).generate(testRandom(1), 3).holes).toBeInstanceOf(Array);
  });
});
