/**
 * Two snapshots beside each other. JSON is compared as parsed values (numbers by their bits, keys in any order),
 * tensors by their bytes, all other texts line by line.
 */
import { leftOutMetadata, measured } from './renames.js';
import type { Allowed, Renames } from './renames.js';
import type { Entry, Snapshot } from './snapshot.js';

type Json = null | boolean | number | string | Json[] | JsonObject;
interface JsonObject {
  readonly [key: string]: Json;
}

/** All differences, a line each, those of the log first: it says at which update they begin. None: the same. */
export function differences(base: Snapshot['files'], tree: Snapshot['files'], allowed: Allowed): string[] {
  const expected = renamed(base, allowed.files);
  const added = new Set(allowed.added.files);
  return keysOf(expected, tree)
    .sort((a, b) => rank(a) - rank(b) || collator.compare(a, b))
    .flatMap(name => {
      if (!Object.hasOwn(expected, name)) return added.has(name) ? [] : [`${name} is new`];
      if (!Object.hasOwn(tree, name)) return [`${name} is missing`];
      return fileDifferences(name, expected[name]!, tree[name]!, allowed).map(difference => `${name}: ${difference}`);
    });
}

const keysOf = (...records: readonly object[]) => [...new Set(records.flatMap(record => Object.keys(record)))];

/** So that checkpoint-stage0-20 comes before checkpoint-stage0-100. */
const collator = new Intl.Collator('en', { numeric: true });

const rank = (name: string) => ['.jsonl', '.safetensors', ''].findIndex(end => name.endsWith(end));

/** Null: gone. */
export const newName = (name: string, names: Renames): string | null =>
  Object.hasOwn(names, name) ? (names[name] as string | null) : name;

function renamed<T>(record: Readonly<Record<string, T>>, names: Renames): Record<string, T> {
  const entries = Object.entries(record).flatMap(([name, value]) => {
    const now = newName(name, names);
    return now === null ? [] : [[now, value] as const];
  });
  return Object.fromEntries(entries);
}

const without = <T>(record: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));

function fileDifferences(name: string, a: Entry, b: Entry, allowed: Allowed): string[] {
  if ('tensors' in a && 'tensors' in b) return checkpointDifferences(a, b, allowed);
  if ('text' in a && 'text' in b) {
    if (name.endsWith('.jsonl')) return logDifferences(a.text, b.text, allowed);
    if (name.endsWith('.json')) return jsonDifferences(a.text, b.text, allowed);
    return textDifferences(a.text, b.text);
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : ['other bytes'];
}

function checkpointDifferences(
  a: Extract<Entry, { tensors: unknown }>,
  b: Extract<Entry, { tensors: unknown }>,
  { metadata, tensors, added }: Allowed,
): string[] {
  const said = (all: Readonly<Record<string, string>>) => without(all, leftOutMetadata);
  const words = firstDifferences(
    renamed(said(a.metadata), metadata),
    without(said(b.metadata), added.metadata),
    (key, x, y) => `metadata ${key} is ${y}, not ${x}`,
  );
  const expected = renamed(a.tensors, tensors);
  const values = firstDifferences(expected, without(b.tensors, added.tensors), (key, x, y) => {
    const [was, is] = [x, y].map(text => text.replace(/ \w+$/, ''));
    return was === is ? key : `${key} (${is ?? ''}, not ${was ?? ''})`;
  });
  if (values.length === 0) return words;
  const more =
    values.length > 1 ? ` and ${values.length - 1} of ${Object.keys(expected).length - 1} other tensors` : '';
  return [`tensor ${values[0]!}${more}`, ...words];
}

/** A message for each key whose values differ, or that one of them lacks. */
function firstDifferences<T>(
  a: Readonly<Record<string, T>>,
  b: Readonly<Record<string, T>>,
  message: (key: string, a: T, b: T) => string,
): string[] {
  return keysOf(a, b).flatMap(key => {
    if (!Object.hasOwn(a, key)) return [`${key} is new`];
    if (!Object.hasOwn(b, key)) return [`${key} is missing`];
    return a[key] === b[key] ? [] : [message(key, a[key]!, b[key]!)];
  });
}

/** Line by line: the first update that differs, in which keys, and how many differ from there on. */
function logDifferences(a: string, b: string, { log, added }: Allowed): string[] {
  const read = (text: string) =>
    text
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as JsonObject);
  const expected = read(a).map(record => without(renameKeys(record, log) as JsonObject, measured));
  const found = read(b).map(record => without(record, [...measured, ...added.log]));
  const both = Math.min(expected.length, found.length);
  const place = ({ stage, step }: JsonObject) => `${stage as string} update ${step as number}`;
  const different: number[] = [];
  for (let i = 0; i < both; i++) if (valueDifference(expected[i], found[i]) !== undefined) different.push(i);
  const problems: string[] = [];
  const first = different[0];
  if (first !== undefined) {
    const x = expected[first]!;
    const y = found[first]!;
    const keys = keysOf(x, y).filter(key => valueDifference(x[key], y[key]) !== undefined);
    const more = keys.length > 1 ? ` (also ${keys.slice(1, 4).join(', ')}${keys.length > 4 ? ', ...' : ''})` : '';
    const key = keys[0]!;
    problems.push(
      `from ${place(x)} on (${different.length} of ${both} lines): ${valueDifference(x[key], y[key], key)!}${more}`,
    );
  }
  if (found.length < expected.length)
    problems.push(
      `ends ${both === 0 ? 'at once' : `after ${place(found[both - 1]!)}`}, ${lineCount(expected.length - both)} early`,
    );
  if (found.length > expected.length)
    problems.push(`goes on with ${place(found[both]!)}, ${lineCount(found.length - both)} too many`);
  return problems;
}

const lineCount = (count: number) => `${count} line${count === 1 ? '' : 's'}`;

function jsonDifferences(a: string, b: string, { json, added }: Allowed): string[] {
  const strip = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(strip);
    if (!isObject(value)) return value;
    return without(Object.fromEntries(Object.entries(value).map(([k, v]) => [k, strip(v)])), added.json);
  };
  const read = (text: string) =>
    JSON.parse(text, (key, value: Json) => (leftOutMetadata.includes(key) ? undefined : value)) as Json;
  const difference = valueDifference(renameKeys(read(a), json), strip(read(b)));
  return difference === undefined ? [] : [difference];
}

function renameKeys(value: Json, names: Renames): Json {
  if (Array.isArray(value)) return value.map(inner => renameKeys(inner, names));
  if (!isObject(value)) return value;
  const inner = Object.fromEntries(Object.entries(value).map(([key, v]) => [key, renameKeys(v, names)]));
  return renamed(inner, names);
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The first place where two values differ, as `path is this, not that`. */
function valueDifference(a: Json | undefined, b: Json | undefined, at = ''): string | undefined {
  if (Object.is(a, b)) return undefined;
  if (a === undefined) return `${at} is new`;
  if (b === undefined) return `${at} is missing`;
  if ((Array.isArray(a) && Array.isArray(b)) || (isObject(a) && isObject(b))) {
    const [x, y] = [a as JsonObject, b as JsonObject]; // a list's keys are its places
    for (const key of keysOf(x, y)) {
      const difference = valueDifference(x[key], y[key], at === '' ? key : `${at}.${key}`);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  return `${at} is ${JSON.stringify(b)}, not ${JSON.stringify(a)}`;
}

/** Of table.md: peaks of memory are the machine's, and what results are of holds a hash (see `leftOutMetadata`). */
const leftOutText = /^\| peak memory \|.*(?:\n\|.*)*|^<!-- made from .*/gm;

function textDifferences(a: string, b: string): string[] {
  const [x, y] = [a, b].map(text => text.replace(leftOutText, '').split('\n')) as [string[], string[]];
  const line = x.findIndex((text, i) => text !== y[i]);
  if (line >= 0) return [`line ${line + 1} is "${y[line] ?? ''}", not "${x[line]!}"`];
  return y.length > x.length ? [`has ${y.length} lines, not ${x.length}`] : [];
}
