import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { circleFindings, importFindings, nodeFindings, nodeUses, roomOf, rooms, settle } from '../../.config/rooms.mjs';
import { importsOf, targetOf } from '../../.config/sources.mjs';

const dependencies = new Set(['zod', '@petamoriken/float16']);
const none = { imports: [], node: [], circles: [] };

describe('imports', () => {
  it('are found in every form, each with its line and kind', () => {
    const source = [
      "import { a,\n  b } from './a.js';",
      "export type { T } from '../t.js';",
      "import './side.js';",
      "const late = await import('../late.js');",
      "const worker = new URL('./worker.js', import.meta.url);",
      "const text = 'import nothing';",
      "import type from './type.js';",
      "import { type U, u } from './u.js';",
      "import type V from './v.js';",
      "export * from './w.js';",
    ].join('\n');
    expect(importsOf(source).sort((x, y) => x.line - y.line)).toEqual([
      { specifier: './a.js', line: 2, kind: 'value' },
      { specifier: '../t.js', line: 3, kind: 'type' },
      { specifier: './side.js', line: 4, kind: 'value' },
      { specifier: '../late.js', line: 5, kind: 'late' },
      { specifier: './worker.js', line: 6, kind: 'late' },
      { specifier: './type.js', line: 8, kind: 'value' },
      { specifier: './u.js', line: 9, kind: 'value' },
      { specifier: './v.js', line: 10, kind: 'type' },
      { specifier: './w.js', line: 11, kind: 'value' },
    ]);
  });

  it('mean the TypeScript or AssemblyScript that they are compiled from', () => {
    expect(targetOf('core/ops/loss.ts', '../op.js')).toBe('core/op.ts');
    expect(targetOf('kernels/entry.as.ts', './loss/loss.as')).toBe('kernels/loss/loss.as.ts');
    expect(targetOf('mgsd/cli/main.ts', '../../package.json')).toBe('package.json');
    expect(targetOf('tests/config/rooms.test.ts', '../../.config/rooms.mjs')).toBe('.config/rooms.mjs');
  });
});

describe('the order of the rooms', () => {
  it.each([
    ['kernels/matmul/matmul.ts', 'kernels'],
    ['kernels/matmul/cases.ts', 'cases'],
    ['kernels/cases/index.ts', 'cases'],
    ['core/tape.ts', 'core'],
    ['core/backend.ts', 'core/contract'],
    ['core/backends/cpu.ts', 'core/backends'],
    ['core/backends/wasm/heap.ts', 'core/backends/wasm'],
    ['core/open.ts', 'core/open.ts'],
    ['mgsd/method/variants/jsd.ts', 'mgsd/method'],
    ['mgsd/mgsd-lite.js', 'mgsd/cli'],
    ['mgsd/lessons/stage0.exercise.ts', 'tests'],
    ['mgsd/loose.ts', undefined],
    ['extras/a.ts', undefined],
  ])('%s stands in %s', (file, room) => {
    expect(roomOf(file)).toBe(room);
  });

  it('has a place for every folder of mgsd/', () => {
    const folders = fs
      .readdirSync(path.join(import.meta.dirname, '../../mgsd'), { withFileTypes: true })
      .filter(entry => entry.isDirectory() && entry.name !== 'pretrained');
    expect(Object.keys(rooms)).toEqual(expect.arrayContaining(folders.map(({ name }) => `mgsd/${name}`)));
  });

  it.each([
    ['kernels/matmul/matmul.ts', '../dtype.js'],
    ['core/backends/wasm/wasm.ts', '../../../kernels/index.js'],
    ['core/backends/wasm/wasm.ts', '../../backend.js'],
    ['core/open.ts', './backends/webgpu/webgpu.js'],
    ['models/vlm.ts', '../core/index.js'],
    ['mgsd/method/config.ts', '../worlds/registry.js'],
    ['mgsd/page/page.ts', '../../kernels/cases/index.js'],
    ['mgsd/index.ts', './runs/train.js'],
    ['mgsd/cli/main.ts', '../../models/index.js'],
    ['mgsd/cli/main.ts', '../index.js'],
    ['mgsd/method/config.ts', 'zod'],
    ['core/half.ts', '@petamoriken/float16'],
    ['tests/core/tape.test.ts', '../../kernels/dtype.js'],
    ['tests/config/rooms.test.ts', '../../.config/rooms.mjs'],
    ['bench/kernels.ts', '../kernels/cases/index.js'],
    ['mgsd/cli/main.ts', '../../package.json'],
  ])('lets %s import %s', (file, specifier) => {
    expect(importFindings(file, `import { x } from '${specifier}';`, dependencies)).toEqual([]);
  });

  it.each([
    ['kernels/dtype.ts', '../core/tensor.js', 'kernels must not import from core '],
    ['kernels/index.ts', './matmul/cases.js', 'kernels must not import from cases '],
    ['core/tape.ts', '../models/vlm.js', 'core must not import from models '],
    ['core/tape.ts', './replay/trace.js', 'core must not import from core/replay '],
    ['core/ops/loss.ts', '../backends/cpu.js', 'core/ops must not import from core/backends '],
    [
      'core/backends/wasm/wasm.ts',
      '../webgpu/wait.js',
      'core/backends/wasm must not import from core/backends/webgpu ',
    ],
    ['core/backends/webgpu/batch.ts', '../../tensor.js', 'core/backends/webgpu must not import from core '],
    ['models/vlm.ts', '../mgsd/cli/main.js', 'models must not import from mgsd/cli '],
    ['models/vlm.ts', '../core/replay/recorder.js', 'models must not import from core/replay '],
    ['mgsd/worlds/maze/maze.ts', '../../exchange/formats.js', 'mgsd/worlds must not import from mgsd/exchange '],
    ['mgsd/evaluation/planner.ts', '../runs/files.js', 'mgsd/evaluation must not import from mgsd/runs '],
    ['mgsd/index.ts', './cli/main.js', 'mgsd/index.ts must not import from mgsd/cli '],
    ['mgsd/page/page.ts', '../cli/main.js', 'mgsd/page must not import from mgsd/cli '],
    ['mgsd/cli/main.ts', '../../bench/train.js', 'mgsd/cli must not import from bench '],
    ['mgsd/cli/main.ts', '../../.config/rooms.mjs', 'mgsd/cli must not import from .config '],
    ['bench/train.ts', '../tests/core/ops.js', 'bench must not import from tests '],
    ['mgsd/cli/main.ts', 'fast-check', 'not among package.json'],
    ['mgsd/loose.ts', './runs/train.js', "stands in none of the project's rooms"],
  ])('refuses that %s imports %s', (file, specifier, message) => {
    for (const keyword of ['import', 'import type']) {
      const findings = importFindings(file, `${keyword} { x } from '${specifier}';`, dependencies);
      expect(findings).toHaveLength(1);
      expect(findings[0]!.message).toContain(message);
    }
  });
});

describe('files without Node', () => {
  /** The findings beside those about files that the planted house lacks. */
  const findingsOf = (files: Record<string, string>) =>
    nodeFindings(new Map(Object.entries(files))).filter(({ list }) => list !== undefined);

  it('may not use its modules, packages and globals', () => {
    const source = [
      "import fs from 'node:fs';",
      "import type { Worker } from 'node:worker_threads';",
      "const dawn = await import('webgpu');",
      "// process.exit in a comment, and 'process' in",
      "const text = 'process.exit' + `process ${process.pid} ${a.process} Buffer`;",
      'const b: Buffer = Buffer.from(text);',
      'const { process: other } = given;',
    ].join('\n');
    expect(nodeUses(source)).toEqual([
      { name: 'node:fs', line: 1 },
      { name: 'webgpu', line: 3 },
      { name: 'process', line: 5 },
      { name: 'Buffer', line: 6 },
    ]);
  });

  it('answer for what they import, but not for what the seam loads', () => {
    const [direct, reached, ...others] = findingsOf({
      'mgsd/method/split.ts': "import { crc32 } from 'node:zlib';",
      'mgsd/runs/train.ts': "import { save } from './files.js';\nimport type { T } from './types.js';",
      'mgsd/runs/files.ts': '\nprocess.pid;',
      'mgsd/runs/types.ts': "import fs from 'node:fs';",
      'core/index.ts': "export { openDevice } from './open.js';",
      'core/open.ts': "import { processors } from './platform.js';",
      'core/platform.ts': "import { dawn } from './platform/dawn.js';",
      'core/platform/dawn.ts': "import('webgpu');",
    });
    expect(direct).toMatchObject({ entry: 'mgsd/method/split.ts -> node:zlib' });
    expect(direct!.message).toMatch(/^mgsd\/method\/split.ts:1: uses node:zlib/);
    expect(reached).toMatchObject({ entry: 'mgsd/runs/files.ts -> process' });
    expect(reached!.message).toMatch(/^mgsd\/runs\/files.ts:2: .*imported by mgsd\/runs\/train.ts/);
    expect(others).toEqual([]);
  });

  it('are missed when they are renamed', () => {
    const messages = nodeFindings(new Map()).map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining('mgsd/runs/train.ts'));
  });
});

describe('circles', () => {
  it('are found at run time alone', () => {
    const findings = circleFindings(
      new Map(
        Object.entries({
          'core/a.ts': "import { b } from './b.js';\nimport { d } from './d.js';",
          'core/b.ts': "import { c } from './c.js';",
          'core/c.ts': "import { a } from './a.js';",
          'core/d.ts': "import type { A } from './a.js';\nconst late = () => import('./a.js');",
        }),
      ),
    );
    expect(findings.map(({ entry }) => entry)).toEqual([
      'core/a.ts -> core/b.ts',
      'core/b.ts -> core/c.ts',
      'core/c.ts -> core/a.ts',
    ]);
  });
});

describe('exceptions', () => {
  const [finding] = circleFindings(new Map([['core/a.ts', "import './a.js';"]]));
  const entry = 'core/a.ts -> core/a.ts';

  it('cover what they name', () => {
    expect(settle([finding!], none)).toEqual({ problems: [finding!.message], stale: [] });
    expect(settle([finding!], { ...none, circles: [entry] })).toEqual({ problems: [], stale: [] });
    expect(settle([finding!], { ...none, node: [entry] }).problems).toHaveLength(1);
  });

  it('are stale once mended', () => {
    expect(settle([], { ...none, circles: [entry] }).stale).toEqual([{ list: 'circles', entry }]);
  });
});
