// The direction of imports: kernels <- core <- models <- mgsd; benches and tests may import them all. Also refuses other
// top-level folders, and imports of packages that the project does not depend on at run time. Part of `npm run lint`.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/**
 * The rooms that the files of a room may import from.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const rooms = {
  kernels: ['kernels'],
  core: ['kernels', 'core'],
  models: ['kernels', 'core', 'models'],
  mgsd: ['kernels', 'core', 'models', 'mgsd'],
  bench: ['kernels', 'core', 'models', 'mgsd', 'bench'],
  tests: ['kernels', 'core', 'models', 'mgsd', 'bench', 'tests', '.config'],
};

/**
 * The module specifiers of `import`, `export ... from`, `import()`, `import type` and `new URL('./x.js', import.meta.url)`.
 * @param {string} source
 * @returns {{ specifier: string, line: number }[]}
 */
export function importsOf(source) {
  const patterns = [
    /^\s*(?:import|export)\b[^'"`;()]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
    /\bnew URL\(\s*['"]([^'"]+)['"]\s*,\s*import\.meta\.url\s*\)/g,
  ];
  return patterns.flatMap(pattern =>
    [...source.matchAll(pattern)].map(match => ({
      specifier: match[1] ?? '',
      line: source.slice(0, match.index + match[0].length).split('\n').length,
    })),
  );
}

/**
 * What is wrong with the imports of one file, one message each.
 * @param {string} file its path from the repository's root, with slashes
 * @param {string} source its text
 * @param {ReadonlySet<string>} dependencies the packages that the published program may use
 * @returns {string[]}
 */
export function problemsOf(file, source, dependencies) {
  const room = file.split('/')[0] ?? '';
  const allowed = rooms[room];
  if (allowed === undefined)
    return [`${file}: "${room}/" is not one of the project's folders (${Object.keys(rooms).join(', ')})`];
  /** @type {string[]} */
  const problems = [];
  for (const { specifier, line } of importsOf(source)) {
    const at = `${file}:${String(line)}`;
    if (specifier.startsWith('.')) {
      const target = path.posix.join(path.posix.dirname(file), specifier).split('/')[0] ?? '';
      if (target in rooms || target.startsWith('.')) {
        if (!allowed.includes(target))
          problems.push(
            `${at}: ${room}/ must not import from ${target}/ ("${specifier}"); it may use ${allowed.join(', ')}`,
          );
      }
      continue;
    }
    if (specifier.startsWith('node:') || room === 'tests' || room === 'bench') continue;
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
    if (!dependencies.has(name))
      problems.push(`${at}: "${name}" is not among package.json's dependencies, so an installed package would lack it`);
  }
  return problems;
}

/** The files that git tracks or would track. */
function sources() {
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z', '--', '*.ts', '*/*.js', '*/*.mjs']);
  return list
    .toString()
    .split('\0')
    .filter(file => file.includes('/') && !file.startsWith('.') && fs.existsSync(file));
}

if (process.argv[1] === import.meta.filename) {
  process.chdir(path.dirname(import.meta.dirname));
  /** @type {{ dependencies: Record<string, string> }} */
  const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8'));
  const dependencies = new Set([...Object.keys(manifest.dependencies), '@webgpu/types']);
  const problems = sources().flatMap(file => problemsOf(file, fs.readFileSync(file, 'utf8'), dependencies));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
