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
import { sourceFiles, tokenLines, writeJson } from './sources.mjs';

/** The share of a budget that may go unused. */
const SLACK = 0.02;

/** @typedef {Readonly<Record<string, number>>} Counts token-bearing lines by room, and their `total` */

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
 * What there is.
 * @param {ReadonlyMap<string, string>} sources the text of each file of the four rooms by its path
 * @returns {Counts}
 */
export function countsOf(sources) {
  /** @type {Record<string, number>} */
  const lines = {};
  let total = 0;
  for (const [file, source] of sources) {
    const count = tokenLines(file, source);
    total += count;
    lines[shelfOf(file)] = (lines[shelfOf(file)] ?? 0) + count;
  }
  return { ...lines, total };
}

/**
 * Where what there is and what was granted differ.
 * @param {Counts} counts
 * @param {Counts} budgets
 * @returns {string[]}
 */
export function budgetProblems(counts, budgets) {
  return [...new Set([...Object.keys(budgets), ...Object.keys(counts)])].flatMap(name => {
    const count = counts[name] ?? 0;
    const budget = budgets[name];
    const what = `${name}: ${String(count)} token-bearing lines`;
    if (budget === undefined) return [`${what}, and no budget`];
    if (count > budget) return [`${what}, ${String(count - budget)} more than the budget of ${String(budget)}`];
    if (count >= budget * (1 - SLACK)) return [];
    const remedy = 'run `node .config/budgets.mjs --write` to lower it';
    return [`${what}, ${String(budget - count)} fewer than the budget: ${remedy}`];
  });
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
  const top = ['kernels', 'core', 'models', 'mgsd'];
  const sources = sourceFiles(...top.flatMap(room => ['ts', 'tsx', 'js', 'mjs', 'css'].map(end => `${room}/*.${end}`)));
  const counts = countsOf(new Map(sources.map(file => [file, read(file)])));
  const budgetsFile = '.config/budgets.json';
  if (process.argv.includes('--write')) {
    const order = [...Object.keys(rooms), 'mgsd', 'total'];
    const shelves = Object.entries(counts).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
    await writeJson(budgetsFile, Object.fromEntries(shelves));
    return;
  }
  const budgets = /** @type {Counts} */ (JSON.parse(read(budgetsFile)));
  const problems = budgetProblems(counts, budgets);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}

if (process.argv[1] === import.meta.filename) await main();
