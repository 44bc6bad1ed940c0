import { describe, expect, it, test } from 'vitest';
import {
  PERTURBATION_KINDS,
  perturb,
  perturbPicture,
  type PerturbationKind,
} from '../../../mgsd/evaluation/perturbations.js';
import { frozenLake, testRandom } from '../random.js';

const pixels = 64;
const instance = frozenLake.generate(testRandom(4), 4);
const board = { data: frozenLake.render(instance, pixels), pixels, cells: 4 };
const changed = (kind: PerturbationKind, strength: number, data = board.data, seed = 7) =>
  perturb({ ...board, data }, [{ kind, strength }], seed);
const grey = (value: number) => new Uint8Array(pixels * pixels * 3).fill(value);
/** Grey, and what `value` says at each place, -1 to 1 on both axes. */
const drawn = (value: (x: number, y: number) => number) =>
  Uint8Array.from({ length: pixels * pixels * 3 }, (_, i) => {
    const at = Math.floor(i / 3);
    return value((2 * (at % pixels) + 1) / pixels - 1, (2 * Math.floor(at / pixels) + 1) / pixels - 1);
  });
const mean = (values: Uint8Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: Uint8Array) =>
  Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / values.length);
const distance = (a: Uint8Array, b: Uint8Array) =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;

describe.each(PERTURBATION_KINDS)('%s', kind => {
  it('changes nothing at strength 0, more and more up to 1, and never the picture that it is given', () => {
    const before = board.data.slice();
    expect(changed(kind, 0)).toEqual(board.data);
    const distances = [0.1, 0.3, 0.6, 1].map(strength => distance(changed(kind, strength), board.data));
    expect(distances[0]).toBeGreaterThan(0.5);
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
    expect(board.data).toEqual(before);
  });

  it('follows from picture, strength and seed', () => {
    expect(changed(kind, 0.4)).toEqual(changed(kind, 0.4));
    const others = [0, 1, 2, 3, 4].map(seed => String(changed(kind, 0.4, board.data, seed)));
    expect(new Set(others).size).toBe(kind === 'noise' ? 5 : kind === 'tilt' ? 2 : 1);
  });

  it.each([-0.1, 1.01, NaN])('refuses a strength of %s', strength => {
    expect(() => changed(kind, strength)).toThrow(/strengths run from 0 to 1/);
  });
});

test('noise has the deviation that its strength says', () => {
  expect(deviation(changed('noise', 0.2, grey(128)))).toBeCloseTo(0.2 * 127.5, 0);
  expect(mean(changed('noise', 0.2, grey(128)))).toBeCloseTo(128, 0);
});

test('blur spreads an edge by half a cell, and keeps a plain picture to its border', () => {
  const edge = drawn(x => (x < 0 ? 0 : 200));
  // One deviation from the edge, half a cell of 16 pixels, the normal distribution is at 0.16 and 0.84.
  const row = Array.from({ length: pixels }, (_, x) => changed('blur', 1, edge)[(32 * pixels + x) * 3]! / 200);
  expect([row[32 - 8]!, row[32 + 7]!].map(value => value.toFixed(1))).toEqual(['0.2', '0.8']);
  expect(changed('blur', 1, grey(90))).toEqual(grey(90));
});

test('contrast moves every value towards one grey, which is all that is left at 1', () => {
  expect(changed('contrast', 0.5, grey(0))).toEqual(grey(64));
  expect(changed('contrast', 1)).toEqual(grey(128));
});

test('a margin takes half of the width at 1, and the board keeps its brightness', () => {
  const image = changed('margin', 1, grey(200));
  expect(image).toEqual(drawn((x, y) => (Math.max(Math.abs(x), Math.abs(y)) < 0.5 ? 200 : 128)));
});

test('tilt keeps the whole board in the picture, turned by 20 degrees at 1', () => {
  const at = (image: Uint8Array, x: number, y: number) =>
    image[(Math.floor(((y + 1) / 2) * pixels) * pixels + Math.floor(((x + 1) / 2) * pixels)) * 3]!;
  for (const seed of [0, 1, 2, 3]) {
    const image = changed('tilt', 1, grey(200), seed);
    for (let i = -0.98; i < 1; i += 0.04)
      for (const [x, y] of [
        [i, -0.98],
        [i, 0.98],
        [-0.98, i],
        [0.98, i],
      ] as const)
        expect(at(image, x, y)).toBeLessThan(200); // the board reaches no border, so it has lost no corner
    // Straight up from the middle leads to the upper left or right of the board.
    const slope = changed(
      'tilt',
      1,
      drawn((x, y) => (Math.abs(x) < 0.06 && y < 0 ? 0 : 255)),
      seed,
    );
    const dark = Array.from({ length: pixels }, (_, x) => x).filter(x => slope[(22 * pixels + x) * 3]! < 100);
    const middle = dark.reduce((sum, x) => sum + x + 0.5, 0) / dark.length;
    const angle = (Math.atan2(Math.abs(middle - 32), 32 - 22.5) * 180) / Math.PI;
    expect(angle).toBeGreaterThan(17);
    expect(angle).toBeLessThan(25);
  }
});

test('several are applied one after another, and a puzzle decides its own noise', () => {
  const list = [
    { kind: 'margin', strength: 1 },
    { kind: 'contrast', strength: 0.5 },
  ] as const;
  expect(perturb({ ...board, data: grey(200) }, list, 1)).toEqual(
    changed('contrast', 0.5, changed('margin', 1, grey(200))),
  );
  const noise = [{ kind: 'noise', strength: 0.3 }] as const;
  const puzzle = { world: frozenLake, instance } as never;
  const other = { world: frozenLake, instance: frozenLake.generate(testRandom(5), 4) } as never;
  expect(perturbPicture(puzzle, board.data, noise)).toEqual(perturbPicture(puzzle, board.data, noise));
  expect(perturbPicture(other, board.data, noise)).not.toEqual(perturbPicture(puzzle, board.data, noise));
});
