/**
 * What results were made from. Every file that is derived from a model says so, and is made again where weights,
 * configuration or puzzles are no longer those: a table never shows another model's results.
 */
import { sha256 } from '../../core/index.js';
import { resolveConfig } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import type { ItemResult } from './evaluate.js';

/** SHA-256 in hexadecimal of each. */
export interface MadeFrom {
  readonly weights: string;
  readonly configuration: string;
  /** The list of puzzles, in their order. */
  readonly puzzles: string;
}

const hash = (...parts: readonly (string | Uint8Array)[]): string =>
  sha256(parts.map(part => (typeof part === 'string' ? new TextEncoder().encode(part) : part)));

/** Of a model's parameters, by name. */
export function weightsHash(parameters: ReadonlyMap<string, Float32Array>): string {
  const sorted = [...parameters].sort(([a], [b]) => (a < b ? -1 : 1));
  return hash(
    ...sorted.flatMap(([name, { buffer, byteOffset, byteLength }]) => [
      `${name}:${byteLength}:`,
      new Uint8Array(buffer, byteOffset, byteLength),
    ]),
  );
}

/** Of a configuration, whatever the order of its keys. */
export function configurationHash(config: RunConfig): string {
  const sorted = (_key: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return hash(JSON.stringify(resolveConfig(config.preset, config), sorted));
}

/** Of the puzzles that items are about. */
export const itemsHash = (items: readonly Pick<ItemResult, 'world' | 'level' | 'key'>[]): string =>
  hash(items.map(({ world, level, key }) => `${world} ${level} ${key}\n`).join(''));

/** Of the puzzles of groups, in the order of `evaluate`. */
export const puzzlesHash = (groups: readonly PuzzleGroup[]): string =>
  itemsHash(
    groups.flatMap(({ world, level, puzzles }) =>
      puzzles.map(({ instance }) => ({ world: world.name, level, key: world.instanceKey(instance) })),
    ),
  );

/** Of a row's outcomes as its file holds them: what was edited, or is another row's, is found. */
export const resultsHash = (row: string, items: readonly unknown[]): string => hash(`${row}:${JSON.stringify(items)}`);

/** In what a result's origin differs from what is expected, as far as both are known. */
export function otherOrigin(found: Partial<MadeFrom>, expected: Partial<MadeFrom>): string[] {
  const names = ['weights', 'configuration', 'puzzles'] as const;
  const isOther = (a: string | undefined, b: typeof a) => a !== undefined && b !== undefined && a !== b;
  return names.filter(name => isOther(found[name], expected[name]));
}

/** The origins of a table's rows in one line. */
export function originLine(
  rows: readonly { readonly name: string; readonly madeFrom?: MadeFrom | undefined }[],
): string {
  const short = (text = 'unknown') => text.slice(0, 16);
  const { configuration, puzzles } = rows.find(({ madeFrom }) => madeFrom)?.madeFrom ?? {};
  const weights = rows.map(({ name, madeFrom }) => `${name} ${short(madeFrom?.weights)}`);
  return `made from configuration ${short(configuration)}, puzzles ${short(puzzles)}, weights ${weights.join(', ')}`;
}
