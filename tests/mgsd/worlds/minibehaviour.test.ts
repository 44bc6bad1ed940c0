import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tokensToText } from '../../../models/vocabulary.js';
import { splitOf } from '../../../mgsd/method/split.js';
import { DROP, PICK, boardCells, cellAt, colOf, rowOf, type Action } from '../../../mgsd/worlds/grid.js';
import { bucketOf } from '../../../mgsd/worlds/minibehaviour/generator.js';
import { createMiniBehaviour } from '../../../mgsd/worlds/minibehaviour/minibehaviour.js';
import { readRecap } from '../../../mgsd/worlds/minibehaviour/recap.js';
import { createInstance, gridRows, type MiniBehaviourInstance } from '../../../mgsd/worlds/minibehaviour/rules.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';
import { judgeAnswer } from '../../../mgsd/exchange/scoring.js';
import { roomOf } from '../boards.js';
import { testRandom } from '../random.js';
import { puzzlesOf, reachableStates, testPlans, testExamples } from './contract.js';

const world = createMiniBehaviour();
const puzzles = puzzlesOf(world);

const vectors = [
  {
    puzzle: createInstance(5, cellAt(2, 4), cellAt(1, 1), cellAt(3, 1)),
    rows: ['.....', '.P...', '....A', '.TTT.', '.TTT.'],
    length: 5,
    best: ['L,L,L,PICK,DROP'],
  },
  {
    puzzle: createInstance(5, cellAt(2, 1), cellAt(1, 2), cellAt(2, 2)),
    rows: ['.....', '..P..', '.ATTT', '..TTT', '.....'],
    length: 4,
    best: ['U,PICK,D,DROP', 'U,PICK,R,DROP'],
  },
];

/** Every puzzle of a side, from the rules of placing alone: a 2 x 3 table, then a printer, then an agent. */
function everyPuzzle(size: number): MiniBehaviourInstance[] {
  const found: MiniBehaviourInstance[] = [];
  for (let row = 0; row + 2 <= size; row++)
    for (let col = 0; col + 3 <= size; col++) {
      const onTable = (cell: number): boolean =>
        rowOf(cell) >= row && rowOf(cell) < row + 2 && colOf(cell) >= col && colOf(cell) < col + 3;
      const floor = boardCells(size).filter(cell => !onTable(cell));
      for (const printer of floor)
        for (const agent of floor)
          if (agent !== printer) found.push(createInstance(size, agent, printer, cellAt(row, col)));
    }
  return found;
}

/**
 * The number of shortest plans and their length by a search of its own, on the letters of the grid: layer by layer,
 * counting in how many ways each (row, column, carrying) is reached.
 */
function countPlans(rows: readonly string[]): { length: number; plans: number } {
  const letter = (r: number, c: number): string => rows[r]?.[c] ?? '#';
  const around = (r: number, c: number): [number, number][] => [
    [r, c - 1],
    [r + 1, c],
    [r, c + 1],
    [r - 1, c],
  ];
  const startRow = rows.findIndex(row => row.includes('A'));
  let layer = new Map([[`${startRow},${rows[startRow]!.indexOf('A')},0`, 1]]);
  const seen = new Set(layer.keys());
  for (let length = 1; layer.size > 0; length++) {
    const next = new Map<string, number>();
    let done = 0;
    for (const [key, ways] of layer) {
      const [r, c, carrying] = key.split(',').map(Number) as [number, number, number];
      const beside = (wanted: string): boolean => around(r, c).some(([y, x]) => letter(y, x) === wanted);
      const to: string[] = [];
      if (carrying === 0 && beside('P')) to.push(`${r},${c},1`);
      if (carrying === 1 && beside('T')) done += ways;
      for (const [y, x] of around(r, c)) {
        const free = '.A'.includes(letter(y, x)) || (letter(y, x) === 'P' && carrying === 1);
        if (free) to.push(`${y},${x},${carrying}`);
      }
      for (const state of to) if (!seen.has(state)) next.set(state, (next.get(state) ?? 0) + ways);
    }
    if (done > 0) return { length, plans: done };
    for (const state of next.keys()) seen.add(state);
    layer = next;
  }
  return { length: -1, plans: 0 };
}

/** Counts the shortest plans by following the world's optimal actions. */
function optimalPlans(puzzle: MiniBehaviourInstance, state: number, known = new Map<number, number>()): number {
  if (world.isGoal(puzzle, state)) return 1;
  const before = known.get(state);
  if (before !== undefined) return before;
  const plans = world
    .optimalActions(puzzle, state)
    .reduce<number>((sum, action) => sum + optimalPlans(puzzle, world.step(puzzle, state, action).next, known), 0);
  known.set(state, plans);
  return plans;
}

const actionsOf = (text: string): Action[] =>
  text.split(',').map(name => ['L', 'D', 'R', 'U', 'PICK', 'DROP'].indexOf(name) as Action);

function plansOfLength(length: number): Action[][] {
  if (length === 0) return [[]];
  return plansOfLength(length - 1).flatMap(head => world.actions.map(action => [...head, action]));
}

describe('published test vectors', () => {
  test.each(vectors)('the shortest plans are $best and no others', ({ puzzle, rows, length, best }) => {
    expect(gridRows(puzzle)).toEqual(rows);
    expect(roomOf(rows)).toEqual(puzzle);
    expect(world.shortestLength(puzzle)).toBe(length);
    for (let shorter = 1; shorter < length; shorter++)
      for (const plan of plansOfLength(shorter)) expect(world.judge(puzzle, plan).success).toBe(false);
    const optimal = plansOfLength(length).filter(plan => world.judge(puzzle, plan).optimal);
    expect(optimal.map(plan => world.formatAnswer(plan)).sort()).toEqual(best);
    expect(best).toContain(world.formatAnswer(world.referencePlan(puzzle)));
  });

  test('the recap is size, agent, printer, and the top left of the table', () => {
    expect(tokensToText(world.recap(vectors[0]!.puzzle))).toBe('size:5 (2,4) (1,1) (3,1)');
  });
});

describe('all puzzles', () => {
  test.each([
    { size: 5, count: 4104, buckets: [1592, 1496, 1016], longest: 11 },
    { size: 6, count: 17_400, buckets: [6764, 5512, 5124], longest: 15 },
  ])(
    'size $size: $count, all solvable, buckets $buckets, 2 to $longest actions',
    ({ size, count, buckets, longest }) => {
      const all = everyPuzzle(size);
      expect(all).toHaveLength(count);
      expect(new Set(all.map(puzzle => world.instanceKey(puzzle))).size).toBe(count);
      const lengths = all.map(puzzle => world.shortestLength(puzzle));
      expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([2, longest]);
      expect(world.maximumPlanLength(size)).toBe(longest);
      const found = all.map(puzzle => world.difficulty(puzzle));
      expect(world.difficulties.map(bucket => found.filter(other => other === bucket).length)).toEqual(buckets);
      if (size > 5) return;
      const test = all.filter(puzzle => splitOf(world, puzzle) === 'test');
      expect(test.length % 18).toBe(0); // whole layouts: 18 places of the agent each
      expect(test.length / count).toBeGreaterThan(0.08);
      expect(test.length / count).toBeLessThan(0.18);
    },
  );

  test('shortest lengths and numbers of shortest plans agree with a search on the letters of the grid', () => {
    const sample = [...everyPuzzle(5).filter((_, i) => i % 4 === 0), ...everyPuzzle(6).filter((_, i) => i % 20 === 0)];
    let sum = 0;
    let unique = 0;
    for (const puzzle of sample) {
      const plans = optimalPlans(puzzle, world.start(puzzle));
      expect({ length: world.shortestLength(puzzle), plans }).toEqual(countPlans(gridRows(puzzle)));
      sum += plans;
      if (plans === 1) unique++;
    }
    expect(sum / sample.length).toBeGreaterThan(3);
    expect(unique / sample.length).toBeLessThan(0.6);
  });

  test.each([3, 4])('size %i is solvable too, within the longest plan', size => {
    const lengths = everyPuzzle(size).map(puzzle => world.shortestLength(puzzle));
    expect(Math.min(...lengths)).toBe(2);
    expect(Math.max(...lengths)).toBe(world.maximumPlanLength(size));
  });

  test('sizes 7 and 8: a sample, within the longest plan', () => {
    for (const size of [7, 8]) {
      const random = testRandom(size);
      for (let i = 0; i < 500; i++) {
        const shortest = world.shortestLength(world.generate(random, size));
        expect(shortest).toBeGreaterThanOrEqual(2);
        expect(shortest).toBeLessThanOrEqual(world.maximumPlanLength(size));
      }
    }
  });

  test('the generator draws table, printer and agent uniformly: every puzzle of size 4 comes', () => {
    const random = testRandom(4);
    const seen = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const key = world.instanceKey(world.generate(random, 4));
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(6 * 10 * 9);
    // 37 times each on average, give or take 6.
    expect(Math.min(...seen.values())).toBeGreaterThan(8);
    expect(Math.max(...seen.values())).toBeLessThan(75);
  });
});

describe('rules and verdicts', () => {
  const { puzzle } = vectors[0]!;
  test.each([
    ['L,L,L,PICK,DROP', { success: true, optimal: true, reason: 'goal', steps: 5, progress: 1 }],
    ['L,L,L,PICK,R,DROP', { success: true, optimal: false, reason: 'goal', length: 6, progress: 0.8 }],
    ['L,L,L,PICK,DROP,L,L', { success: true, optimal: false, length: 7, steps: 5 }],
    ['L,L,L,PICK', { success: false, reason: 'unfinished', progress: 0.8 }],
    ['R', { success: false, reason: 'off-board', steps: 1 }],
    ['L,D', { success: false, reason: 'table', steps: 2 }],
    ['L,L,L,U', { success: false, reason: 'printer', steps: 4 }],
    ['PICK', { success: false, reason: 'illegal-pick', steps: 1 }],
    ['L,L,L,PICK,PICK', { success: false, reason: 'illegal-pick', steps: 5 }],
    ['DROP', { success: false, reason: 'illegal-drop' }],
    ['L,DROP', { success: false, reason: 'illegal-drop' }],
    ['L,L,L,PICK,U,DROP', { success: false, reason: 'illegal-drop' }],
    ['L,L,L,PICK,D', { success: false, reason: 'table' }],
    ['L,L,L,PICK,U,U,D,D,DROP', { success: true, optimal: false }],
  ])('%s', (plan, expected) => {
    expect(world.judge(puzzle, actionsOf(plan))).toMatchObject(expected);
    expect(judgeAnswer(world, puzzle, `<answer>${plan}</answer>`)).toMatchObject(expected);
  });

  test('the state after PICK is the cell + 64, after DROP the cell + 128', () => {
    expect(world.judge(puzzle, actionsOf('L,L,L,PICK,DROP')).path).toEqual([20, 19, 18, 17, 17 + 64, 17 + 128]);
  });

  test('in every reachable state each action does what the rules say, and optimal ones come one step nearer', () => {
    fc.assert(
      fc.property(puzzles, puzzle => {
        const rows = gridRows(puzzle);
        for (const state of reachableStates(world, puzzle)) {
          if (world.isGoal(puzzle, state)) continue;
          const [row, col, carrying] = [Math.floor((state % 64) / 8), state % 8, state >= 64];
          const letterAt = (r: number, c: number): string => rows[r]?.[c] ?? '#';
          const cells = [
            letterAt(row, col - 1),
            letterAt(row + 1, col),
            letterAt(row, col + 1),
            letterAt(row - 1, col),
          ];
          for (const action of world.actions) {
            const step = world.step(puzzle, state, action);
            const legal =
              action === PICK
                ? !carrying && cells.includes('P')
                : action === DROP
                  ? carrying && cells.includes('T')
                  : 'A.'.includes(cells[action]!) || (carrying && cells[action] === 'P');
            expect(step.verdict).toBe(!legal ? 'fatal' : action === DROP ? 'goal' : 'ok');
            if (!legal) expect(step.next).toBe(state);
            const nearer = legal && world.distance(puzzle, step.next) === world.distance(puzzle, state) - 1;
            expect(world.optimalActions(puzzle, state).includes(action)).toBe(nearer);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  test('straight ahead: to the printer, PICK, to the table, DROP; only the table is in the way', () => {
    // The table lies between agent and printer: each straight walk runs into it.
    const blocked = createInstance(5, cellAt(3, 1), cellAt(0, 1), cellAt(1, 0));
    expect(world.needsDetour(blocked)).toBe(true);
    expect(world.straightAheadSuccess(vectors[0]!.puzzle)).toBeGreaterThan(0.5);
    const { puzzle } = vectors[1]!;
    expect(world.straightAhead(puzzle, puzzle.agent)).toEqual([2, 3]); // right into the table, or up
    expect(world.straightAheadSuccess(puzzle)).toBe(0.5);
  });

  test('things that collide or lie off the board are refused', () => {
    expect(() => createInstance(5, 0, 0, cellAt(3, 1))).toThrow(/both at \(0,0\)/);
    expect(() => createInstance(5, cellAt(3, 1), 0, cellAt(3, 1))).toThrow(/the agent at \(3,1\) is on the table/);
    expect(() => createInstance(5, 0, cellAt(4, 3), cellAt(3, 1))).toThrow(/the printer at \(4,3\) is on the table/);
    expect(() => createInstance(5, 0, 1, cellAt(4, 1))).toThrow(/does not lie on a board/);
    expect(() => createInstance(5, 0, 5, cellAt(3, 1))).toThrow(/not on a MiniBehaviour board/);
    expect(() => createInstance(2, 0, 1, 0)).toThrow(/no room for the table: sides begin at 3/);
    expect(() => world.generate(testRandom(1), 2)).toThrow(/no room/);
    expect(() => world.maximumPlanLength(9)).toThrow(/2 to 8/);
  });
});

describe('difficulty', () => {
  test('buckets: up to n - 1, up to n + 1, beyond', () => {
    expect([4, 5, 6, 7].map(length => bucketOf(5, length))).toEqual(['easy', 'medium', 'medium', 'hard']);
  });

  test('a bucket that does not exist at a size is an error, never another bucket', () => {
    expect(() => world.generate(testRandom(1), 3, 'hard')).toThrow(/'hard' in 20000 draws/);
  });

  test('balanced buckets come equally often', () => {
    const balanced = createMiniBehaviour({ buckets: 'balanced' });
    const random = testRandom(2);
    const found = Array.from({ length: 1200 }, () => balanced.difficulty(balanced.generate(random, 5)));
    for (const bucket of world.difficulties)
      expect(Math.abs(found.filter(other => other === bucket).length / 1200 - 1 / 3)).toBeLessThan(0.05);
    expect(() => createMiniBehaviour({ buckets: 'all' })).toThrow(/MiniBehaviour options.*buckets/s);
  });
});

describe('plans', () => {
  testPlans(world);

  test('the layout is table and printer', () => {
    const { puzzle } = vectors[0]!;
    expect(world.layoutKey({ ...puzzle, agent: 0 })).toBe(world.layoutKey(puzzle));
    expect(world.layoutKey({ ...puzzle, printer: 0 })).not.toBe(world.layoutKey(puzzle));
    expect(world.layoutKey({ ...puzzle, table: cellAt(3, 2) })).not.toBe(world.layoutKey(puzzle));
  });
});

describe('examples', () => {
  testExamples(world);

  test('recaps read back; those that do not fit together say why', () => {
    fc.assert(
      fc.property(puzzles, puzzle => {
        expect(readRecap(world.recap(puzzle))).toEqual(puzzle);
      }),
    );
    const tokens = world.recap(vectors[0]!.puzzle);
    expect(() => readRecap([])).toThrow(/begin with the size/);
    expect(() => readRecap(tokens.slice(0, 3))).toThrow(/three cells/);
    expect(() => readRecap([...tokens, 64])).toThrow(/three cells/);
    expect(() => readRecap(tokens.with(2, tokens[1]!))).toThrow(/both at \(2,4\)/);
  });
});

test('the registry knows MiniBehaviour', () => {
  expect(createWorldByName('minibehaviour').title).toBe('MiniBehaviour');
  expect(createWorldByName('minibehaviour').generate(testRandom(1), 5).table).toBeGreaterThanOrEqual(0);
});
