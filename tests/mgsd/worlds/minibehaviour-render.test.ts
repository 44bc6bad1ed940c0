import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boardCells, colOf, rowOf } from '../../../mgsd/worlds/grid.js';
import { createMiniBehaviour } from '../../../mgsd/worlds/minibehaviour/minibehaviour.js';
import { tableCells } from '../../../mgsd/worlds/minibehaviour/rules.js';
import { testRandom } from '../random.js';
import { puzzlesOf, testImages } from './contract.js';

const world = createMiniBehaviour();
const puzzles = puzzlesOf(world);

describe('MiniBehaviour images', () => {
  testImages(world);

  const colour = (image: Uint8Array, pixels: number, x: number, y: number): [number, number, number] => {
    const at = (Math.floor(y) * pixels + Math.floor(x)) * 3;
    return [image[at]!, image[at + 1]!, image[at + 2]!];
  };

  test('at 256 pixels the roles of the colours: red agent, white printer, tan table, black floor, grid lines', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(4, 5, 6, 8), (seed, level) => {
        const puzzle = world.generate(testRandom(seed), level);
        const image = world.render(puzzle, 256);
        const side = 256 / level;
        for (const cell of boardCells(level)) {
          const at = (x: number, y: number): [number, number, number] =>
            colour(image, 256, (colOf(cell) + x) * side, (rowOf(cell) + y) * side);
          if (cell === puzzle.agent) {
            // It points right: the middle row is red to the right end, the upper right corner of its box is not.
            expect([at(0.3, 0.5), at(0.7, 0.5), at(0.7, 0.3)]).toEqual([
              [255, 24, 16],
              [255, 24, 16],
              [0, 0, 0],
            ]);
          } else if (cell === puzzle.printer) {
            expect([at(0.5, 0.3), at(0.5, 0.41), at(0.68, 0.64)]).toEqual([
              [255, 255, 255],
              [0, 0, 0],
              [0, 0, 0],
            ]);
          } else expect(at(0.5, 0.5)).toEqual(tableCells(puzzle.table).includes(cell) ? [181, 143, 96] : [0, 0, 0]);
          if (256 % level === 0) expect(at(0.005, 0.9)).toEqual([60, 60, 60]);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('at 48 pixels, in both styles, the agent is red, the printer pale, the table brown, the floor dark', () => {
    fc.assert(
      fc.property(puzzles, fc.constantFrom<'training' | 'held-out'>('training', 'held-out'), (puzzle, style) => {
        const image = world.render(puzzle, 48, style);
        const side = 48 / puzzle.size;
        for (const cell of boardCells(puzzle.size)) {
          const [red, green, blue] = colour(image, 48, (colOf(cell) + 0.45) * side, (rowOf(cell) + 0.5) * side);
          if (cell === puzzle.agent) expect(red).toBeGreaterThan(1.3 * Math.max(green, blue));
          else if (cell === puzzle.printer)
            expect(Math.max(red, green, blue) - Math.min(red, green, blue)).toBeLessThan(45);
          else if (tableCells(puzzle.table).includes(cell)) expect(red).toBeGreaterThan(1.3 * blue);
          else expect(Math.max(red, green, blue)).toBeLessThan(60);
        }
      }),
    );
  });
});
