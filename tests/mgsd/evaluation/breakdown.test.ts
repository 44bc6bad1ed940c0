import { describe, expect, it } from 'vitest';
import { breakDown, gapByTask, ratesOf } from '../../../mgsd/evaluation/breakdown.js';
import { judge, summarize } from '../../../mgsd/evaluation/evaluate.js';
import type { ItemResult } from '../../../mgsd/evaluation/evaluate.js';
import { heldOutGroups } from '../../../mgsd/method/puzzles.js';
import type { Puzzle } from '../../../mgsd/method/puzzles.js';
import { resolveConfig } from '../../../mgsd/method/config.js';
import { buildTable, tableMarkdown } from '../../../mgsd/evaluation/table.js';
import { oracleResponse } from '../../../mgsd/method/response.js';
import { DROP } from '../../../mgsd/worlds/grid.js';
import { actionToken, cellIndexToken } from '../../../models/vocabulary.js';

const groups = heldOutGroups(resolveConfig('worlds', { evaluation: { puzzles: 6 } }));
const puzzles = groups.flatMap(({ puzzles }) => puzzles);
const solved = puzzles.map(puzzle => judge(puzzle, oracleResponse(puzzle.world, puzzle.instance)));

/** The oracle's response, but with another first action, or another cell in the place of the start. */
function spoilt(puzzle: Puzzle, what: 'action' | 'start'): ItemResult {
  const { world, instance } = puzzle;
  const tokens = oracleResponse(world, instance);
  const at = what === 'start' ? 1 : world.recap(instance).length + 1;
  if (what === 'start') tokens[at] = tokens[at] === cellIndexToken(0) ? cellIndexToken(1) : cellIndexToken(0);
  else tokens[at] = actionToken(DROP);
  return judge(puzzle, tokens);
}

describe('judge', () => {
  it('keeps progress, whether the response could be read, and which fields of the recap are right', () => {
    for (const item of solved) expect(item).toMatchObject({ progress: 1, parsed: true, illegal: false });
    const names = { frozenlake: 'start', maze: 'start', minibehaviour: 'agent' };
    for (const puzzle of puzzles) {
      const item = spoilt(puzzle, 'start');
      const wrong = Object.entries(item.fields!).flatMap(([name, right]) => (right ? [] : [name]));
      expect(wrong).toEqual([names[puzzle.world.name as keyof typeof names]]);
      expect(item).toMatchObject({ success: true, recapExact: false });
    }
  });

  it('calls a plan illegal for what the rules forbid, not for what cannot be read', () => {
    const robot = puzzles.find(({ world }) => world.name === 'minibehaviour')!;
    expect(spoilt(robot, 'action')).toMatchObject({
      success: false,
      illegal: true,
      reason: 'illegal-drop',
      progress: 0,
    });
    const lake = puzzles.find(({ world }) => world.name === 'frozenlake')!;
    expect(spoilt(lake, 'action')).toMatchObject({ success: false, illegal: false, parsed: false, reason: 'grammar' });
  });
});

describe('breakDown', () => {
  const items = puzzles.map((puzzle, i) =>
    puzzle.world.name === 'minibehaviour' && i % 2 === 0 ? spoilt(puzzle, 'action') : solved[i]!,
  );
  const { byTask, byTaskLevel } = breakDown(items);

  it('counts every world and board size by itself', () => {
    expect(Object.keys(byTask)).toEqual(['frozenlake', 'maze', 'minibehaviour']);
    expect(Object.keys(byTaskLevel)).toEqual(groups.map(({ world, level }) => `${world.name} ${level}`));
    expect(byTask['minibehaviour']).toMatchObject({ items: 6, illegalByKind: { 'illegal-drop': 0.5 } });
    expect(byTask['minibehaviour']!.success.value).toBe(0.5);
    expect(byTask['minibehaviour']!.illegal!.value).toBe(0.5);
    expect(byTask['maze']!.success.value).toBe(1);
    expect(byTask['maze']!.items).toBe(12);
    expect(byTask['maze']!.illegalByKind).toEqual({});
    expect(Object.keys(byTask['maze']!.fields)).toEqual(['size', 'start', 'target', 'open directions']);
    expect(summarize(items).success.value).toBeCloseTo((1 + 1 + 0.5) / 3);
  });

  it('has intervals where all items agree: a handful of puzzles proves little', () => {
    const { success, layouts } = byTask['maze']!;
    expect(layouts).toBe(new Set(items.filter(({ world }) => world === 'maze').map(({ layout }) => layout)).size);
    expect(success.low).toBeLessThan(0.8);
    expect(success.high).toBe(1);
    const lost = ratesOf(items.map(item => ({ ...item, success: false })));
    expect(lost.success.low).toBe(0);
    expect(lost.success.high).toBeGreaterThan(0.05);
    expect(summarize(items.map(item => ({ ...item, success: false }))).success.high).toBeGreaterThan(0.05);
  });

  it('has no rate that an old run did not keep', () => {
    const old = items.map(({ progress, parsed, illegal, fields, ...rest }) => {
      expect([progress, parsed, illegal, fields]).not.toContain(undefined);
      return rest;
    });
    expect(ratesOf(old)).toMatchObject({ progress: null, parsed: null, illegal: null, fields: {} });
    expect(summarize(old)).toMatchObject({ progress: null, parsed: null, illegal: null });
  });

  it('closes the gap in each world by itself, and shows it in a table of its own', () => {
    const base = solved.map(item => ({ ...item, success: false }));
    const gaps = gapByTask(items, base, solved);
    expect(Object.entries(gaps).map(([name, gap]) => [name, gap!.value])).toEqual([
      ['frozenlake', 1],
      ['maze', 1],
      ['minibehaviour', 0.5],
    ]);
    const table = buildTable(
      new Map([
        ['base', base],
        ['mgsd', items],
        ['symbolic', solved],
      ]),
    );
    const [main, worlds] = tableMarkdown(table).split('\n\n');
    expect(main).toContain('| gap closed % |');
    expect(worlds).toContain('| minibehaviour: success % | gap closed % |');
    expect(worlds).toContain('50.0');
    const single = new Map([['mgsd', items.filter(({ world }) => world === 'maze')]] as const);
    expect(tableMarkdown(buildTable(single))).not.toContain('\n\n');
  });
});
