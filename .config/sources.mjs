// What the checks of `npm run lint` know about a source file: its imports, its tokens, and how many lines bear one.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const { SyntaxKind } = ts;

/**
 * The files that git tracks or would track, below the given paths.
 * @param {...string} patterns git pathspecs
 * @returns {string[]} paths from the current directory, with slashes
 */
export function sourceFiles(...patterns) {
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z', '--', ...patterns]).toString();
  return list.split('\0').filter(file => file !== '' && fs.existsSync(file));
}

/**
 * Writes JSON as `npm run format` leaves it.
 * @param {string} file
 * @param {unknown} value
 */
export async function writeJson(file, value) {
  const { format } = await import('prettier');
  fs.writeFileSync(file, await format(JSON.stringify(value, null, 2), { parser: 'json', printWidth: 120 }));
}

/**
 * An import. A `type` import is erased by the compiler; a `late` one (`import()`, `new URL('./x.js', import.meta.url)`)
 * is resolved while the program runs, so it cannot close a circle.
 * @typedef {{ specifier: string, line: number, kind: 'value' | 'type' | 'late' }} Import
 */

/**
 * The imports and re-exports of a module.
 * @param {string} source
 * @returns {Import[]}
 */
export function importsOf(source) {
  /** @type {[RegExp, 'value' | 'late'][]} */
  const patterns = [
    [/^\s*(?:import|export)\s+(type\b(?!\s*,|\s+from\b))?[^'"`;()]*?\bfrom\s*['"](?<specifier>[^'"]+)['"]/gm, 'value'],
    [/^\s*import\s*['"](?<specifier>[^'"]+)['"]/gm, 'value'],
    [/\bimport\(\s*['"](?<specifier>[^'"]+)['"]\s*\)/g, 'late'],
    [/\bnew URL\(\s*['"](?<specifier>[^'"]+)['"]\s*,\s*import\.meta\.url\s*\)/g, 'late'],
  ];
  return patterns.flatMap(([pattern, kind]) =>
    [...source.matchAll(pattern)].map(match => ({
      specifier: match.groups?.['specifier'] ?? '',
      line: source.slice(0, match.index + match[0].length).split('\n').length,
      kind: kind === 'value' && match[1] === 'type' ? 'type' : kind,
    })),
  );
}

/**
 * The file that a relative import means.
 * @param {string} file the importing file
 * @param {string} specifier
 * @returns {string} for `./x.js` the TypeScript that it is compiled from
 */
export function targetOf(file, specifier) {
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (file.endsWith('.as.ts')) return target.endsWith('.as') ? `${target}.ts` : target;
  if (!/\.tsx?$/.test(file)) return target;
  const [plain, withMarkup] = ['.ts', '.tsx'].map(end => target.replace(/\.js$/, end));
  return withMarkup !== undefined && fs.existsSync(withMarkup) ? withMarkup : (plain ?? target);
}

/** A slash after one of these divides; after any other token it opens a regular expression. */
const operandEnds = new Set([
  SyntaxKind.Identifier,
  SyntaxKind.PrivateIdentifier,
  SyntaxKind.NumericLiteral,
  SyntaxKind.BigIntLiteral,
  SyntaxKind.StringLiteral,
  SyntaxKind.RegularExpressionLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateTail,
  SyntaxKind.CloseParenToken,
  SyntaxKind.CloseBracketToken,
  SyntaxKind.CloseBraceToken,
  SyntaxKind.ThisKeyword,
  SyntaxKind.SuperKeyword,
  SyntaxKind.TrueKeyword,
  SyntaxKind.FalseKeyword,
  SyntaxKind.NullKeyword,
]);

/**
 * The tokens of TypeScript or JavaScript, without white space and comments.
 * @param {string} source
 * @returns {{ kind: import('typescript').SyntaxKind, start: number, end: number }[]}
 */
export function tokensOf(source) {
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, true, ts.LanguageVariant.Standard, source);
  const tokens = [];
  /** @type {boolean[]} for each open brace, whether it belongs to a template's `${` */
  const braces = [];
  let previous = SyntaxKind.Unknown;
  for (let kind = scanner.scan(); kind !== SyntaxKind.EndOfFileToken; kind = scanner.scan()) {
    if (kind === SyntaxKind.OpenBraceToken) braces.push(false);
    if ((kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken) && !operandEnds.has(previous))
      kind = scanner.reScanSlashToken();
    if (kind === SyntaxKind.TemplateHead) braces.push(true);
    if (kind === SyntaxKind.CloseBraceToken && braces.pop() === true) {
      kind = scanner.reScanTemplateToken(false);
      if (kind === SyntaxKind.TemplateMiddle) braces.push(true);
    }
    tokens.push({ kind, start: scanner.getTokenStart(), end: scanner.getTokenEnd() });
    previous = kind;
  }
  return tokens;
}

/**
 * The number of token-bearing lines: neither blank nor only comment.
 * @param {string} file its name says whether it is CSS, or has markup in it, in which words are no tokens
 * @param {string} source
 * @returns {number}
 */
export function tokenLines(file, source) {
  const isText = /\.(?:css|tsx)$/.test(file);
  const code = isText ? source.replaceAll(/\/\*[\s\S]*?\*\//g, text => text.replaceAll(/[^\n]/g, '')) : source;
  const lines = code.split('\n').map(line => !/^\s*(?:\/\/|$)/.test(line));
  if (isText) return lines.filter(Boolean).length;
  let count = 0;
  let line = 0;
  let counted = -1;
  let lineEnd = code.indexOf('\n');
  for (const { start, end } of tokensOf(code)) {
    while (lineEnd !== -1 && lineEnd < start) {
      line++;
      lineEnd = code.indexOf('\n', lineEnd + 1);
    }
    for (let at = line, next = lineEnd; ; at++, next = code.indexOf('\n', next + 1)) {
      if (at > counted && lines[at]) {
        counted = at;
        count++;
      }
      if (next === -1 || next >= end) break;
    }
  }
  return count;
}
