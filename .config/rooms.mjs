// Which room may import which, which run without Node, and that no imports run in a circle. Part of `npm run lint`.
//
//   node .config/rooms.mjs           checks
//   node .config/rooms.mjs --write   the same, and deletes the exceptions that are no longer needed
//
// What stands in .config/exceptions.json is accepted until it is mended; an entry that no longer occurs is an error, so
// the list only gets shorter.
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { importsOf, sourceFiles, targetOf, tokensOf, writeJson } from './sources.mjs';

/** The rooms of mgsd/ from the ground up: each may import those before it. */
const inMgsd = ['worlds', 'method', 'pictures', 'evaluation', 'runs', 'exchange', 'ablation', 'report', 'lessons'].map(
  name => `mgsd/${name}`,
);

/** What everything above the engine builds on. */
const engine = ['kernels', 'core/contract', 'core', 'core/index.ts'];

/**
 * Every room, from the ground up, and the rooms that it may import from beside itself. Type-only imports count as well:
 * whoever reads a file has to read the types that it names.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const rooms = {
  kernels: [],
  // What a backend has to do, and how it fails: all that backends and the rest of core know of each other.
  'core/contract': ['kernels', 'core/platform'],
  // The two sides of core/platform.ts. Bundlers want the files of a thread named where the thread is started.
  'core/platform': ['kernels', 'core/contract', 'core/backends/wasm'],
  core: ['kernels', 'core/contract'],
  'core/ops': ['kernels', 'core/contract', 'core'],
  'core/replay': ['kernels', 'core/contract', 'core'],
  'core/backends': ['kernels', 'core/contract'],
  'core/backends/wasm': ['kernels', 'core/contract'],
  'core/backends/webgpu': ['kernels', 'core/contract'],
  'core/open.ts': ['kernels', 'core/contract', 'core', 'core/backends', 'core/backends/wasm', 'core/backends/webgpu'],
  'core/index.ts': ['kernels', 'core/contract', 'core', 'core/ops', 'core/replay', 'core/open.ts'],
  // Test cases of kernels: for tests, benches and the page, so in no index.
  cases: ['kernels', 'core/contract', 'core'],
  models: engine,
  ...Object.fromEntries(inMgsd.map((room, i) => [room, [...engine, 'models', ...inMgsd.slice(0, i)]])),
  'mgsd/page': [...engine, 'models', ...inMgsd, 'cases'],
  'mgsd/index.ts': [...engine, 'models', ...inMgsd],
  'mgsd/cli': [...engine, 'models', ...inMgsd, 'mgsd/page', 'mgsd/index.ts'],
};

/**
 * Folders above all rooms, where packages of devDependencies may be used as well, and what they may not import.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
const outside = { bench: ['tests', '.config'], tests: [] };

/**
 * Files whose room is not that of their folder.
 * @type {readonly (readonly [RegExp, string])[]}
 */
const elsewhere = [
  [/^kernels\/(?:.+\/)?cases(?:\/.+|\.ts)$|^core\/conformance\.ts$/, 'cases'],
  [/^core\/(?:backend|faults|platform)\.ts$/, 'core/contract'],
  [/^mgsd\/mgsd-lite\.js$/, 'mgsd/cli'],
  [/\.exercise\.ts$/, 'tests'], // solved by readers, run by tests, not built
];

/**
 * @param {string} file a path from the repository's root, with slashes
 * @returns {string | undefined} its room; undefined for a file that stands in none
 */
export function roomOf(file) {
  const exception = elsewhere.find(([pattern]) => pattern.test(file));
  if (exception) return exception[1];
  const top = file.split('/')[0] ?? '';
  if (top in outside || top === '.config') return top;
  if (rooms[file]) return file;
  for (let folder = path.posix.dirname(file); folder !== '.'; folder = path.posix.dirname(folder))
    if (rooms[folder]) return folder;
  return undefined;
}

/**
 * Rooms and files that must run in a browser, with all that they import. What they need of the machine comes in through
 * one seam, which alone knows where it runs.
 */
const withoutNode = {
  rooms: [
    'kernels',
    'core/contract',
    'core/platform',
    'core',
    'core/ops',
    'core/replay',
    'core/backends',
    'core/backends/wasm',
    'core/backends/webgpu',
    'core/open.ts',
    'core/index.ts',
    'cases',
    'models',
    'mgsd/worlds',
    'mgsd/method',
    'mgsd/evaluation',
    'mgsd/page',
  ],
  files: ['mgsd/runs/train.ts', 'mgsd/runs/explain-nan.ts', 'mgsd/runs/store.ts', 'mgsd/pictures/png.ts'],
  seams: ['core/platform.ts', 'core/platform/node.ts', 'core/platform/dawn.ts', 'core/platform/browser.ts'],
};

/** Bundled by the build with all that it uses, so that it may use packages of devDependencies. */
const bundled = 'mgsd/page';

/** Run-time dependencies that need Node. */
const nodePackages = new Set(['webgpu', 'commander', 'cli-progress', 'cli-table3', 'picocolors']);

/** Globals that only Node has. */
const nodeGlobals = /\b(?:process|Buffer|setImmediate|clearImmediate|global|require|__dirname|__filename)\b/;

/** Lists of accepted findings, by check: `file -> what it should not use`. */
const lists = /** @type {const} */ (['imports', 'node', 'circles']);

/**
 * What a check found. With a `list`, the finding can be excepted by its `entry` there.
 * @typedef {{ message: string, list?: typeof lists[number], entry?: string }} Finding
 * @typedef {Readonly<Record<typeof lists[number], readonly string[]>>} Exceptions
 * @typedef {ReadonlyMap<string, string>} Sources the text of each file by its path
 */

/** @param {string} specifier */
const packageOf = specifier => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

/**
 * Imports against the order of the rooms, and of packages that an installed copy would lack.
 * @param {string} file
 * @param {string} source
 * @param {ReadonlySet<string>} dependencies the packages that the published program may use
 * @returns {Finding[]}
 */
export function importFindings(file, source, dependencies) {
  const room = roomOf(file);
  if (room === undefined) {
    const known = [...Object.keys(rooms), ...Object.keys(outside)].join(', ');
    return [{ message: `${file}: stands in none of the project's rooms (${known}); see .config/rooms.mjs` }];
  }
  const allowed = rooms[room];
  return importsOf(source).flatMap(({ specifier, line }) => {
    const at = `${file}:${String(line)}`;
    if (specifier.startsWith('.')) {
      const target = targetOf(file, specifier);
      const to = roomOf(target);
      if (to === undefined || to === room) return []; // package.json, dist/ and the like are in no room
      if (allowed ? allowed.includes(to) : !outside[room]?.includes(to)) return [];
      const may = allowed && `; it may use ${allowed.join(', ') || 'itself alone'}`;
      const message = `${at}: ${room} must not import from ${to} ("${specifier}")${may ?? ''}`;
      return [{ message, list: 'imports', entry: `${file} -> ${target}` }];
    }
    if (specifier.startsWith('node:') || allowed === undefined || room === bundled) return [];
    if (dependencies.has(packageOf(specifier))) return [];
    const message = `${at}: "${packageOf(specifier)}" is not among package.json's dependencies, so an installed package would lack it`;
    return [{ message }];
  });
}

/** @type {(file: string, source: string) => { file: string, line: number }[]} value imports of other files */
const valueImports = (file, source) =>
  importsOf(source)
    .filter(({ specifier, kind }) => kind === 'value' && specifier.startsWith('.'))
    .map(({ specifier, line }) => ({ file: targetOf(file, specifier), line }));

/**
 * What a file needs of Node: modules, packages and globals, each once.
 * @param {string} source
 * @returns {{ name: string, line: number }[]}
 */
export function nodeUses(source) {
  const modules = importsOf(source)
    .filter(({ specifier, kind }) => kind !== 'type' && (specifier.startsWith('node:') || nodePackages.has(specifier)))
    .map(({ specifier, line }) => ({ name: specifier, line }));
  const found = new Map(modules.map(({ name, line }) => [name, line]));
  if (nodeGlobals.test(source)) {
    const tokens = tokensOf(source);
    tokens.forEach(({ kind, start, end }, i) => {
      const name = source.slice(start, end);
      const before = tokens[i - 1]?.kind;
      const isMember = before === ts.SyntaxKind.DotToken || before === ts.SyntaxKind.QuestionDotToken;
      const isKey = tokens[i + 1]?.kind === ts.SyntaxKind.ColonToken;
      const isGlobal =
        kind === ts.SyntaxKind.Identifier ||
        kind === ts.SyntaxKind.RequireKeyword ||
        kind === ts.SyntaxKind.GlobalKeyword;
      if (!isGlobal || isMember || isKey || !nodeGlobals.test(name) || found.has(name)) return;
      found.set(name, source.slice(0, start).split('\n').length);
    });
  }
  return [...found].map(([name, line]) => ({ name, line }));
}

/**
 * Uses of Node by the files that must do without it, and by whatever these import.
 * @param {Sources} sources
 * @returns {Finding[]}
 */
export function nodeFindings(sources) {
  /** @type {Map<string, string | undefined>} each file that must do without, and who imports it */
  const reached = new Map();
  for (const file of sources.keys())
    if (withoutNode.rooms.includes(roomOf(file) ?? '') || withoutNode.files.includes(file))
      if (!withoutNode.seams.includes(file)) reached.set(file, undefined);
  /** @type {Finding[]} */
  const findings = withoutNode.files
    .filter(file => !sources.has(file))
    .map(file => ({
      message: `.config/rooms.mjs: ${file}, which must run without Node, is gone: name the file that took its place`,
    }));
  for (const [file, importer] of reached) {
    const source = sources.get(file) ?? '';
    for (const { file: target } of valueImports(file, source))
      if (!reached.has(target) && !withoutNode.seams.includes(target)) reached.set(target, file);
    const why =
      importer === undefined ? 'must run without Node' : `is imported by ${importer}, which must run without Node`;
    for (const { name, line } of nodeUses(source))
      findings.push({
        message: `${file}:${String(line)}: uses ${name}, but ${why}: let the caller pass in what it needs of the machine`,
        list: 'node',
        entry: `${file} -> ${name}`,
      });
  }
  return findings;
}

/**
 * Imports that run in a circle, so that one of their modules runs before what it imports. Type-only and late imports
 * are no part of a circle.
 * @param {Sources} sources
 * @returns {Finding[]}
 */
export function circleFindings(sources) {
  /** @type {Map<string, Set<string>>} what each file can reach */
  const reach = new Map();
  const edges = [...sources].map(([file, source]) => /** @type {const} */ ([file, valueImports(file, source)]));
  const graph = new Map(edges);
  /** @type {(from: string) => Set<string>} */
  const reachOf = from => {
    const known = reach.get(from);
    if (known) return known;
    /** @type {Set<string>} */
    const seen = new Set();
    const queue = [from];
    for (let file = queue.pop(); file !== undefined; file = queue.pop())
      for (const { file: next } of graph.get(file) ?? [])
        if (!seen.has(next)) {
          seen.add(next);
          queue.push(next);
        }
    reach.set(from, seen);
    return seen;
  };
  return edges.flatMap(([file, imports]) =>
    reachOf(file).has(file)
      ? imports
          .filter(({ file: target }) => target === file || reachOf(target).has(file))
          .map(({ file: target, line }) => ({
            message: `${file}:${String(line)}: imports ${target}, which imports it in turn: move what both need into a third file`,
            list: /** @type {const} */ ('circles'),
            entry: `${file} -> ${target}`,
          }))
      : [],
  );
}

/**
 * The findings that no exception covers, and the exceptions that cover none.
 * @param {readonly Finding[]} findings
 * @param {Exceptions} exceptions
 * @returns {{ problems: string[], stale: { list: typeof lists[number], entry: string }[] }}
 */
export function settle(findings, exceptions) {
  /** @type {(finding: Finding) => boolean} */
  const isExcepted = ({ list, entry }) => list !== undefined && entry !== undefined && exceptions[list].includes(entry);
  return {
    problems: findings.filter(finding => !isExcepted(finding)).map(({ message }) => message),
    stale: lists.flatMap(list =>
      exceptions[list]
        .filter(entry => !findings.some(finding => finding.list === list && finding.entry === entry))
        .map(entry => ({ list, entry })),
    ),
  };
}

async function main() {
  process.chdir(path.dirname(import.meta.dirname));
  /** @type {{ dependencies: Record<string, string> }} */
  const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8'));
  const dependencies = new Set([...Object.keys(manifest.dependencies), '@webgpu/types']);
  const files = sourceFiles('*.ts', '*.tsx', '*.js', '*.mjs').filter(
    file => file.includes('/') && !file.startsWith('.'),
  );
  const sources = new Map(files.map(file => [file, fs.readFileSync(file, 'utf8')]));
  const house = new Map([...sources].filter(([file]) => !((roomOf(file) ?? '') in outside)));
  const findings = [
    ...[...sources].flatMap(([file, source]) => importFindings(file, source, dependencies)),
    ...nodeFindings(house),
    ...circleFindings(house),
  ];
  const exceptionsFile = '.config/exceptions.json';
  const exceptions = /** @type {Exceptions} */ (JSON.parse(fs.readFileSync(exceptionsFile, 'utf8')));
  const { problems, stale } = settle(findings, exceptions);
  if (process.argv.includes('--write')) {
    const kept = lists.map(list => [
      list,
      exceptions[list].filter(entry => !stale.some(other => other.list === list && other.entry === entry)),
    ]);
    await writeJson(exceptionsFile, Object.fromEntries(kept));
  } else
    for (const { list, entry } of stale)
      problems.push(
        `${exceptionsFile}: "${entry}" under "${list}" is mended: delete the entry, or run \`node .config/rooms.mjs --write\``,
      );
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}

if (process.argv[1] === import.meta.filename) await main();
