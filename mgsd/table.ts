/** The table of a run: what every stage did, in numbers. */
import { gapOf, summarize } from './evaluate.js';
import type { ItemResult, RowSummary } from './evaluate.js';
import type { Estimate } from './statistics.js';

/** Rows of a run in the order of the table, with what people read. */
export const rowTitles = {
  base: 'base: stage 0, untrained vision, image',
  stage1: 'stage 1 only, image',
  mgsd: 'MGSD (stages 1 + 2), image',
  direct: 'direct image-to-plan supervision, image',
  symbolic: 'stage 0, symbolic input (upper bound)',
  'mgsd-symbolic': 'MGSD, symbolic input (what is left of it)',
  'mgsd-blank': 'MGSD, blank image (must fall to the floor)',
  'mgsd-shuffled': "MGSD, another puzzle's image (must fall)",
} as const;

export type RowName = keyof typeof rowTitles;

export interface TableRow extends RowSummary {
  readonly name: RowName;
  readonly title: string;
  /** (row - base image) / (symbolic - base image), for rows that see images; null where it has no meaning. */
  readonly gapClosed: Estimate | null;
}

/** Rows that are present, in order, with the gap they close. */
export function buildTable(evaluations: ReadonlyMap<RowName, readonly ItemResult[]>): TableRow[] {
  const base = evaluations.get('base');
  const symbolic = evaluations.get('symbolic');
  const closesGap: readonly RowName[] = ['base', 'stage1', 'mgsd', 'direct'];
  return (Object.keys(rowTitles) as RowName[]).flatMap(name => {
    const items = evaluations.get(name);
    if (!items) return [];
    const gapClosed = base && symbolic && closesGap.includes(name) ? gapOf(items, base, symbolic) : null;
    return [{ name, title: rowTitles[name], ...summarize(items), gapClosed }];
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

/** The table as Markdown. */
export function tableMarkdown(rows: readonly TableRow[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(tableHeader),
    line(tableHeader.map((_, k) => (k === 0 ? '---' : '---:'))),
    ...rows.map(row => line(tableCells(row))),
  ].join('\n');
}
