/** FrozenLake as text: rows of S F H G, the two descriptions of a state, and reading them back. */

import { boardCells, cellAt, cellText } from '../grid.js';
import type { TextVariant } from '../world.js';
import { createInstance, type FrozenLakeInstance } from './rules.js';

/** The map as `size` rows of S(tart), G(oal), H(ole) and F(rozen). */
export function mapRows(instance: FrozenLakeInstance): string[] {
  const letters = boardCells(instance.size).map(cell => {
    if (cell === instance.start) return 'S';
    if (cell === instance.goal) return 'G';
    return instance.holes.includes(cell) ? 'H' : 'F';
  });
  return Array.from({ length: instance.size }, (_, row) =>
    letters.slice(row * instance.size, (row + 1) * instance.size).join(''),
  );
}

/** The puzzle of a map as `mapRows` writes it; an Error unless it is square and holds one S, one G and else only F and H. */
export function parseMap(rows: readonly string[]): FrozenLakeInstance {
  const size = rows.length;
  const found: Record<string, number[]> = { S: [], G: [], H: [], F: [] };
  rows.forEach((row, r) => {
    if (row.length !== size) throw new Error(`row ${r} of the map has ${row.length} letters, not ${size}: '${row}'`);
    row.split('').forEach((letter, c) => {
      const cells = found[letter];
      if (cells === undefined)
        throw new Error(`'${letter}' in row ${r} of the map: only S, F, H and G may stand there`);
      cells.push(cellAt(r, c));
    });
  });
  const [start, goal] = ['S', 'G'].map(letter => {
    const cells = found[letter] ?? [];
    if (cells.length !== 1) throw new Error(`the map has ${cells.length} cells '${letter}' and needs exactly one`);
    return cells[0] ?? 0;
  });
  return createInstance(size, start ?? 0, goal ?? 0, found['H'] ?? []);
}

/** `plan` is the answer text of a reference plan, appended to the context variant. */
export function describe(instance: FrozenLakeInstance, variant: TextVariant, plan: string | null): string {
  const { size, start, goal } = instance;
  const holes = instance.holes.map(cellText);
  const lines =
    variant === 'context'
      ? [
          `Map size: ${size}x${size}`,
          `Start: ${cellText(start)}`,
          `Goal: ${cellText(goal)}`,
          `Holes: ${holes.length === 0 ? 'none' : holes.join(', ')}`,
          ...mapRows(instance),
          'Hint: cells are (row, column), both counted from 0 at the top left; S start, G goal, H hole, F frozen.',
          'Hint: stepping into a hole or off the map fails; any frozen cell is safe.',
        ]
      : [
          `Map size: ${size}x${size}`,
          'Legend: S = start, G = goal, H = hole, F = frozen and safe',
          `Start position: ${cellText(start)}`,
          `Goal position: ${cellText(goal)}`,
          `Hole positions: ${holes.length === 0 ? 'none' : holes.join('; ')}`,
          ...mapRows(instance),
        ];
  if (plan !== null) lines.push(`Reference plan: ${plan}`);
  return lines.join('\n');
}

/** The puzzle in a text of either variant. The map decides; an Error says where the listed fields are missing or differ. */
export function parseDescription(text: string): FrozenLakeInstance {
  const lines = text.split(/\r?\n/).map(line => line.trim());
  const instance = parseMap(lines.filter(line => /^[SFHG]{2,}$/.test(line)));
  const field = (name: string): string => {
    const pattern = new RegExp(`^${name}(?: positions?)?:\\s*(.+)$`);
    const value = lines.map(line => pattern.exec(line)?.[1]).find(found => found !== undefined);
    if (value === undefined) throw new Error(`the text has no line '${name}: ...'`);
    return value;
  };
  const cells = (value: string): string =>
    [...value.matchAll(/\(\s*(\d+)\s*,\s*(\d+)\s*\)/g)]
      .map(m => `(${m[1] ?? ''},${m[2] ?? ''})`)
      .sort()
      .join(' ');
  const expected: readonly (readonly [string, string])[] = [
    ['Start', cellText(instance.start)],
    ['Goal', cellText(instance.goal)],
    ['Holes?', instance.holes.map(cellText).sort().join(' ')],
  ];
  if (field('Map size').replaceAll(' ', '') !== `${instance.size}x${instance.size}`)
    throw new Error(`'Map size' does not fit the ${instance.size} rows of the map`);
  for (const [name, value] of expected)
    if (cells(field(name)) !== value) throw new Error(`'${name.replace('?', '')}' in the text does not fit its map`);
  return instance;
}
