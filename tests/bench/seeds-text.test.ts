import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { insertResults, resultTables, summaryTable } from '../../bench/seeds-text.js';
import type { SeedResult } from '../../bench/seeds-text.js';
import { resolveConfig } from '../../mgsd/method/config.js';
import type { ItemResult } from '../../mgsd/evaluation/evaluate.js';
import { buildTable } from '../../mgsd/evaluation/table.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';

const temporary = useTemporaryFolder();

/** Four boards of two worlds, of which the first `solved` of each world are solved. */
function items(solved: number): ItemResult[] {
  return ['frozenlake', 'maze'].flatMap(world =>
    Array.from({ length: 4 }, (_, k) => ({
      world,
      level: 3,
      key: `${world}:${k}`,
      layout: `${world}:${k}`,
      detour: k % 2 === 0,
      response: [2],
      success: k < solved,
      optimal: k < solved,
      recapExact: true,
      reason: k < solved ? 'goal' : 'hole',
    })),
  );
}

const result = (seed: number, solved: number): SeedResult => ({
  seed,
  minutes: 20 + seed,
  rows: buildTable(
    new Map([
      ['base', items(0)],
      ['mgsd', items(solved)],
      ['symbolic', items(4)],
    ]),
  ),
  shift: {
    heldOutLook: { 'frozenlake 3': 0.25, 'maze 3': 0 },
    larger: { 'maze 4': 0.5 },
    largerSymbolic: { 'maze 4': 1 },
  },
});

describe('tables of several seeds', () => {
  it('give means and every seed, over all, by world, and where training and test differ', () => {
    const text = resultTables([result(1, 3), result(2, 4)]);
    expect(text).toMatch(/\| MGSD \(stages 1 \+ 2\), image \| \*\*87\.5\*\* \(75\.0, 100\.0\) \|/);
    expect(text).toContain('| row | FrozenLake: success % | gap closed % | Maze: success % | gap closed % |');
    expect(text).toContain(
      '| frozenlake 3 | **87.5** (75.0, 100.0) | **25.0** (25.0, 25.0) | **100.0** (100.0, 100.0) |',
    );
    expect(text).toContain('| maze 4, a size never seen | **50.0** (50.0, 50.0) | – | **100.0** (100.0, 100.0) |');
  });

  it('show how one run learnt, and not one of several', () => {
    const point = { stage: 'stage0', step: 40, input: 'symbolic', recapExact: { frozenlake: 1, maze: 0.5 } };
    const learnt = { ...result(1, 4), curve: [{ ...point, success: { frozenlake: 0.25, maze: 0 } }] };
    expect(resultTables([learnt])).toContain('| stage0 | 40 | symbolic | 25 | 0 | 100 | 50 |');
    expect(resultTables([learnt, result(2, 4)])).not.toContain('| stage0 |');
  });

  it('leave out what not every seed has', () => {
    const { shift: _, ...bare } = result(1, 4);
    expect(resultTables([bare, result(2, 4)])).not.toContain('never seen');
  });

  it('go between the marks of a document, again and again, and nowhere else', () => {
    const file = temporary.file('page.md');
    const all = {
      results: [result(1, 3)],
      config: resolveConfig('worlds', {}),
      chosen: '--preset worlds',
      command: 'npm run bench:seeds',
      json: undefined,
    };
    const given = { ...all, machine: { processor: 'a processor', cores: 2 } };
    fs.writeFileSync(file, 'before\n<!-- x:begin -->\nold\n<!-- x:end -->\nafter\n');
    insertResults(file, 'x', given);
    const once = fs.readFileSync(file, 'utf8');
    insertResults(file, 'x', given);
    expect(fs.readFileSync(file, 'utf8')).toBe(once);
    expect(once).toMatch(/^before\n<!-- x:begin -->\n\n`mgsd-lite train` with its defaults, seed 1, 8 held-out boards/);
    expect(once).toContain('A run took 21.0 minutes, on 2 cores (a processor).');
    insertResults(file, 'x', {
      ...given,
      results: [
        { ...result(1, 3), threads: 1 },
        { ...result(2, 3), threads: 1 },
        { ...result(3, 3), minutes: 9, threads: 2 },
      ],
    });
    expect(fs.readFileSync(file, 'utf8')).toContain(
      'A run took 9.0 minutes with 2 threads, 21.0 to 22.0 minutes with 1 thread,',
    );
    expect(once).toMatch(/<!-- x:end -->\nafter\n$/);
    expect(once).not.toContain('old');
    expect(() => {
      insertResults(file, 'y', given);
    }).toThrow('lacks the marks <!-- y:begin -->');
  });

  it.each([
    ['README.md', 'summary', 'worlds-seeds', summaryTable],
    ['mgsd/RESULTS.md', 'tiny results', 'tiny-seeds', resultTables],
    ['mgsd/RESULTS.md', 'classroom results', 'classroom-seeds', resultTables],
    ['mgsd/RESULTS.md', 'worlds results', 'worlds-seeds', resultTables],
    ['mgsd/RESULTS.md', 'small results', 'small-seeds', resultTables],
  ])('stand in %s under %s as the numbers of %s give them', (document, mark, name, tables) => {
    const read = (file: string) => fs.readFileSync(path.join(import.meta.dirname, '../..', file), 'utf8');
    const { results } = JSON.parse(read(`bench/results/${name}.json`)) as { results: SeedResult[] };
    const block = read(document).split(`<!-- ${mark}:begin -->`)[1]!.split(`<!-- ${mark}:end -->`)[0]!;
    const rows = (text: string) => text.split('\n').filter(line => line.startsWith('|') && !/^[|\s:-]+$/.test(line));
    const cells = (line: string) => line.split('|').map(cell => cell.trim());
    expect(rows(block).map(cells)).toEqual(rows(tables(results)).map(cells));
  });
});
