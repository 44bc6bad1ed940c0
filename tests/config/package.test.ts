/** What `npm pack` would publish: all that the program needs, nothing else, and small. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '../..');

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as Manifest;

interface Packed {
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

describe('the package', () => {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [packed] = JSON.parse(output) as [Packed];
  const files = packed.files.map(file => file.path);

  it('holds every entry point with its types, the program, the wasm library and the trained model', () => {
    const wanted = Object.values(manifest.exports).flatMap(entry =>
      typeof entry === 'string' ? [entry] : Object.values(entry),
    );
    for (const file of [...wanted, ...Object.values(manifest.bin)]) expect(files).toContain(file.replace('./', ''));
    for (const name of ['student', 'planner']) expect(files).toContain(`mgsd/pretrained/${name}.safetensors`);
    const libraries = files.filter(file => file.endsWith('.wasm'));
    expect(libraries.filter(file => file.startsWith('dist/kernels/'))).toHaveLength(2);
    expect(libraries.filter(file => file.startsWith('dist/page/'))).toHaveLength(2); // a folder that any host can serve
    expect(libraries).toHaveLength(4);
    expect(files).toContain('dist/page/index.html');
    for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) expect(files).toContain(file);
  });

  it.each(['README.md', 'CHANGELOG.md'])('holds what its %s links to', page => {
    const text = fs.readFileSync(path.join(root, page), 'utf8');
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) => link!);
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter(link => !files.includes(link))).toEqual([]);
  });

  it('holds no tests, benchmarks, maps, exercises or API pages, and is small', () => {
    expect(files.filter(file => /^(tests|bench|dist\/bench|dist\/api)\/|\.map$|exercise/.test(file))).toEqual([]);
    expect(packed.size).toBeLessThan(5e6);
  });
});

describe('the library', () => {
  it.each(Object.entries(manifest.exports).filter(([name]) => name !== './package.json'))(
    '%s is imported without doing anything',
    (name, entry) => {
      const file = path.join(root, (entry as Readonly<Record<string, string>>)['default']!);
      // Whatever an import leaves running or prints would show here, as would a command line that is dragged in.
      const script = `const before = process._getActiveHandles().length; const module = await import(${JSON.stringify(file)}); console.log(JSON.stringify({ names: Object.keys(module).length, handles: process._getActiveHandles().length - before }));`;
      const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
      const { names, handles } = JSON.parse(out) as { names: number; handles: number };
      expect(names, name).toBeGreaterThan(3);
      expect(handles).toBeLessThanOrEqual(1); // standard output, which the script itself opens
    },
  );

  it('has an engine that knows nothing of the command line', () => {
    const importsOf = (file: string): string[] => {
      const source = fs.readFileSync(file, 'utf8');
      return [...source.matchAll(/from '([^']+)'/g)].map(match => match[1]!);
    };
    const seen = new Set<string>();
    const packages = new Set<string>();
    const walk = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const specifier of importsOf(file)) {
        if (specifier.startsWith('.')) walk(path.join(path.dirname(file), specifier.replace(/\.js$/, '.ts')));
        else if (!specifier.startsWith('node:')) packages.add(specifier);
      }
    };
    for (const room of ['core', 'kernels', 'models', 'mgsd']) walk(path.join(root, room, 'index.ts'));
    expect([...packages].filter(name => /commander|cli-|picocolors/.test(name))).toEqual([]);
    expect([...seen].filter(file => file.includes('/cli/'))).toEqual([]);
  });
});
