/** Maze as a stored sample: wall masks as rows of numbers, and again by name for every cell. */

import { MOVES, boardCells, neighbour, rowOf, colOf } from '../grid.js';
import { cellPair, type SampleFields, type SampleFormat } from '../stored-sample.js';
import { ALL_WALLS, createInstance, isOpen, rasterIndex, type MazeInstance } from './rules.js';
import { wallRows } from './text.js';

/** The sides of a cell with their bits. */
const SIDES = [
  ['north', 1],
  ['south', 2],
  ['west', 4],
  ['east', 8],
] as const;

/** Moves to the target from every cell, by its place in raster order. */
function distanceMap(instance: MazeInstance): Record<string, number> {
  const distance = new Map([[instance.target, 0]]);
  for (const [cell, moves] of distance)
    for (const move of MOVES) {
      if (!isOpen(instance, cell, move)) continue;
      const next = neighbour(instance.size, cell, move);
      if (!distance.has(next)) distance.set(next, moves + 1);
    }
  const ordered = boardCells(instance.size).map(cell => [rasterIndex(instance.size, cell), distance.get(cell) ?? -1]);
  return Object.fromEntries(ordered) as Record<string, number>;
}

export function sampleFormat(difficulty: (instance: MazeInstance) => string): SampleFormat<MazeInstance> {
  return {
    block: 'layout',
    fields(instance) {
      const { size, start, target, walls } = instance;
      const [startRow, startCol] = cellPair(start);
      const [targetRow, targetCol] = cellPair(target);
      const sides = walls.map(mask => Object.fromEntries(SIDES.map(([name, bit]) => [name, (mask & bit) !== 0])));
      return [
        ['difficulty_bucket', difficulty(instance)],
        ['start_row', startRow],
        ['start_col', startCol],
        ['start_pos', rasterIndex(size, start)],
        ['target_row', targetRow],
        ['target_col', targetCol],
        ['target_pos', rasterIndex(size, target)],
        [
          'layout_json',
          JSON.stringify(Array.from({ length: size }, (_, row) => sides.slice(row * size, (row + 1) * size))),
        ],
        ['distance_map', JSON.stringify(distanceMap(instance))],
      ];
    },
    rows: wallRows,
    read(rows, fields) {
      const named = namedWalls(fields);
      const walls = rows.length > 0 ? masksOf(rows) : named;
      if (walls === undefined)
        throw new Error("the walls are missing: a line 'layout:' and rows of wall masks, or layout_json");
      const size = Math.sqrt(walls.length);
      if (!Number.isInteger(size)) throw new Error(`${walls.length} cells are no square board`);
      if (named !== undefined && named.join() !== walls.join())
        throw new Error('layout_json does not fit the wall masks of the layout');
      const instance = createInstance(size, fields.cell('start', size), fields.cell('target', size), walls);
      for (const [name, cell] of [
        ['start_pos', instance.start],
        ['target_pos', instance.target],
      ] as const) {
        const place = fields.whole(name);
        if (place !== undefined && place !== rasterIndex(size, cell))
          throw new Error(`${name}=${place} is not the cell (${rowOf(cell)},${colOf(cell)})`);
      }
      return instance;
    },
  };
}

/** Rows of wall masks with blanks or commas between the numbers. */
function masksOf(rows: readonly string[]): number[] {
  return rows.flatMap((row, r) => {
    const words = row.split(/[\s,]+/).filter(word => word !== '');
    if (words.length !== rows.length)
      throw new Error(`row ${r} of the layout has ${words.length} wall masks, not ${rows.length}`);
    return words.map(word => {
      if (!/^\d{1,2}$/.test(word) || Number(word) > ALL_WALLS)
        throw new Error(`'${word}' in row ${r} of the layout is no sum of north 1, south 2, west 4 and east 8`);
      return Number(word);
    });
  });
}

/** The wall masks of layout_json: cells with a truth value for each side, in rows, in one list, or by their place in raster order. */
function namedWalls(fields: SampleFields): number[] | undefined {
  const value = fields.json('layout_json');
  if (value === undefined) return undefined;
  const cells: unknown[] = Array.isArray(value)
    ? value.flat()
    : Object.entries(value as object)
        .sort(([a], [b]) => Number(a) - Number(b))
        .map(([, cell]) => cell as unknown);
  return cells.map((cell, i) =>
    SIDES.reduce((mask, [name, bit]) => {
      const wall = (cell as Readonly<Record<string, unknown>> | null)?.[name];
      if (typeof wall !== 'boolean') throw new Error(`layout_json does not say whether cell ${i} has a wall ${name}`);
      return wall ? mask + bit : mask;
    }, 0),
  );
}
