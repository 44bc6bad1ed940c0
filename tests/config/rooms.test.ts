import { describe, expect, it } from 'vitest';
import { importsOf, problemsOf } from '../../.config/rooms.mjs';

const dependencies = new Set(['zod', '@petamoriken/float16']);

describe('the import-direction check', () => {
  it('finds every form of import with its line', () => {
    const source = [
      "import { a,\n  b } from './a.js';",
      "export type { T } from '../t.js';",
      "import './side.js';",
      "const late = await import('../late.js');",
      "const worker = new URL('./worker.js', import.meta.url);",
      "const text = 'import nothing';",
    ].join('\n');
    expect(importsOf(source).sort((x, y) => x.line - y.line)).toEqual([
      { specifier: './a.js', line: 2 },
      { specifier: '../t.js', line: 3 },
      { specifier: './side.js', line: 4 },
      { specifier: '../late.js', line: 5 },
      { specifier: './worker.js', line: 6 },
    ]);
  });

  it.each([
    ['kernels/matmul/matmul.ts', '../dtype.js'],
    ['core/wasm/backend.ts', '../../kernels/index.js'],
    ['models/vlm.ts', '../core/index.js'],
    ['mgsd/cli/main.ts', '../../models/index.js'],
    ['mgsd/method/config.ts', 'zod'],
    ['core/half.ts', '@petamoriken/float16'],
    ['tests/core/tape.test.ts', '../../kernels/dtype.js'],
    ['mgsd/cli/main.ts', '../../package.json'],
  ])('lets %s import %s', (file, specifier) => {
    expect(problemsOf(file, `import { x } from '${specifier}';`, dependencies)).toEqual([]);
  });

  it.each([
    ['kernels/dtype.ts', '../core/tensor.js', 'kernels/ must not import from core/'],
    ['core/tape.ts', '../models/vlm.js', 'core/ must not import from models/'],
    ['models/vlm.ts', '../mgsd/cli/main.js', 'models/ must not import from mgsd/'],
    ['mgsd/cli/main.ts', '../../bench/train.js', 'mgsd/ must not import from bench/'],
    ['mgsd/cli/main.ts', 'fast-check', 'not among package.json'],
    ['extras/a.ts', './b.js', 'not one of the project'],
  ])('refuses that %s imports %s', (file, specifier, message) => {
    const problems = problemsOf(file, `import { x } from '${specifier}';`, dependencies);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(message);
  });
});
