import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tokensToText } from '../../../models/vocabulary.js';
import { instancePool, splitOfLayout } from '../../../mgsd/method/split.js';
import { MOVES, boardCells, cellAt, colOf, neighbour, rowOf, type Action } from '../../../mgsd/worlds/grid.js';
import { bucketOf, carve } from '../../../mgsd/worlds/maze/generator.js';
import { createMaze } from '../../../mgsd/worlds/maze/maze.js';
import { readRecap } from '../../../mgsd/worlds/maze/recap.js';
import { createInstance, openWall, type MazeInstance } from '../../../mgsd/worlds/maze/rules.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';
import { judgeAnswer } from '../../../mgsd/exchange/scoring.js';
import { mazeOf } from '../boards.js';
import { testRandom } from '../random.js';
import { puzzlesOf, reachableStates, testPlans, testExamples } from './contract.js';

const world = createMaze();
const puzzles = puzzlesOf(world);
const letters = 'LDRU';
const actionsOf = (text: string): Action[] => Array.from(text, letter => letters.indexOf(letter) as Action);
const strings = (length: number): string[] =>
  length === 0 ? [''] : strings(length - 1).flatMap(head => letters.split('').map(letter => head + letter));

/** The published vectors, their open directions by cell. */
const first = `Map size: 3x3
Start position: (0,0)
Target position: (0,2)
(0,0): down
(0,1): right, down
(0,2): down, left
(1,0): up, right, down
(1,1): up, left
(1,2): up
(2,0): up, right
(2,1): right, left
(2,2): left`;
const second = `Map size: 3x3
Start: (0,2)
Target: (2,2)
(0,0): right
(0,1): right, left
(0,2): down, left
(1,0): down
(1,1): right
(1,2): up, down, left
(2,0): up, right
(2,1): right, left
(2,2): up, left`;

describe('published test vectors', () => {
  test.each([
    { text: first, best: 'DRUR' },
    { text: second, best: 'DD' },
  ])('the only shortest plan is $best', ({ text, best }) => {
    const puzzle = mazeOf(text);
    expect(world.shortestLength(puzzle)).toBe(best.length);
    expect(world.formatAnswer(world.referencePlan(puzzle))).toBe(best);
    for (let length = 1; length < best.length; length++)
      for (const plan of strings(length)) expect(world.judge(puzzle, actionsOf(plan)).success).toBe(false);
    expect(strings(best.length).filter(plan => world.judge(puzzle, actionsOf(plan)).success)).toEqual([best]);
  });

  test('walls are stored as north 1, south 2, west 4, east 8; recaps hold what is open', () => {
    const puzzle = mazeOf(first);
    expect(puzzle.walls).toEqual([13, 5, 9, 4, 10, 14, 6, 3, 11]);
    expect(tokensToText(world.recap(puzzle))).toBe(
      'size:3 (0,0) (0,2) open:S open:SE open:SW open:NSE open:NW open:N open:NE open:WE open:W',
    );
  });
});

/** The open pairs of neighbours, by the masks of their first cell alone; an own reading of the stored format. */
function openEdges({ size, walls }: MazeInstance): (readonly [number, number])[] {
  return walls.flatMap((mask, i) => {
    const edges: (readonly [number, number])[] = [];
    if (i % size < size - 1 && (mask & 8) === 0) edges.push([i, i + 1]);
    if (i < size * (size - 1) && (mask & 2) === 0) edges.push([i, i + size]);
    return edges;
  });
}

/** Distances to cell `to` (raster index) by relaxing all edges until nothing changes. */
function relaxed(puzzle: MazeInstance, to: number): number[] {
  const distance = puzzle.walls.map((_, i) => (i === to ? 0 : Infinity));
  for (let changed = true; changed;) {
    changed = false;
    for (const [a, b] of openEdges(puzzle))
      for (const [u, v] of [
        [a, b],
        [b, a],
      ] as const)
        if (distance[v]! + 1 < distance[u]!) {
          distance[u] = distance[v]! + 1;
          changed = true;
        }
  }
  return distance;
}

/** All spanning trees of the 3 x 3 grid as lists of edges (cell, move). */
function spanningTrees(): (readonly [number, Action])[][] {
  const edges = boardCells(3).flatMap(cell =>
    ([1, 2] as const).filter(move => neighbour(3, cell, move) >= 0).map(move => [cell, move] as const),
  );
  expect(edges).toHaveLength(12);
  const trees: (readonly [number, Action])[][] = [];
  for (let bits = 0; bits < 4096; bits++) {
    const chosen = edges.filter((_, i) => ((bits >> i) & 1) === 1);
    if (chosen.length !== 8) continue;
    const root = new Map(boardCells(3).map(cell => [cell, cell]));
    const find = (cell: number): number => (root.get(cell) === cell ? cell : find(root.get(cell)!));
    for (const [cell, move] of chosen) root.set(find(cell), find(neighbour(3, cell, move)));
    if (new Set(boardCells(3).map(find)).size === 1) trees.push(chosen);
  }
  return trees;
}

function wallsOf(size: number, edges: readonly (readonly [number, Action])[]): number[] {
  const walls = new Array<number>(size * size).fill(15);
  for (const [cell, move] of edges) openWall(walls, size, cell, move);
  return walls;
}

describe('mazes', () => {
  test('are spanning trees: n * n - 1 open edges, all cells connected, at every size', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 2, max: 8 }), (seed, level) => {
        const puzzle = world.generate(testRandom(seed), level);
        expect(openEdges(puzzle)).toHaveLength(level * level - 1);
        expect(relaxed(puzzle, 0)).not.toContain(Infinity);
        expect(puzzle.start).not.toBe(puzzle.target);
      }),
    );
  });

  test('have one path only: one optimal action everywhere, the one that comes nearer, by another search', () => {
    fc.assert(
      fc.property(puzzles, puzzle => {
        const { size, target } = puzzle;
        const index = (cell: number): number => rowOf(cell) * size + colOf(cell);
        const distance = relaxed(puzzle, index(target));
        for (const cell of reachableStates(world, puzzle)) {
          expect(world.distance(puzzle, cell)).toBe(distance[index(cell)]);
          if (cell === target) continue;
          const nearer = MOVES.filter(move => {
            const next = neighbour(size, cell, move);
            const open = openEdges(puzzle).some(
              ([a, b]) => Math.min(index(cell), index(next)) === a && Math.max(index(cell), index(next)) === b,
            );
            return next >= 0 && open && distance[index(next)]! < distance[index(cell)]!;
          });
          expect(world.optimalActions(puzzle, cell)).toEqual(nearer);
          expect(nearer).toHaveLength(1);
        }
      }),
    );
  });

  test('a move is fatal exactly if the two cells share no open edge', () => {
    fc.assert(
      fc.property(puzzles, puzzle => {
        const edges = new Set(openEdges(puzzle).flatMap(([a, b]) => [`${a},${b}`, `${b},${a}`]));
        for (const cell of boardCells(puzzle.size))
          for (const move of MOVES) {
            const next = neighbour(puzzle.size, cell, move);
            const [a, b] = [cell, next].map(at => rowOf(at) * puzzle.size + colOf(at));
            const step = world.step(puzzle, cell, move);
            if (next >= 0 && edges.has(`${a!},${b!}`)) expect(step.next).toBe(next);
            else expect(step).toEqual({ verdict: 'fatal', next: cell, reason: 'wall' });
          }
      }),
    );
  });

  test('size 3 has 192 spanning trees, all accepted; depth-first search makes exactly those that are its trees', () => {
    const trees = spanningTrees();
    expect(trees).toHaveLength(192);
    // A tree comes from a depth-first search from some root if each edge left out joins a cell with one of its
    // ancestors.
    const reachable = trees.filter(tree => {
      const near = (cell: number): number[] =>
        tree.flatMap(([from, move]) => {
          const to = neighbour(3, from, move);
          return from === cell ? [to] : to === cell ? [from] : [];
        });
      return boardCells(3).some(root => {
        const ancestors = new Map<number, readonly number[]>([[root, [root]]]);
        for (const [cell, above] of ancestors)
          for (const next of near(cell)) if (!ancestors.has(next)) ancestors.set(next, [...above, next]);
        return boardCells(3).every(cell =>
          MOVES.every(move => {
            const next = neighbour(3, cell, move);
            return next < 0 || ancestors.get(next)!.includes(cell) || ancestors.get(cell)!.includes(next);
          }),
        );
      });
    });
    for (const tree of trees) expect(createInstance(3, 0, 1, wallsOf(3, tree)).walls).toHaveLength(9);
    const random = testRandom(1);
    const seen = new Set(Array.from({ length: 8000 }, () => carve(random, 3).join()));
    expect(seen).toEqual(new Set(reachable.map(tree => wallsOf(3, tree).join())));
  });

  test('path lengths are the published ones: mean, 95th percentile, most', () => {
    for (const [level, mean, p95] of [
      [3, 3.1, 6],
      [4, 5.0, 11],
      [5, 7.4, 16],
      [6, 10.1, 22],
    ] as const) {
      const random = testRandom(level);
      const lengths = Array.from({ length: 3000 }, () => world.shortestLength(world.generate(random, level)));
      lengths.sort((a, b) => a - b);
      expect(Math.abs(lengths.reduce((a, b) => a + b, 0) / 3000 - mean)).toBeLessThan(0.35);
      expect(Math.abs(lengths[2850]! - p95)).toBeLessThanOrEqual(1);
      expect(lengths.at(-1)).toBeLessThanOrEqual(world.maximumPlanLength(level));
    }
  });

  test('no path is longer than n * n - 1, and a winding one is as long', () => {
    const moves = actionsOf('RRDLLDRR');
    const walls = new Array<number>(9).fill(15);
    let cell = 0;
    for (const move of moves) {
      openWall(walls, 3, cell, move);
      cell = neighbour(3, cell, move);
    }
    const puzzle = createInstance(3, 0, cell, walls);
    expect(world.shortestLength(puzzle)).toBe(world.maximumPlanLength(3));
    expect(world.judge(puzzle, moves)).toMatchObject({ optimal: true, length: 8 });
  });
});

describe('verdicts', () => {
  const puzzle = mazeOf(first);
  test.each([
    ['DRUR', { success: true, optimal: true, reason: 'goal', steps: 4, progress: 1 }],
    ['DUDRUR', { success: true, optimal: false, reason: 'goal', length: 6, progress: 0.25 }],
    ['DRURR', { success: true, optimal: false, length: 5, steps: 4 }],
    ['RRR', { success: false, reason: 'wall', steps: 1, progress: 0 }],
    ['DRR', { success: false, reason: 'wall', steps: 3, progress: 0.5 }],
    ['U', { success: false, reason: 'wall' }],
    ['DR', { success: false, reason: 'unfinished', progress: 0.5 }],
  ])('%s', (plan, expected) => {
    expect(judgeAnswer(world, puzzle, `<answer>${plan}</answer>`)).toMatchObject(expected);
  });

  test('PICK is no action of this world', () => {
    expect(judgeAnswer(world, puzzle, '<answer>D,PICK</answer>')).toMatchObject({ parsed: false, reason: 'unparsed' });
    expect(world.step(puzzle, 0, 4)).toMatchObject({ verdict: 'fatal' });
  });
});

describe('difficulty', () => {
  test('buckets: up to half the side, up to the side, beyond', () => {
    expect([1, 2, 3, 4].map(length => bucketOf(3, length))).toEqual(['easy', 'medium', 'medium', 'hard']);
    expect([1, 2, 3, 4, 5].map(length => bucketOf(4, length))).toEqual(['easy', 'easy', 'medium', 'medium', 'hard']);
    expect([3, 4, 6, 7].map(length => bucketOf(6, length))).toEqual(['easy', 'medium', 'medium', 'hard']);
  });

  test('a bucket that is not found is an error, never another bucket', () => {
    // With 0 for every random number there is only one puzzle.
    const stuck = { uniform: () => 0, integer: () => 0 };
    expect(world.difficulty(world.generate(stuck, 4))).toBe('hard');
    expect(() => world.generate(stuck, 4, 'medium')).toThrow(/'medium' in 4096 draws: ask for another/);
  });

  test('balanced buckets come equally often, natural ones do not', () => {
    const shares = (options: object): number[] => {
      const maze = createMaze(options);
      const random = testRandom(2);
      const found = Array.from({ length: 1200 }, () => maze.difficulty(maze.generate(random, 6)));
      return world.difficulties.map(bucket => found.filter(other => other === bucket).length / 1200);
    };
    for (const share of shares({ buckets: 'balanced' })) expect(Math.abs(share - 1 / 3)).toBeLessThan(0.05);
    expect(shares({})[2]).toBeGreaterThan(0.5);
    expect(() => createMaze({ bucket: 'hard' })).toThrow(/Maze options.*bucket/s);
  });
});

describe('plans', () => {
  testPlans(world);

  test('a walk that knows no walls solves about 42, 28 and 23 % of sizes 3, 4 and 5', () => {
    for (const [level, share] of [
      [3, 0.42],
      [4, 0.28],
      [5, 0.21],
    ] as const) {
      const random = testRandom(level);
      const chances = Array.from({ length: 2000 }, () => world.straightAheadSuccess(world.generate(random, level)));
      expect(Math.abs(chances.reduce((a, b) => a + b, 0) / 2000 - share)).toBeLessThan(0.04);
    }
  });

  test('the layout is the walls alone; size 3 has test layouts', () => {
    const puzzle = mazeOf(first);
    const turned = { ...puzzle, start: puzzle.target, target: puzzle.start };
    expect(world.layoutKey(turned)).toBe(world.layoutKey(puzzle));
    expect(world.instanceKey(turned)).not.toBe(world.instanceKey(puzzle));
    const pool = instancePool(world, 3, testRandom(1), { split: 'train', count: 3000 });
    expect(new Set(pool.map(p => splitOfLayout(world.layoutKey(p))))).toEqual(new Set(['train']));
  });
});

describe('examples', () => {
  testExamples(world);

  test('limits come from the maze: 3 + n * n recap tokens, n * n - 1 actions', () => {
    expect([3, 4, 5, 6].map(level => world.maximumRecapLength(level))).toEqual([12, 19, 28, 39]);
    expect([3, 4, 5, 6].map(level => world.maximumPlanLength(level))).toEqual([8, 15, 24, 35]);
  });

  test('recaps read back; those that do not fit together say why', () => {
    fc.assert(
      fc.property(puzzles, puzzle => {
        expect(readRecap(world.recap(puzzle))).toEqual(puzzle);
      }),
    );
    const tokens = world.recap(mazeOf(first));
    expect(() => readRecap([])).toThrow(/begin with the size/);
    expect(() => readRecap(tokens.slice(0, 2))).toThrow(/start and target/);
    expect(() => readRecap(tokens.with(4, 1))).toThrow(/open directions/);
    expect(() => readRecap(tokens.slice(0, -1))).toThrow(/9 cells, but 8 wall masks/);
    expect(() => readRecap(tokens.with(3, tokens[4]!))).toThrow(/disagree about the wall/);
  });
});

describe('puzzles', () => {
  test('walls that close a part off are refused, loops are not', () => {
    const closed = wallsOf(3, spanningTrees()[0]!.slice(1));
    expect(() => createInstance(3, 0, 1, closed)).toThrow(/not connected/);
    const open = wallsOf(
      3,
      boardCells(3)
        .flatMap(cell => ([1, 2] as const).map(m => [cell, m] as const))
        .filter(([c, m]) => neighbour(3, c, m) >= 0),
    );
    const hall = createInstance(3, 0, cellAt(2, 2), open);
    expect(world.shortestLength(hall)).toBe(4);
    expect(world.optimalActions(hall, 0)).toEqual([1, 2]);
    expect(() => createInstance(3, 0, 1, open.with(0, 16))).toThrow(/16 is no wall mask/);
    expect(() => createInstance(3, 0, 64, open)).toThrow(/not on a Maze board/);
  });
});

test('the registry knows Maze', () => {
  expect(createWorldByName('maze').title).toBe('Maze');
  expect(createWorldByName('maze', { buckets: 'balanced' }).generate(testRandom(1), 4).walls).toHaveLength(16);
});
