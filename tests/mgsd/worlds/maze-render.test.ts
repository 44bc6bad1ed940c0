import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boardCells, colOf, neighbour, rowOf } from '../../../mgsd/worlds/grid.js';
import { createMaze } from '../../../mgsd/worlds/maze/maze.js';
import { testRandom } from '../random.js';
import { puzzlesOf, testImages } from './contract.js';

const world = createMaze();
const puzzles = puzzlesOf(world);

describe('Maze images', () => {
  testImages(world);

  const pixel = (image: Uint8Array, x: number, y: number): number[] => {
    const at = (Math.floor(y) * 256 + Math.floor(x)) * 3;
    return Array.from(image.subarray(at, at + 3));
  };

  test('at 256 pixels the colours stand where the published formulas put them, at every size', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 3, max: 8 }), (seed, level) => {
        const puzzle = world.generate(testRandom(seed), level);
        const image = world.render(puzzle, 256);
        const side = 256 / level;
        const wall = Math.max(2, Math.floor(side / 4));
        const radius = Math.max(3, Math.floor((side - wall) / 4));
        for (const cell of boardCells(level)) {
          const [x, y] = [(colOf(cell) + 0.5) * side, (rowOf(cell) + 0.5) * side];
          const [red, green, blue] = pixel(image, x, y) as [number, number, number];
          if (cell === puzzle.start) expect([red > 230, green > 180, blue < 60]).toEqual([true, true, true]);
          else if (cell === puzzle.target) expect([red < 60, green < 120, blue > 200]).toEqual([true, true, true]);
          else expect([red, green, blue]).toEqual([255, 255, 255]);
          // Dots end where their radius says; the square goes on until half a wall before the border.
          expect(pixel(image, x, y - radius - 2)).toEqual([255, 255, 255]);
          if (cell === puzzle.start) expect(pixel(image, x, y - radius + 2)[2]).toBeLessThan(60);
          expect(pixel(image, x - side / 2 + wall / 2 + 2, y - side / 2 + wall / 2 + 2)).toEqual([255, 255, 255]);
          expect(pixel(image, x - side / 2 + wall / 2 - 2, y - side / 2 + wall / 2 - 2)).toEqual([0, 0, 0]);
          for (const move of [1, 2] as const) {
            const next = neighbour(level, cell, move);
            if (next < 0) continue;
            const open = world.step(puzzle, cell, move).verdict !== 'fatal';
            const [bx, by] = move === 2 ? [x + side / 2, y] : [x, y + side / 2];
            const boundary = pixel(image, bx, by);
            if (!open) expect(boundary).toEqual([0, 0, 0]);
            // The grey line; where it has few pixels the boundary's pixel may be part white.
            for (const channel of boundary) if (open) expect(channel).toBeGreaterThanOrEqual(224);
            if (open && side >= 51) expect(boundary).toEqual([224, 224, 224]);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  test('at 48 pixels walls are dark and passages bright, and the dots have their colours, up to size 6', () => {
    fc.assert(
      fc.property(puzzles, fc.constantFrom<'training' | 'held-out'>('training', 'held-out'), (puzzle, style) => {
        const image = world.render(puzzle, 48, style);
        const side = 48 / puzzle.size;
        const near = (x: number, y: number): number[] => {
          const at = (Math.floor(y) * 48 + Math.floor(x)) * 3;
          return Array.from(image.subarray(at, at + 3));
        };
        const grey = (colour: number[]): number => colour.reduce((a, b) => a + b, 0) / 3;
        for (const cell of boardCells(puzzle.size)) {
          const [x, y] = [(colOf(cell) + 0.5) * side, (rowOf(cell) + 0.5) * side];
          const [red, , blue] = near(x, y) as [number, number, number];
          if (cell === puzzle.start) expect(red - blue).toBeGreaterThan(60);
          else if (cell === puzzle.target) expect(blue - red).toBeGreaterThan(60);
          if (colOf(cell) === puzzle.size - 1) continue;
          const open = world.step(puzzle, cell, 2).verdict !== 'fatal';
          // The darker one of the two pixels at the boundary.
          const boundary = Math.min(grey(near(x + side / 2 - 0.5, y)), grey(near(x + side / 2 + 0.49, y)));
          if (open) expect(boundary).toBeGreaterThan(180);
          else expect(boundary).toBeLessThan(120);
        }
      }),
    );
  });
});
