import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  asideOf,
  coverageProblems,
  filesThatRun,
  filledIn,
  libraryFiles,
  listProblems,
  tableOf,
} from '../../.config/walk.mjs';

const code = (lines: number) => 'x;\n'.repeat(lines);

const readme = `# Title

<!-- walk:begin -->

|   # | file                            | lines | what     |
| --: | ------------------------------- | ----: | -------- |
|   1 | [train.ts](mgsd/runs/train.ts)  |   100 | the loop |
|   2 | [tape.ts](core/tape.ts)         | 1,000 | the tape |
|     | **total**                       | 1,100 |          |

<!-- walk:end -->
`;
const page = `Not to be opened:

<!-- walk:begin -->

- [shape.ts](../core/shape.ts): what broadcasting does
  to shapes
- [grid.ts](worlds/grid.ts): cells by number

<!-- walk:end -->
`;
const house: Readonly<Record<string, string>> = {
  'README.md': readme,
  'mgsd/WALK.md': page,
  'mgsd/runs/train.ts': code(100),
  'core/tape.ts': code(1000),
  'core/shape.ts': code(10),
  'mgsd/worlds/grid.ts': code(10),
};
const reader = (changes: Readonly<Record<string, string | undefined>> = {}) => {
  const files = new Map(Object.entries({ ...house, ...changes }));
  return (file: string) => files.get(file);
};

describe('the lists of the walk', () => {
  it('are read from README.md and mgsd/WALK.md', () => {
    expect(tableOf(readme)).toEqual({
      rows: [
        { file: 'mgsd/runs/train.ts', number: 1, lines: 100 },
        { file: 'core/tape.ts', number: 2, lines: 1000 },
      ],
      total: 1100,
    });
    expect(asideOf(page)).toEqual([
      { file: 'core/shape.ts', reason: 'what broadcasting does\n  to shapes' },
      { file: 'mgsd/worlds/grid.ts', reason: 'cells by number' },
    ]);
  });

  it('may be right, or nearly right', () => {
    expect(listProblems(reader())).toEqual([]);
    expect(listProblems(reader({ 'core/tape.ts': code(1040) }))).toEqual([]);
  });

  const long = code(3950);
  it.each([
    ['no table', { 'README.md': '' }, ['README.md: has no table']],
    ['no list', { 'mgsd/WALK.md': '' }, ['mgsd/WALK.md: has no list']],
    ['a file that is gone', { 'mgsd/runs/train.ts': undefined }, ['names mgsd/runs/train.ts', 'and says 1100']],
    [
      'a count that is off',
      { 'mgsd/runs/train.ts': code(110) },
      ['mgsd/runs/train.ts has 110 token-bearing lines, and the walk says 100'],
    ],
    [
      'too many lines',
      { 'core/tape.ts': long, 'README.md': readme.replaceAll(/1,\d00/g, '3,950') },
      ['4050 token-bearing lines, 50 more than 4000'],
    ],
    [
      'a total that is off',
      { 'README.md': readme.replace('1,100', '1,000') },
      ['has 1100 token-bearing lines, and says 1000'],
    ],
    ['no total', { 'README.md': readme.replace(/\|.*total.*\n/, '') }, ['has no row']],
    ['a wrong number', { 'README.md': readme.replace('|   2 |', '|   3 |') }, ['row 2 of the walk has the number 3']],
    ['a file in both', { 'mgsd/WALK.md': page.replace('shape.ts)', 'tape.ts)') }, ['core/tape.ts: is twice']],
    ['no reason', { 'mgsd/WALK.md': page.replace(': cells by number', '') }, ['does not say why mgsd/worlds/grid.ts']],
    ['a page that names what is gone', { 'core/shape.ts': undefined }, ['mgsd/WALK.md: names core/shape.ts']],
  ])('%s is found', (_, changes, messages) => {
    const problems = listProblems(reader(changes));
    expect(problems).toEqual(messages.map(message => expect.stringContaining(message) as unknown));
  });

  it('has at most 30 files', () => {
    const rows = Array.from({ length: 31 }, (_, i) => `| ${i + 1} | [a](core/${i}.ts) | 10 | |`);
    const files = Object.fromEntries(rows.map((_, i) => [`core/${i}.ts`, code(10)]));
    const table = `<!-- walk:begin -->\n${rows.join('\n')}\n| | total | 310 | |\n<!-- walk:end -->`;
    expect(listProblems(reader({ ...files, 'README.md': table }))).toEqual([
      expect.stringContaining('31 files, 1 more than 30'),
    ]);
  });

  it('get their numbers, lines and total by --write', () => {
    const read = reader({ 'mgsd/runs/train.ts': code(2000) });
    const filled = filledIn(readme.replace('|   2 |', '|   7 |'), read);
    expect(listProblems(reader({ 'mgsd/runs/train.ts': code(2000), 'README.md': filled }))).toEqual([]);
    expect(tableOf(filled)?.total).toBe(3000);
    expect(filled).toContain('| the loop |');
  });
});

describe('what runs', () => {
  it('is compared with the lists', () => {
    const ran = ['mgsd/runs/train.ts', 'core/tape.ts', 'core/shape.ts', 'mgsd/worlds/grid.ts'];
    expect(coverageProblems(reader(), ran)).toEqual([]);
    expect(coverageProblems(reader(), [...ran.slice(1), 'core/new.ts'])).toEqual([
      expect.stringMatching(/^core\/new.ts: runs in a step of stage 2/),
      expect.stringMatching(/^mgsd\/runs\/train.ts: is listed, but does not run/),
    ]);
  });

  it('of the library is what its exports are made of', () => {
    const sources = {
      'kernels/a/a.as.ts': [
        "import { load4, Args as Block } from '../wasm/simd.as';",
        "import { unused } from '../wasm/other.as';",
        '@inline function half(x: f32): f32 { return x * HALF; }',
        'const HALF: f32 = 0.5, DEEP: f32 = deep();',
        'export function a(args: Block, begin: i32): void { load4(half(args.x)); }',
        'export function b(): void { unused(); }',
      ].join('\n'),
      'kernels/wasm/simd.as.ts':
        "import { row } from './row.as';\nexport function load4(x: f32): v128 { return x; }\nexport function other(): void { row(); }",
      'kernels/wasm/other.as.ts': 'export function unused(): void {}',
      'kernels/wasm/row.as.ts': 'export function row(): void {}',
    };
    const files = (...exports: string[]) => libraryFiles(exports, new Map(Object.entries(sources)));
    expect(files('a')).toEqual(['kernels/a/a.as.ts', 'kernels/wasm/simd.as.ts']);
    expect(files('b')).toEqual(['kernels/a/a.as.ts', 'kernels/wasm/other.as.ts']);
    expect(files('other')).toEqual(['kernels/wasm/simd.as.ts', 'kernels/wasm/row.as.ts']);
    expect(files('nothing')).toEqual([]);
  });

  const root = path.join(import.meta.dirname, '../..');
  const actual = (file: string) => {
    const full = path.join(root, file);
    return fs.existsSync(full) ? fs.readFileSync(full, 'utf8') : undefined;
  };

  it('in a step of stage 2 stands in one of the lists', () => {
    const ran = filesThatRun();
    // The loop over the updates, which was called before they were watched; a method; an op; a kernel, and its
    // library's code.
    expect(ran).toEqual(
      expect.arrayContaining([
        'mgsd/runs/stage-loop.ts',
        'core/tape.ts',
        'core/ops/network.ts',
        'kernels/matmul/matmul.ts',
        'kernels/wasm/simd.as.ts',
      ]),
    );
    expect(ran.filter(file => /webgpu|wgsl|report|cli/.test(file))).toEqual([]);
    expect(coverageProblems(actual, ran)).toEqual([]);
  });
});
