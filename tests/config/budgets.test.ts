import { describe, expect, it } from 'vitest';
import { budgetProblems, countsOf, shelfOf, wideComments } from '../../.config/budgets.mjs';
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

describe('wide comments', () => {
  const wide = 'x'.repeat(121);
  it('are lines on which a comment goes beyond the last column', () => {
    const source = lines(
      `// ${wide}`,
      `const a = '${wide}';`,
      `const b = 1; // ${wide}`,
      `/** ${wide}`,
      ` * ${wide} */`,
      `const c = \`${wide}`,
      wide,
      '`;',
      '// short',
      `  f('${wide}', // why`,
    );
    expect(wideComments(source)).toEqual([1, 3, 4, 5]);
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

  it('count the four rooms and the habits of everything', () => {
    const sources = {
      'core/a.ts': lines('// prettier-ignore', 'a;', 'b;'),
      'mgsd/report/a.css': 'p {}',
      'mgsd/report/b.js': 'c;',
      'tests/a.test.ts': lines('d; // prettier-ignore', `// ${'x'.repeat(121)}`),
    };
    expect(countsOf(new Map(Object.entries(sources)))).toEqual({
      lines: { total: 4, core: 2, 'mgsd/report': 2 },
      habits: { 'prettier-ignore': 2, 'comments beyond column 120': 1 },
    });
  });

  const habits = { 'prettier-ignore': 3 };
  const check = (core: number, ignored = 3, budget: Record<string, number> = { core: 1000 }) =>
    budgetProblems({ lines: { core }, habits: { 'prettier-ignore': ignored } }, { lines: budget, habits });

  it('are neither overdrawn nor left unused', () => {
    expect(check(1000)).toEqual([]);
    expect(check(980)).toEqual([]);
    expect(check(1007)).toEqual(['core: 1007 token-bearing lines, 7 more than the budget of 1000']);
    expect(check(979)).toEqual([
      expect.stringContaining('21 fewer than the budget: run `node .config/budgets.mjs --write`'),
    ]);
  });

  it('follow a habit down by every place', () => {
    expect(check(1000, 4)).toEqual(['prettier-ignore: 4 places, 1 more than the budget of 3']);
    expect(check(1000, 2)).toEqual([expect.stringContaining('prettier-ignore: 2 places, 1 fewer')]);
  });

  it('are needed for every folder, and for no folder that is gone', () => {
    expect(check(1000, 3, {})).toEqual(['core: 1000 token-bearing lines, and no budget']);
    expect(check(1000, 3, { core: 1000, 'mgsd/old': 10 })).toEqual([
      expect.stringContaining('mgsd/old: 0 token-bearing'),
    ]);
  });
});
