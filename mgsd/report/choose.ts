/** Which held-out puzzles a report shows: a dozen that teach something, and the worst failures. The same every time. */
import type { ItemResult } from '../evaluation/evaluate.js';
import { parseResponse } from '../method/response.js';
import { heldOutGroups } from '../method/puzzles.js';
import type { Puzzle } from '../method/puzzles.js';
import type { RunConfig } from '../method/config.js';

/** Names a puzzle across runs. */
export const puzzleKey = ({ world, key }: Pick<ItemResult, 'world' | 'key'>): string => `${world} ${key}`;

/** The held-out puzzles of runs by `puzzleKey`. */
export function heldOutPuzzles(configs: readonly RunConfig[]): Map<string, Puzzle> {
  const puzzles = new Map<string, Puzzle>();
  for (const config of configs)
    for (const group of heldOutGroups(config))
      for (const puzzle of group.puzzles) {
        const { world, instance } = puzzle;
        puzzles.set(puzzleKey({ world: world.name, key: world.instanceKey(instance) }), puzzle);
      }
  return puzzles;
}

/** Kinds of puzzles to show, and how many of twelve each of them gets if there are enough. */
const kinds: readonly (readonly [share: number, is: (item: ItemResult) => boolean])[] = [
  [4, item => item.detour && item.success],
  [4, item => item.detour && !item.success],
  [2, item => !item.detour && !item.success],
  [2, item => !item.detour && item.success],
];

/**
 * A mix of successes and failures, detours preferred, spread over worlds and board sizes.
 * @param items outcomes of the row that the choice goes by
 * @param watched keys of puzzles that were solved on the way too: of each kind they come first
 * @returns at most `count` of them, ordered by world and size
 */
export function chooseItems(
  items: readonly ItemResult[],
  count = 12,
  watched: ReadonlySet<string> = new Set(),
): ItemResult[] {
  const isWatched = (item: ItemResult) => watched.has(puzzleKey(item));
  const pools = kinds.map(([, is]) => [
    ...spread(items.filter(item => is(item) && isWatched(item))),
    ...spread(items.filter(item => is(item) && !isWatched(item))),
  ]);
  const total = kinds.reduce((sum, [share]) => sum + share, 0);
  const chosen = kinds.flatMap(([share], k) => pools[k]!.splice(0, Math.round((share * count) / total)));
  const rest = pools.flat(); // fills up what a kind could not give, kinds in their order
  return [...chosen, ...rest.slice(0, Math.max(0, count - chosen.length))]
    .slice(0, count)
    .sort((a, b) => items.indexOf(a) - items.indexOf(b));
}

/** Items reordered so that groups (world, size, reason) take turns, the largest boards first. */
function spread(items: readonly ItemResult[]): ItemResult[] {
  const groups = new Map<string, ItemResult[]>();
  for (const item of items.toSorted((a, b) => b.level - a.level)) {
    const name = `${item.world} ${item.level} ${item.reason}`;
    groups.set(name, [...(groups.get(name) ?? []), item]);
  }
  const lists = [...groups.values()];
  const longest = Math.max(0, ...lists.map(list => list.length));
  return Array.from({ length: longest }, (_, k) => lists.flatMap(list => list[k] ?? [])).flat();
}

export interface FailureGroup {
  readonly reason: string;
  readonly count: number;
  /** The worst ones, worst first. */
  readonly worst: readonly ItemResult[];
}

/**
 * Failures by reason, the most frequent first. The worst are those that left the optimal plans earliest (by share of
 * the shortest plan), on the easiest puzzles.
 * @param puzzles the puzzles of the items; items whose puzzle is not there are counted but not shown
 * @param shown how many of each reason
 */
export function worstFailures(
  items: readonly ItemResult[],
  puzzles: ReadonlyMap<string, Puzzle>,
  shown = 3,
): FailureGroup[] {
  const reasons = new Map<string, ItemResult[]>();
  for (const item of items) if (!item.success) reasons.set(item.reason, [...(reasons.get(item.reason) ?? []), item]);
  const badness = (item: ItemResult) => {
    const { world, instance } = puzzles.get(puzzleKey(item))!;
    const { progress } = parseResponse(world, instance, item.response).verdict;
    return { item, progress, length: world.shortestLength(instance) };
  };
  return [...reasons]
    .map(([reason, all]) => {
      const known = all.filter(item => puzzles.has(puzzleKey(item))).map(badness);
      known.sort((a, b) => a.progress - b.progress || a.length - b.length);
      return { reason, count: all.length, worst: known.slice(0, shown).map(({ item }) => item) };
    })
    .sort((a, b) => b.count - a.count);
}

/** At most `count` of a list, its first and last among them, evenly spaced. */
export function evenly<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from({ length: count }, (_, k) => list[Math.round((k * (list.length - 1)) / Math.max(1, count - 1))]!);
}
