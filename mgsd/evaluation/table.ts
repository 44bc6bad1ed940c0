/** The table of a run: what every stage did, in numbers. */
import { breakDown, gapByTask } from './breakdown.js';
import type { Breakdown } from './breakdown.js';
import { gapOf, summarize } from './evaluate.js';
import type { ItemResult, RowSummary } from './evaluate.js';
import type { Estimate } from './intervals.js';
import type { MadeFrom } from './made-from.js';

/** Rows of a run in the order of the table, with what people read. */
export const rowTitles = {
  base: 'base: stage 0, untrained vision, image',
  stage1: 'stage 1 only, image',
  mgsd: 'MGSD (stages 1 + 2), image',
  direct: 'direct image-to-plan supervision, image',
  symbolic: 'stage 0, symbolic input (upper bound)',
  'stage1-symbolic': 'stage 1 only, symbolic input (what is left of it)',
  'mgsd-symbolic': 'MGSD, symbolic input (what is left of it)',
  'mgsd-blank': 'MGSD, blank image (must fall to the floor)',
  'mgsd-shuffled': "MGSD, another puzzle's image (must fall)",
} as const;

/** Names of the table's rows. */
export type RowName = keyof typeof rowTitles;

export interface TableRow extends RowSummary, Breakdown {
  readonly name: RowName;
  readonly title: string;
  /** (row - base image) / (symbolic - base image), for rows that see images; null where it has no meaning. */
  readonly gapClosed: Estimate | null;
  /** The same by world; empty for rows that do not see images. */
  readonly gapByTask: Readonly<Record<string, Estimate | null>>;
  /** What the row was made from; the first runs did not keep it. */
  readonly madeFrom?: MadeFrom;
}

/** Rows that are present, in order, with the gap they close. */
export function buildTable(evaluations: ReadonlyMap<RowName, readonly ItemResult[]>): TableRow[] {
  const base = evaluations.get('base');
  const symbolic = evaluations.get('symbolic');
  const closesGap: readonly RowName[] = ['base', 'stage1', 'mgsd', 'direct'];
  return (Object.keys(rowTitles) as RowName[]).flatMap(name => {
    const items = evaluations.get(name);
    if (!items) return [];
    const gap =
      base && symbolic && closesGap.includes(name)
        ? { gapClosed: gapOf(items, base, symbolic), gapByTask: gapByTask(items, base, symbolic) }
        : { gapClosed: null, gapByTask: {} };
    return [{ name, title: rowTitles[name], ...summarize(items), ...breakDown(items), ...gap }];
  });
}

const percent = (share: number) => (100 * share).toFixed(1);

/** `83.5 (80.1-86.4)`, in percent; a dash for null. */
export function formatEstimate(estimate: Estimate | null): string {
  return estimate ? `${percent(estimate.value)} (${percent(estimate.low)}–${percent(estimate.high)})` : '–';
}

export const tableHeader = [
  'row',
  'success %',
  'optimal %',
  'needs a detour %',
  'recap exact %',
  'gap closed %',
] as const;

/** Cells of a row for people, in the order of `tableHeader`. */
export function tableCells(row: TableRow): string[] {
  return [
    row.title,
    formatEstimate(row.success),
    formatEstimate(row.optimal),
    formatEstimate(row.detourSuccess),
    formatEstimate(row.recapExact),
    formatEstimate(row.gapClosed),
  ];
}

/** Head and cells of the second table: success of every row in every world, and the gap it closes there. */
export function worldTable(rows: readonly TableRow[]): { readonly head: string[]; readonly cells: string[][] } {
  const worlds = Object.keys(rows[0]?.byTask ?? {});
  const gaps = (row: TableRow) => Object.keys(row.gapByTask).length > 0;
  return {
    head: ['row', ...worlds.flatMap(name => [`${name}: success %`, 'gap closed %'])],
    cells: rows.map(row => [
      row.title,
      ...worlds.flatMap(name => [
        formatEstimate(row.byTask[name]?.success ?? null),
        gaps(row) ? formatEstimate(row.gapByTask[name] ?? null) : '–',
      ]),
    ]),
  };
}

/** The table as Markdown, and where there are several worlds a second one for them. */
export function tableMarkdown(rows: readonly TableRow[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const table = (head: readonly string[], cells: readonly (readonly string[])[]) =>
    [line(head), line(head.map((_, k) => (k === 0 ? '---' : '---:'))), ...cells.map(line)].join('\n');
  const main = table(tableHeader, rows.map(tableCells));
  if (Object.keys(rows[0]?.byTask ?? {}).length < 2) return main;
  const { head, cells } = worldTable(rows);
  return `${main}\n\n${table(head, cells)}`;
}
