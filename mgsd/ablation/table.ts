/** The table of an ablation, from the evaluations of its rows over several seeds. */
import type { AblationName } from './rows.js';
import { ablationRows } from './rows.js';
import { differenceOf, gapOf, summarize } from '../evaluation/evaluate.js';
import type { ItemResult, RowSummary } from '../evaluation/evaluate.js';
import type { Estimate } from '../evaluation/intervals.js';
import { formatEstimate } from '../evaluation/table.js';

/** One seed's outcome of a row. */
export interface SeedItems {
  readonly seed: number;
  readonly items: readonly ItemResult[];
  /** Images that its stages 1 and 2 have used (or direct supervision); 0 for rows before them. */
  readonly images: number;
}

/** A row over all seeds; shares in [0, 1] with 95 % intervals over layouts, which are the same for every seed. */
export interface AblationResult extends RowSummary {
  readonly name: AblationName;
  readonly title: string;
  readonly seeds: readonly { readonly seed: number; readonly success: number; readonly images: number }[];
  /** Success by world. */
  readonly byWorld: Readonly<Record<string, number>>;
  readonly gapClosed: Estimate | null;
  /** Success minus that of MGSD, puzzle by puzzle and seed by seed; null for MGSD itself and without it. */
  readonly difference: Estimate | null;
  /** The difference's interval leaves out 0, and its sign is the same for every seed. */
  readonly differs: boolean;
}

/** The seeds that all rows have. */
export function commonSeeds(evaluations: ReadonlyMap<AblationName, readonly SeedItems[]>): number[] {
  const [first = [], ...others] = [...evaluations.values()].map(list => list.map(({ seed }) => seed));
  return first.filter(seed => others.every(seeds => seeds.includes(seed)));
}

/** The table. Rows are compared over the seeds that all of them have. @throws Error if there is none */
export function ablationTable(evaluations: ReadonlyMap<AblationName, readonly SeedItems[]>): AblationResult[] {
  const seeds = commonSeeds(evaluations);
  if (seeds.length === 0) throw new Error('no seed has been through all rows yet');
  const itemsOf = (name: AblationName, seed: number) => evaluations.get(name)!.find(one => one.seed === seed)!.items;
  const joined = (name: AblationName) =>
    evaluations.has(name) ? seeds.flatMap(seed => itemsOf(name, seed)) : undefined;
  const [base, symbolic, method] = [joined('base'), joined('symbolic'), joined('mgsd')];
  return [...evaluations].map(([name, list]) => {
    const items = joined(name)!;
    const { title, evaluation } = ablationRows[name];
    const seesImages = !evaluation.endsWith('symbolic');
    const difference = method && name !== 'mgsd' ? differenceOf(items, method) : null;
    const perSeed = seeds.map(seed => {
      const { items: ofSeed, images } = list.find(one => one.seed === seed)!;
      return { seed, success: macro(ofSeed), images };
    });
    const signs = perSeed.map(({ seed, success }) => method && Math.sign(success - macro(itemsOf('mgsd', seed))));
    return {
      name,
      title,
      ...summarize(items),
      seeds: perSeed,
      byWorld: worldRates(items),
      gapClosed: base && symbolic && seesImages ? gapOf(items, base, symbolic) : null,
      difference,
      differs: difference !== null && difference.low * difference.high > 0 && new Set(signs).size === 1,
    };
  });
}

function worldRates(items: readonly ItemResult[]): Record<string, number> {
  const rateOf = (name: string) => {
    const ofWorld = items.filter(({ world }) => world === name);
    return ofWorld.filter(({ success }) => success).length / ofWorld.length;
  };
  return Object.fromEntries([...new Set(items.map(({ world }) => world))].map(name => [name, rateOf(name)]));
}

/** Mean over worlds of their success rates. */
function macro(items: readonly ItemResult[]): number {
  const rates = Object.values(worldRates(items));
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}

const percent = (share: number) => (100 * share).toFixed(1);
const signed = (share: number) => `${share > 0 ? '+' : ''}${percent(share)}`;

export interface TableText {
  readonly head: readonly string[];
  readonly cells: readonly (readonly string[])[];
}

/** Head and cells for people. */
export function ablationCells(rows: readonly AblationResult[]): TableText {
  const worlds = Object.keys(rows[0]?.byWorld ?? {});
  const several = worlds.length > 1;
  const seeds = rows[0]?.seeds.length ?? 0;
  const difference = ({ difference: d, differs }: AblationResult) =>
    d ? `${signed(d.value)} (${signed(d.low)} to ${signed(d.high)})${differs ? ' *' : ''}` : '–';
  return {
    head: [
      'row',
      'success %',
      ...(seeds > 1 ? ['by seed'] : []),
      ...(several ? worlds.map(name => `${name} %`) : []),
      ...['optimal %', 'needs a detour %', 'recap exact %', 'gap closed %', 'minus MGSD', 'images'],
    ],
    cells: rows.map(row => [
      row.title,
      formatEstimate(row.success),
      ...(seeds > 1 ? [row.seeds.map(({ success }) => percent(success)).join(', ')] : []),
      ...(several ? worlds.map(name => percent(row.byWorld[name] ?? NaN)) : []),
      ...[row.optimal, row.detourSuccess, row.recapExact, row.gapClosed].map(formatEstimate),
      difference(row),
      String(Math.round(row.seeds.reduce((sum, { images }) => sum + images, 0) / Math.max(1, seeds))),
    ]),
  };
}

/** How the table is to be read. */
export function ablationLegend(rows: readonly AblationResult[]): string {
  const seeds = rows[0]?.seeds.map(({ seed }) => seed) ?? [];
  return [
    `${rows[0]?.items ?? 0} results a row: the same held-out puzzles for seeds ${seeds.join(', ')}, greedy decoding, 95 % intervals over layouts.`,
    'Success and optimal are means over worlds. Gap closed = (row - base) / (symbolic - base).',
    'Minus MGSD: the difference in success, paired by puzzle and seed, in points; * its interval leaves out 0 and its sign is the same for every seed.',
    'Images: those of stages 1 and 2 together, or of direct supervision, each sequence of stage 2 counted; the mean over seeds.',
  ].join('\n');
}

/** The table as Markdown. */
export function ablationMarkdown(rows: readonly AblationResult[], command: string): string {
  const { head, cells } = ablationCells(rows);
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const rule = line(head.map((_, k) => (k === 0 ? '---' : '---:')));
  return [line(head), rule, ...cells.map(line), '', ablationLegend(rows), '', `Made by \`${command}\`.`, ''].join('\n');
}
