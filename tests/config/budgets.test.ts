import { describe, expect, it } from 'vitest';
import { budgetProblems, countsOf, shelfOf } from '../../.config/budgets.mjs';
import { tokenLines } from '../../.config/sources.mjs';

const lines = (...all: string[]) => all.join('\n');

describe('token-bearing lines', () => {
  it.each([
    [
      'comments and blank lines bear none',
      lines('// a', '', '/* b', ' c */', '/** d */ let x;', '  ', 'x = 1; // e'),
      2,
    ],
    ['a template bears all but its blank lines', lines('const a = `// one', '', '${b({ c: `}` })} // two', '`;'), 3],
    ['a comment within a call is none', lines('f(', '  // why', '  1,', ');'), 3],
    [
      'slashes in a regular expression open no comment',
      lines('const a = /[/*]/.exec(b);', 'const c = d / 2; /* e', '*/'),
      2,
    ],
    ['a slash after a bracket divides', lines('const a = (b) / 2, c = d[0] / 3; // "', '// `'), 1],
    ['a line counts once', lines('a(); b(); c(`', '`); d(`', '`);'), 3],
    ['nothing', '', 0],
  ])('%s', (_, source, count) => {
    expect(tokenLines('core/a.ts', source)).toBe(count);
  });

  it('of CSS', () => {
    expect(
      tokenLines('mgsd/report/a.css', lines('/* a', ' b */', '', 'p { color: red; } /* c */', '/* d */ q {', '}')),
    ).toBe(3);
  });
});

describe('budgets', () => {
  it('are kept by folder of mgsd/, and by top level else', () => {
    expect(['core/ops/loss.ts', 'mgsd/index.ts', 'mgsd/worlds/maze/maze.ts'].map(shelfOf)).toEqual([
      'core',
      'mgsd',
      'mgsd/worlds',
    ]);
  });

  it('count lines by room, and all together', () => {
    const sources = { 'core/a.ts': lines('// a', 'a;', 'b;'), 'mgsd/report/a.css': 'p {}', 'mgsd/report/b.js': 'c;' };
    expect(countsOf(new Map(Object.entries(sources)))).toEqual({ total: 4, core: 2, 'mgsd/report': 2 });
  });

  it('are neither overdrawn nor left unused', () => {
    const check = (core: number) => budgetProblems({ core }, { core: 1000 });
    expect(check(1000)).toEqual([]);
    expect(check(980)).toEqual([]);
    expect(check(1007)).toEqual(['core: 1007 token-bearing lines, 7 more than the budget of 1000']);
    expect(check(979)).toEqual([
      'core: 979 token-bearing lines, 21 fewer than the budget: run `node .config/budgets.mjs --write` to lower it',
    ]);
  });

  it('are needed for every folder, and for no folder that is gone', () => {
    expect(budgetProblems({ core: 1000 }, {})).toEqual(['core: 1000 token-bearing lines, and no budget']);
    expect(budgetProblems({ core: 1000 }, { core: 1000, 'mgsd/old': 10 })).toEqual([
      expect.stringContaining('mgsd/old: 0 token-bearing'),
    ]);
  });
});
