import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitOf } from '../../../mgsd/method/split.js';
import { createInstance as frozenLakeOf } from '../../../mgsd/worlds/frozenlake/rules.js';
import { MOVES, cellAt, colOf, neighbour, rowOf, smallestForm } from '../../../mgsd/worlds/grid.js';
import { createInstance as mazeOf, isOpen, openWall, type MazeInstance } from '../../../mgsd/worlds/maze/rules.js';
import { createMaze } from '../../../mgsd/worlds/maze/maze.js';
import { createMiniBehaviour } from '../../../mgsd/worlds/minibehaviour/minibehaviour.js';
import { createInstance as deliveryOf, tableCells } from '../../../mgsd/worlds/minibehaviour/rules.js';
import { frozenLake, testRandom } from '../random.js';

/** Quarter turns to the right, and a mirror image from left to right. */
const turned = (size: number) => (cell: number) => cellAt(colOf(cell), size - 1 - rowOf(cell));
const mirrored = (size: number) => (cell: number) => cellAt(rowOf(cell), size - 1 - colOf(cell));
const puzzle = fc.record({ seed: fc.nat(), level: fc.integer({ min: 3, max: 6 }), mirror: fc.boolean() });

function movedMaze({ size, start, target, ...rest }: MazeInstance, to: (cell: number) => number): MazeInstance {
  const walls = new Array<number>(size * size).fill(15);
  const maze = { size, start, target, ...rest };
  for (let row = 0; row < size; row++)
    for (let col = 0; col < size; col++) {
      const cell = cellAt(row, col);
      for (const move of MOVES) {
        const next = neighbour(size, cell, move);
        if (next >= 0 && isOpen(maze, cell, move))
          openWall(
            walls,
            size,
            to(cell),
            MOVES.find(other => neighbour(size, to(cell), other) === to(next))!,
          );
      }
    }
  return mazeOf(size, to(start), to(target), walls);
}

describe('a layout', () => {
  test('is the same for FrozenLake boards that are turned or mirrored', () => {
    fc.assert(
      fc.property(puzzle, ({ seed, level, mirror }) => {
        const board = frozenLake.generate(testRandom(seed), level);
        const to = (mirror ? mirrored : turned)(level);
        const twin = frozenLakeOf(level, to(board.start), to(board.goal), board.holes.map(to));
        expect(frozenLake.layoutKey(twin)).toBe(frozenLake.layoutKey(board));
        expect(splitOf(frozenLake, twin)).toBe(splitOf(frozenLake, board));
      }),
    );
  });

  test('is the same for mazes that are turned or mirrored', () => {
    const world = createMaze();
    fc.assert(
      fc.property(puzzle, ({ seed, level, mirror }) => {
        const maze = world.generate(testRandom(seed), level);
        const twin = movedMaze(maze, (mirror ? mirrored : turned)(level));
        expect(world.layoutKey(twin)).toBe(world.layoutKey(maze));
      }),
    );
  });

  test('is the same for MiniBehaviour boards that are mirrored', () => {
    const world = createMiniBehaviour();
    fc.assert(
      fc.property(puzzle, ({ seed, level }) => {
        const board = world.generate(testRandom(seed), Math.max(4, level));
        const to = mirrored(board.size);
        const table = Math.min(...tableCells(board.table).map(to));
        const twin = deliveryOf(board.size, to(board.agent), to(board.printer), table);
        expect(world.layoutKey(twin)).toBe(world.layoutKey(board));
      }),
    );
  });

  test('tells boards apart that no turn brings together: 102 of the 512 ways to put holes on 3 x 3 cells', () => {
    const forms = Array.from({ length: 512 }, (_, holes) =>
      smallestForm(3, cell => String((holes >> (3 * rowOf(cell) + colOf(cell))) & 1)),
    );
    expect(new Set(forms).size).toBe(102); // Burnside's lemma: OEIS A054247
  });
});
