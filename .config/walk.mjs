// The walk: the files to read, in order, to follow one training step of stage 2 down to a kernel. README.md has them in
// a numbered table, mgsd/WALK.md those that run in that step as well but need not be opened, each with the reason.
//
//   node .config/walk.mjs            checks both lists against the files; part of `npm run lint`
//   node .config/walk.mjs --write    fills in the numbers and token-bearing lines of the table
//   npm run walk                     runs a step on wasm, prints what ran, and checks that it is in one of the lists
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { shelfOf } from './budgets.mjs';
import { rooms } from './rooms.mjs';
import { targetOf, tokenLines, tokensOf } from './sources.mjs';

/** What a reader has in an evening. */
const MOST_FILES = 30;
const MOST_LINES = 4000;

/** How far a stated number of lines may be off, so that not every change has to touch the table. */
const TOLERANCE = 0.05;

const root = path.dirname(import.meta.dirname);

const TABLE = 'README.md';
const ASIDE = 'mgsd/WALK.md';

/**
 * @typedef {{ file: string, number: number, lines: number }} Row `lines` as the table states them
 * @typedef {{ file: string, reason: string }} Aside
 * @typedef {(file: string) => string | undefined} Read the text of a file, if there is one
 */

/**
 * The text between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
 * @param {string} text
 * @param {string} name
 * @returns {string | undefined}
 */
function between(text, name) {
  return new RegExp(`<!-- ${name}:begin -->\n([^]*?)<!-- ${name}:end -->`).exec(text)?.[1];
}

/** A row of the table: `| 1 | [train.ts](mgsd/runs/train.ts) | 113 | ... |`, or its total: `| | total | 3,912 | |`. */
const ROW = /^\| *(\d*) *\| *(?:\[[^\]]*\]\(([^)\s]+)\)|\**total\**) *\| *\**([\d,]*)\** *\|/gm;

/** @param {string} text */
const number = text => Number(text.replaceAll(',', ''));

/**
 * The table of README.md.
 * @param {string} readme
 * @returns {{ rows: Row[], total: number | undefined } | undefined} undefined without the markers
 */
export function tableOf(readme) {
  const table = between(readme, 'walk');
  if (table === undefined) return undefined;
  const found = [...table.matchAll(ROW)];
  const rows = found.flatMap(([, count = '', file, lines = '']) =>
    file === undefined ? [] : [{ file, number: number(count), lines: number(lines) }],
  );
  const total = found.find(([, , file]) => file === undefined)?.[3];
  return { rows, total: total === undefined ? undefined : number(total) };
}

/**
 * The list of mgsd/WALK.md: `- [update.ts](method/update.ts): why it need not be opened`.
 * @param {string} page
 * @returns {Aside[] | undefined} undefined without the markers
 */
export function asideOf(page) {
  return between(page, 'walk')
    ?.split(/^- /m)
    .slice(1)
    .map(item => {
      const [, file = '', reason = ''] = /^\[[^\]]*\]\(([^)\s]+)\)(?:: ([^]*))?/.exec(item) ?? [];
      return { file: path.posix.join(path.posix.dirname(ASIDE), file), reason: reason.trim() };
    });
}

/**
 * What is wrong with the two lists themselves.
 * @param {Read} read
 * @returns {string[]}
 */
export function listProblems(read) {
  const table = tableOf(read(TABLE) ?? '');
  const aside = asideOf(read(ASIDE) ?? '');
  if (!table) return [`${TABLE}: has no table between <!-- walk:begin --> and <!-- walk:end -->`];
  if (!aside) return [`${ASIDE}: has no list between <!-- walk:begin --> and <!-- walk:end -->`];
  const problems = [];
  const remedy = 'run `node .config/walk.mjs --write`';
  let sum = 0;
  for (const [i, { file, number: stated, lines }] of table.rows.entries()) {
    if (stated !== i + 1)
      problems.push(`${TABLE}: row ${String(i + 1)} of the walk has the number ${String(stated)}: ${remedy}`);
    const source = read(file);
    if (source === undefined) {
      problems.push(`${TABLE}: the walk names ${file}, which is not there`);
      continue;
    }
    const real = tokenLines(file, source);
    sum += real;
    if (!isNear(lines, real))
      problems.push(
        `${TABLE}: ${file} has ${String(real)} token-bearing lines, and the walk says ${String(lines)}: ${remedy}`,
      );
  }
  if (table.total === undefined) problems.push(`${TABLE}: the walk has no row \`| | total | LINES | |\``);
  else if (!isNear(table.total, sum))
    problems.push(
      `${TABLE}: the walk has ${String(sum)} token-bearing lines, and says ${String(table.total)}: ${remedy}`,
    );
  if (table.rows.length > MOST_FILES)
    problems.push(
      `${TABLE}: the walk has ${String(table.rows.length)} files, ${String(table.rows.length - MOST_FILES)} more than ${String(MOST_FILES)}`,
    );
  if (sum > MOST_LINES)
    problems.push(
      `${TABLE}: the walk has ${String(sum)} token-bearing lines, ${String(sum - MOST_LINES)} more than ${String(MOST_LINES)}`,
    );
  const seen = new Set();
  for (const file of [...table.rows, ...aside].map(entry => entry.file)) {
    if (seen.has(file)) problems.push(`${file}: is twice in the walk and in ${ASIDE}`);
    seen.add(file);
  }
  for (const { file, reason } of aside) {
    if (read(file) === undefined) problems.push(`${ASIDE}: names ${file}, which is not there`);
    if (reason === '') problems.push(`${ASIDE}: does not say why ${file} need not be opened`);
  }
  return problems;
}

/**
 * Differences between the lists and what runs.
 * @param {Read} read
 * @param {readonly string[]} ran files with a function that runs in a step of stage 2
 * @returns {string[]}
 */
export function coverageProblems(read, ran) {
  const table = tableOf(read(TABLE) ?? '');
  const aside = asideOf(read(ASIDE) ?? '');
  if (!table || !aside) return []; // listProblems says so
  const listed = new Set([...table.rows, ...aside].map(({ file }) => file));
  return [
    ...ran
      .filter(file => !listed.has(file))
      .map(
        file => `${file}: runs in a step of stage 2: add it to the walk in ${TABLE}, or to ${ASIDE} with the reason`,
      ),
    ...[...listed]
      .filter(file => !ran.includes(file))
      .map(file => `${file}: is listed, but does not run in a step of stage 2`),
  ];
}

/** Whether a stated number of lines is right, or nearly so. */
const isNear = (/** @type {number} */ stated, /** @type {number} */ real, tolerance = TOLERANCE) =>
  Math.abs(stated - real) <= tolerance * real;

/**
 * The README with the numbers, lines and total of its table filled in. Lines that are nearly right stay, so that the
 * table does not change with every commit.
 * @param {string} readme
 * @param {Read} read
 * @returns {string}
 */
export function filledIn(readme, read) {
  let count = 0;
  let total = 0;
  const table = between(readme, 'walk') ?? '';
  const filled = table.replaceAll(ROW, (row, _number, /** @type {string | undefined} */ file) => {
    const lines = file === undefined ? total : tokenLines(file, read(file) ?? '');
    if (file !== undefined) total += lines;
    const cells = row.split('|');
    if (file !== undefined) cells[1] = ` ${String(++count)} `;
    if (!isNear(number(cells[3] ?? ''), lines, TOLERANCE / 2)) cells[3] = ` ${lines.toLocaleString('en')} `;
    return cells.join('|');
  });
  return readme.replace(table, () => filled);
}

/**
 * The AssemblyScript that exports of the WebAssembly library are made of: from each exported function on, whatever the
 * declarations name, through the imports.
 * @param {readonly string[]} exports
 * @param {ReadonlyMap<string, string>} sources of all *.as.ts
 * @returns {string[]}
 */
export function libraryFiles(exports, sources) {
  /**
   * @type {Map<string, { names: Set<string>, declarations: Map<string, Set<string>>, imports: Map<string, readonly
   * [string, string]> }>}
   */
  const modules = new Map();
  for (const [file, source] of sources) {
    const declarations = new Map();
    const imports = new Map();
    for (const statement of ts.createSourceFile(file, source, ts.ScriptTarget.Latest).statements) {
      if (ts.isImportDeclaration(statement) && ts.isStringLiteral(statement.moduleSpecifier)) {
        const target = targetOf(file, statement.moduleSpecifier.text);
        const bindings = statement.importClause?.namedBindings;
        if (bindings && ts.isNamedImports(bindings))
          for (const { name, propertyName } of bindings.elements)
            imports.set(name.text, [target, (propertyName ?? name).text]);
        continue;
      }
      const text = source.slice(statement.pos, statement.end);
      const used = new Set(tokensOf(text).map(({ start, end }) => text.slice(start, end)));
      const declared = ts.isVariableStatement(statement) ? statement.declarationList.declarations : [statement];
      for (const { name } of /** @type {{ name?: import('typescript').Node }[]} */ (declared))
        if (name && ts.isIdentifier(name)) declarations.set(name.text, used);
    }
    modules.set(file, { names: new Set(), declarations, imports });
  }
  /** @type {(file: string, name: string) => void} */
  const visit = (file, name) => {
    const module = modules.get(file);
    const used = module?.declarations.get(name);
    if (!module || !used || module.names.has(name)) return;
    module.names.add(name);
    for (const other of used) {
      const imported = module.imports.get(other);
      if (imported) visit(...imported);
      else visit(file, other);
    }
  };
  for (const [file, { declarations }] of modules)
    for (const name of exports) if (declarations.has(name)) visit(file, name);
  return [...modules].filter(([, { names }]) => names.size > 0).map(([file]) => file);
}

/**
 * The files with a function that runs in a step of stage 2, as dist/ has them. Where a kernel's AssemblyScript runs, so
 * does the kernel: its definition beside it counts as well.
 * @returns {string[]}
 */
export function filesThatRun() {
  const text = execFileSync(process.execPath, [path.join(root, 'dist/bench/walk.js')], { encoding: 'utf8' });
  const { files, exports } = /** @type {{ files: string[], exports: string[] }} */ (JSON.parse(text));
  const names = fs.readdirSync(path.join(root, 'kernels'), { recursive: true, encoding: 'utf8' });
  const sources = names
    .filter(name => name.endsWith('.as.ts'))
    .map(name => path.posix.join('kernels', name))
    .map(file => /** @type {const} */ ([file, fs.readFileSync(path.join(root, file), 'utf8')]));
  const library = libraryFiles(exports, new Map(sources));
  const definitions = library
    .map(file => file.replace('.as.ts', '.ts'))
    .filter(file => fs.existsSync(path.join(root, file)));
  return [...new Set([...files, ...library, ...definitions])];
}

/** @type {Read} */
const read = file => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined);

/** Prints files by room, with their token-bearing lines, and where they are listed. */
function print(/** @type {readonly string[]} */ ran) {
  const walk = (tableOf(read(TABLE) ?? '')?.rows ?? []).map(({ file }) => file);
  const order = Object.keys(rooms);
  const place = (/** @type {string} */ file) => order.indexOf(shelfOf(file));
  const sorted = [...ran].sort((a, b) => place(b) - place(a) || (a < b ? -1 : 1));
  let total = 0;
  for (const file of sorted) {
    const lines = tokenLines(file, read(file) ?? '');
    total += lines;
    console.log(String(lines).padStart(6), file, walk.includes(file) ? `(${String(walk.indexOf(file) + 1)})` : '');
  }
  console.log(String(total).padStart(6), `in ${String(ran.length)} files`);
}

async function main() {
  process.chdir(root);
  if (process.argv.includes('--write')) {
    const { format, resolveConfig } = await import('prettier');
    const filled = filledIn(read(TABLE) ?? '', read);
    fs.writeFileSync(TABLE, await format(filled, { ...(await resolveConfig(TABLE)), parser: 'markdown' }));
  }
  const problems = listProblems(read);
  if (process.argv.includes('--run')) {
    const ran = filesThatRun();
    print(ran);
    problems.push(...coverageProblems(read, ran));
  }
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}

if (process.argv[1] === import.meta.filename) await main();
