/**
 * An evaluation in detail: every rate by task (world) and task-level (board size), illegal actions by kind, perception
 * by field of the recap, and the gap closed in each world. A macro average hides a world that lags behind.
 */
import { clusterOf, gapOf } from './evaluate.js';
import type { ItemResult } from './evaluate.js';
import { rateInterval } from './intervals.js';
import type { Estimate } from './intervals.js';

/**
 * Rates in [0, 1] of some items, with 95 % intervals. Null where nothing was to be counted, or the run kept no such
 * figure.
 */
export interface Rates {
  readonly items: number;
  /** Different layouts among them. */
  readonly layouts: number;
  readonly success: Estimate;
  readonly optimal: Estimate;
  readonly detourSuccess: Estimate | null;
  readonly progress: Estimate | null;
  readonly parsed: Estimate | null;
  readonly recapExact: Estimate;
  readonly successGivenRecap: Estimate | null;
  /** Share of items that failed by an action which the rules forbid, and by which. */
  readonly illegal: Estimate | null;
  readonly illegalByKind: Readonly<Record<string, number>>;
  /** Share of items with this field of the recap right. */
  readonly fields: Readonly<Record<string, Estimate>>;
}

/** Rates of an evaluation by world, and by world and board size. */
export interface Breakdown {
  /** By world. */
  readonly byTask: Readonly<Record<string, Rates>>;
  /** By `world level`. */
  readonly byTaskLevel: Readonly<Record<string, Rates>>;
}

/** Items by a name, in the order of first appearance. */
export function grouped<T>(items: readonly T[], nameOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(nameOf(item));
    if (group) group.push(item);
    else groups.set(nameOf(item), [item]);
  }
  return groups;
}

/** All rates of some items, at least one. */
export function ratesOf(items: readonly ItemResult[]): Rates {
  type Value = (item: ItemResult) => number | boolean | undefined;
  const rate = (value: Value, subset = items) => {
    const values = subset.map(value);
    if (values.length === 0 || values.some(v => v === undefined)) return null;
    return rateInterval(values as (number | boolean)[], subset.map(clusterOf));
  };
  const illegal = items.filter(item => item.illegal === true);
  const byKind = grouped(illegal, ({ reason }) => reason);
  const names = new Set(items.flatMap(({ fields = {} }) => Object.keys(fields)));
  return {
    items: items.length,
    layouts: new Set(items.map(clusterOf)).size,
    success: rate(({ success }) => success)!,
    optimal: rate(({ optimal }) => optimal)!,
    detourSuccess: rate(
      ({ success }) => success,
      items.filter(({ detour }) => detour),
    ),
    progress: rate(({ progress }) => progress),
    parsed: rate(({ parsed }) => parsed),
    recapExact: rate(({ recapExact }) => recapExact)!,
    successGivenRecap: rate(
      ({ success }) => success,
      items.filter(({ recapExact }) => recapExact),
    ),
    illegal: rate(item => item.illegal),
    illegalByKind: Object.fromEntries([...byKind].map(([reason, failed]) => [reason, failed.length / items.length])),
    fields: Object.fromEntries([...names].map(name => [name, rate(({ fields }) => fields?.[name] ?? false)!])),
  };
}

/** One evaluation by task and task-level. */
export function breakDown(items: readonly ItemResult[]): Breakdown {
  const rates = (nameOf: (item: ItemResult) => string) =>
    Object.fromEntries([...grouped(items, nameOf)].map(([name, group]) => [name, ratesOf(group)]));
  return { byTask: rates(({ world }) => world), byTaskLevel: rates(({ world, level }) => `${world} ${level}`) };
}

/** The share of the gap that a row closes in every world, see `gapOf`. */
export function gapByTask(
  row: readonly ItemResult[],
  base: readonly ItemResult[],
  symbolic: readonly ItemResult[],
): Record<string, Estimate | null> {
  const worlds = [...new Set(row.map(({ world }) => world))];
  const of = (items: readonly ItemResult[], name: string) => items.filter(({ world }) => world === name);
  return Object.fromEntries(worlds.map(name => [name, gapOf(of(row, name), of(base, name), of(symbolic, name))]));
}
