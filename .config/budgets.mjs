// How large the rooms may be: token-bearing lines, neither blank nor only comment. Part of `npm run lint`.
//
//   node .config/budgets.mjs             checks
//   node .config/budgets.mjs --write     sets all budgets to what is there
//   node .config/budgets.mjs FILE...     the lines of these files
//
// A budget follows its room down: at 2 % below, lint asks to lower it. Raising one is a decision, which its commit
// explains.
import fs from 'node:fs';
import path from 'node:path';
import { rooms } from './rooms.mjs';
import { sourceFiles, tokenLines, tokensOf, writeJson } from './sources.mjs';

/** Columns of a line, comments included; Prettier keeps the code within. */
const COLUMNS = 120;

/** The share of a budget that may go unused. */
const SLACK = 0.02;

/**
 * @typedef {Readonly<Record<string, number>>} Counts
 * @typedef {{ lines: Counts, habits: Counts }} Budgets `lines` of the rooms, and `habits` that lint wants gone
 */

/**
 * Where the lines of a file are counted: a folder of mgsd/, else the top level.
 * @param {string} file
 * @returns {string}
 */
export function shelfOf(file) {
  const [top = '', folder = '', ...rest] = file.split('/');
  return top === 'mgsd' && rest.length > 0 ? `${top}/${folder}` : top;
}

/**
 * The lines on which a comment goes beyond the last column. Code may where a long string cannot be broken.
 * @param {string} source
 * @returns {number[]} from 1
 */
export function wideComments(source) {
  const lines = source.split('\n');
  if (lines.every(line => line.length <= COLUMNS)) return [];
  const tokens = tokensOf(source);
  let next = 0;
  let start = 0;
  return lines.flatMap((line, i) => {
    const end = start + line.length;
    while (next < tokens.length && (tokens[next]?.end ?? 0) <= start + COLUMNS) next++;
    const isCode = (tokens[next]?.start ?? Infinity) < end;
    start = end + 1;
    return line.length > COLUMNS && !isCode ? [i + 1] : [];
  });
}

/**
 * What there is.
 * @param {ReadonlyMap<string, string>} sources the text of each file by its path
 * @returns {Budgets}
 */
export function countsOf(sources) {
  /** @type {Record<string, number>} */
  const lines = {};
  let total = 0;
  const habits = { 'prettier-ignore': 0, 'comments beyond column 120': 0 };
  for (const [file, source] of sources) {
    if (!file.endsWith('.css')) {
      habits['prettier-ignore'] += [...source.matchAll(/(?:\/\/|\/\*) prettier-ignore/g)].length;
      habits['comments beyond column 120'] += wideComments(source).length;
    }
    if (!/^(?:kernels|core|models|mgsd)\//.test(file)) continue;
    const count = tokenLines(file, source);
    total += count;
    lines[shelfOf(file)] = (lines[shelfOf(file)] ?? 0) + count;
  }
  return { lines: { ...lines, total }, habits };
}

/**
 * Where what is there and what was granted differ.
 * @param {Budgets} counts
 * @param {Budgets} budgets
 * @returns {string[]}
 */
export function budgetProblems(counts, budgets) {
  /** @type {(name: string, what: string, count: number, budget: number | undefined, slack: number) => string[]} */
  const compare = (name, what, count, budget, slack) => {
    if (budget === undefined) return [`${name}: ${String(count)} ${what}, and no budget`];
    const remedy = 'run `node .config/budgets.mjs --write`';
    if (count > budget)
      return [`${name}: ${String(count)} ${what}, ${String(count - budget)} more than the budget of ${String(budget)}`];
    if (count < budget * (1 - slack))
      return [
        `${name}: ${String(count)} ${what}, ${String(budget - count)} fewer than the budget: ${remedy} to lower it`,
      ];
    return [];
  };
  const names = new Set([...Object.keys(budgets.lines), ...Object.keys(counts.lines)]);
  return [
    ...[...names].flatMap(name =>
      compare(name, 'token-bearing lines', counts.lines[name] ?? 0, budgets.lines[name], SLACK),
    ),
    ...Object.entries(counts.habits).flatMap(([name, count]) =>
      compare(name, 'places', count, budgets.habits[name], 0),
    ),
  ];
}

async function main() {
  const read = (/** @type {string} */ file) => fs.readFileSync(file, 'utf8');
  const files = process.argv.slice(2).filter(argument => argument !== '--write');
  if (files.length > 0) {
    const counts = files.map(file => tokenLines(file, read(file)));
    files.forEach((file, i) => console.log(String(counts[i]).padStart(6), file));
    console.log(String(counts.reduce((a, b) => a + b)).padStart(6), 'total');
    return;
  }
  process.chdir(path.dirname(import.meta.dirname));
  const sources = sourceFiles('*.ts', '*.js', '*.mjs', '*.css').filter(file => !file.startsWith('bench/peers/'));
  const counts = countsOf(new Map(sources.map(file => [file, read(file)])));
  const budgetsFile = '.config/budgets.json';
  if (process.argv.includes('--write')) {
    const order = [...Object.keys(rooms), 'mgsd', 'total'];
    const shelves = Object.entries(counts.lines).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
    await writeJson(budgetsFile, { ...counts, lines: Object.fromEntries(shelves) });
    return;
  }
  const budgets = /** @type {Budgets} */ (JSON.parse(read(budgetsFile)));
  const problems = budgetProblems(counts, budgets);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}

if (process.argv[1] === import.meta.filename) await main();
