import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHash } from 'node:crypto';
import { BoardPainter, box, ellipse, polygon, type SpriteSheet } from '../../../mgsd/worlds/canvas.js';
import { boardCells, colOf, rowOf } from '../../../mgsd/worlds/grid.js';
import { lakeOf } from '../boards.js';
import { anyPuzzle, frozenLake, testRandom } from '../random.js';
import { testImages } from './contract.js';

const pixelAt = (image: Uint8Array, pixels: number, x: number, y: number): number[] =>
  Array.from(image.subarray((y * pixels + x) * 3, (y * pixels + x) * 3 + 3));

describe('FrozenLake images', () => {
  test('the roles of the colours: dark blue hole, red gift, green elf, pale ice, at every size', () => {
    for (let size = 3; size <= 8; size++) {
      const rows = Array.from({ length: size }, (_, row) => 'F'.repeat(size).slice(row === 0 ? 3 : 0));
      const puzzle = lakeOf([`SHG${rows[0]!}`, ...rows.slice(1)]);
      const pixels = 480;
      const image = frozenLake.render(puzzle, pixels);
      const at = (cell: number, x: number, y: number): number[] => {
        const side = pixels / size;
        return pixelAt(image, pixels, Math.floor((colOf(cell) + x) * side), Math.floor((rowOf(cell) + y) * side));
      };
      const [red, green, blue] = [at(2, 0.3, 0.55), at(0, 0.5, 0.57), at(1, 0.5, 0.78)];
      expect(red[0]).toBeGreaterThan(red[1]! + red[2]!);
      expect(green[1]).toBeGreaterThan(green[0]! + green[2]!);
      expect(blue[2]).toBeGreaterThan(blue[0]! + blue[1]!);
      for (const channel of at(8, 0.5, 0.5)) expect(channel).toBeGreaterThan(200);
    }
  });

  test('rendering is deterministic and fills (pixels, pixels, 3)', () => {
    fc.assert(
      fc.property(anyPuzzle, fc.constantFrom(48, 64, 50), (puzzle, pixels) => {
        const image = frozenLake.render(puzzle, pixels);
        expect(image).toHaveLength(pixels * pixels * 3);
        expect(frozenLake.render(structuredClone(puzzle), pixels, 'training')).toEqual(image);
      }),
      { numRuns: 30 },
    );
  });

  test('different puzzles have different images, also at the smallest cells', () => {
    const images = new Set<string>();
    const cells = boardCells(8);
    for (const hole of cells.slice(2)) {
      const rows = Array.from({ length: 8 }, (_, row) =>
        Array.from({ length: 8 }, (_, col) => ['S', 'G'][row * 8 + col] ?? (row * 8 + col === hole ? 'H' : 'F')).join(
          '',
        ),
      );
      images.add(
        createHash('sha256')
          .update(frozenLake.render(lakeOf(rows), 48))
          .digest('hex'),
      );
    }
    expect(images.size).toBe(62);
  });

  test('a large image averaged down is the small one: sampling is by area', () => {
    const puzzle = lakeOf(['SFFFH', 'FHFFF', 'FFFHF', 'FFFFF', 'HFFFG']);
    const [small, large] = [frozenLake.render(puzzle, 48), frozenLake.render(puzzle, 480)];
    let worst = 0;
    let total = 0;
    for (let y = 0; y < 48; y++)
      for (let x = 0; x < 48; x++)
        for (let channel = 0; channel < 3; channel++) {
          let sum = 0;
          for (let dy = 0; dy < 10; dy++)
            for (let dx = 0; dx < 10; dx++) sum += large[((y * 10 + dy) * 480 + x * 10 + dx) * 3 + channel]!;
          const error = Math.abs(sum / 100 - small[(y * 48 + x) * 3 + channel]!);
          worst = Math.max(worst, error);
          total += error;
        }
    expect(worst).toBeLessThan(16);
    expect(total / small.length).toBeLessThan(1.5);
  });

  test('sizes that cannot be drawn are refused', () => {
    const puzzle = lakeOf(['SG', 'FF']);
    expect(() => frozenLake.render(puzzle, 1)).toThrow(/1 pixels cannot show 2 cells/);
    expect(() => frozenLake.render(puzzle, 48.5)).toThrow(RangeError);
  });

  testImages(frozenLake);

  test('the training style stays as it is, byte by byte: trained models depend on it', () => {
    const puzzle = lakeOf(['SFFFH', 'FHFFF', 'FFFHF', 'FFFFF', 'HFFFG']);
    const hash = (pixels: number): string =>
      createHash('sha256').update(frozenLake.render(puzzle, pixels)).digest('hex').slice(0, 16);
    expect([48, 64].map(hash)).toEqual(['b576d1576a75001b', 'b01bf6eeab3008a4']);
  });

  test('the held-out style keeps the hues of the roles, and moves sprites by the puzzle alone', () => {
    const images = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const puzzle = frozenLake.generate(testRandom(i), 4);
      const image = frozenLake.render(puzzle, 256, 'held-out');
      const at = (cell: number, x: number, y: number): number[] =>
        pixelAt(image, 256, Math.floor((colOf(cell) + x) * 64), Math.floor((rowOf(cell) + y) * 64));
      const [flag, lantern] = [at(puzzle.start, 0.5, 0.34), at(puzzle.goal, 0.3, 0.56)];
      expect(flag[1]).toBeGreaterThan(1.4 * Math.max(flag[0]!, flag[2]!));
      expect(lantern[0]).toBeGreaterThan(2 * Math.max(lantern[1]!, lantern[2]!));
      for (const hole of puzzle.holes) {
        const water = at(hole, 0.5, 0.5);
        expect(water[2]).toBeGreaterThan(water[0]! + 20);
        expect(water[2]).toBeLessThan(110);
      }
      // The start's cell alone, to see how many places the flag takes over the tints of the ground.
      const cell = Array.from({ length: 64 }, (_, y) => at(puzzle.start, 0.32, y / 64).join()).join(';');
      images.add(cell);
    }
    expect(images.size).toBeGreaterThan(12);
  });
});

describe('the painter', () => {
  const sheet: SpriteSheet<'half' | 'glass' | 'wedge' | 'disc'> = {
    ground: [box(0, 0, 1, 1, [255, 255, 255])],
    sprites: {
      half: [box(0, 0, 0.5, 1, [0, 0, 0])],
      glass: [{ ...box(0, 0, 1, 1, [0, 0, 255]), opacity: 0.5 }],
      wedge: [polygon([0, 0, 1, 0, 0, 1], [0, 0, 0])],
      disc: [ellipse(0.5, 0.5, 0.5, 0.25, [0, 0, 0])],
    },
  };
  const mean = (image: Uint8Array): number => image.reduce((a, b) => a + b, 0) / image.length;

  test('an empty white board stays white where cells do not meet pixel borders', () => {
    expect(new Set(new BoardPainter(sheet, 7, 48).paint([]))).toEqual(new Set([255]));
  });

  test('a pixel shared by two cells holds the mean of both', () => {
    // Three cells over two pixels: the left pixel is cell 0 and half of cell 1.
    const image = new BoardPainter(sheet, 3, 4).paint([0, 1, 2].map(row => ({ row, col: 0, sprite: 'half' as const })));
    expect(pixelAt(image, 4, 0, 0)[0]).toBeCloseTo(255 * (1 - 2 / 3), -1);
    expect(pixelAt(image, 4, 1, 0)).toEqual([255, 255, 255]);
  });

  test('opacity blends with what lies below', () => {
    const image = new BoardPainter(sheet, 2, 2).paint([{ row: 0, col: 0, sprite: 'glass' }]);
    expect(Array.from(image.subarray(0, 6))).toEqual([128, 128, 255, 255, 255, 255]);
  });

  test.each([
    ['half', 1 / 2],
    ['wedge', 1 / 2],
    ['disc', Math.PI / 8],
  ] as const)('%s covers its area', (sprite, area) => {
    const image = new BoardPainter(sheet, 1, 40).paint([{ row: 0, col: 0, sprite }]);
    expect(mean(image) / 255).toBeCloseTo(1 - area, 2);
  });
});
