import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { useTemporaryFolder } from '../mgsd/temporary.js';

/** A small project with the real build: one TypeScript file per room that has any, and one kernel. */
const project = useTemporaryFolder();
const root = path.join(import.meta.dirname, '../..');

beforeEach(() => {
  for (const file of ['tsconfig.json', 'package-lock.json', '.config'])
    fs.cpSync(path.join(root, file), project.file(file), { recursive: true });
  fs.symlinkSync(path.join(root, 'node_modules'), project.file('node_modules'));
  fs.writeFileSync(project.file('package.json'), '{ "type": "module" }');
  write('kernels/entry.as.ts', 'export function twice(x: f32): f32 { return x * 2; }');
  write('core/a.ts', 'export const a = 1;\n');
  write('mgsd/cli/main.ts', "import { a } from '../../core/a.js';\nexport const b = a + 1;\n");
});

function write(file: string, contents: string): void {
  fs.mkdirSync(path.dirname(project.file(file)), { recursive: true });
  fs.writeFileSync(project.file(file), contents);
}

function build(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [project.file('.config/build.mjs'), ...args], {
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

/** All files of dist/ with what tells whether they were written again. */
function dist(): Map<string, string> {
  const files = fs
    .readdirSync(project.file('dist'), { recursive: true, withFileTypes: true })
    .filter(file => file.isFile());
  return new Map(
    files.map(file => {
      const full = path.join(file.parentPath, file.name);
      const { ino, mtimeMs } = fs.statSync(full);
      return [path.relative(project.file('dist'), full), `${ino} ${mtimeMs}`];
    }),
  );
}

describe('the build', { timeout: 240_000 }, () => {
  it('is complete, does nothing when nothing changed, and follows changed and removed sources', () => {
    expect(build('--if-stale')).toMatchObject({ status: 0 });
    const first = dist();
    for (const file of [
      'core/a.js',
      'core/a.d.ts',
      'mgsd/cli/main.js',
      'kernels/kernels.wasm',
      'kernels/kernels-relaxed.wasm',
    ])
      expect([...first.keys()]).toContain(file);

    expect(build('--if-stale')).toEqual({ status: 0, output: '' });
    expect(dist()).toEqual(first);

    write('core/a.ts', 'export const a = 5;\n');
    write('core/more.ts', 'export const more = 1;\n');
    expect(build('--if-stale')).toMatchObject({ status: 0 });
    expect(fs.readFileSync(project.file('dist/core/a.js'), 'utf8')).toContain('a = 5');
    expect(dist().has('core/more.js')).toBe(true);
    expect(dist().get('mgsd/cli/main.js')).toBe(first.get('mgsd/cli/main.js')); // incremental
    expect(dist().get('kernels/kernels.wasm')).toBe(first.get('kernels/kernels.wasm'));

    fs.rmSync(project.file('core/more.ts'));
    fs.rmSync(project.file('dist/mgsd/cli/main.js')); // somebody cleaned up a little too much
    expect(build('--if-stale')).toMatchObject({ status: 0 });
    expect([...dist().keys()].filter(file => file.includes('more'))).toEqual([]);
    expect(dist().has('mgsd/cli/main.js')).toBe(true);
    expect(fs.readdirSync(project.path).filter(name => name.startsWith('dist'))).toEqual(['dist']);
  });

  it('leaves dist/ as it was when something does not compile, and says what', () => {
    expect(build()).toMatchObject({ status: 0 });
    const before = dist();
    write('core/a.ts', 'export const a: string = 1;\n');
    write('kernels/entry.as.ts', 'export function twice(x: f32): f32 { return missing; }');
    const { status, output } = build('--if-stale');
    expect(status).toBe(1);
    expect(output).toContain('core/a.ts');
    expect(output).toContain('missing');
    expect(dist()).toEqual(before);
  });

  it('clears up after builds that were killed', () => {
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    fs.mkdirSync(project.file(`dist.new-${dead}`));
    fs.mkdirSync(project.file(`dist.new-${process.pid}`)); // that one may still be running
    build('--wasm');
    expect(fs.existsSync(project.file(`dist.new-${dead}`))).toBe(false);
    expect(fs.existsSync(project.file(`dist.new-${process.pid}`))).toBe(true);
  });

  it('has nothing to do in an installed package, and needs its tools in a clone', () => {
    fs.rmSync(project.file('kernels'), { recursive: true });
    fs.mkdirSync(project.file('dist'));
    expect(build('--if-stale')).toEqual({ status: 0, output: '' });
    fs.rmSync(project.file('dist'), { recursive: true });
    expect(build()).toMatchObject({ status: 1, output: expect.stringContaining('npm ci') as string });
  });
});
