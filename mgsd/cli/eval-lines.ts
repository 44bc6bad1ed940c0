/** What `mgsd-lite eval` prints: rates by board size and by world, how it failed, and the perception questions. */
import type { Breakdown, Rates } from '../evaluation/breakdown.js';
import type { EvaluationInput, RowSummary } from '../evaluation/evaluate.js';
import type { Estimate } from '../evaluation/intervals.js';
import type { PerceptionScores } from '../evaluation/perception.js';
import { formatEstimate, tableHeader } from '../evaluation/table.js';
import { drawTable } from './results.js';
import type { Terminal } from './terminal.js';

type Row = RowSummary & Breakdown & { readonly input: EvaluationInput };

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const broken = (texts: readonly string[]) => texts.map(text => text.replaceAll(' ', '\n'));
const cellOf = (estimate: Estimate | null) => formatEstimate(estimate).replace(' (', '\n(');
const byCount = (counts: Readonly<Record<string, number>>) => Object.entries(counts).sort(([, a], [, b]) => b - a);

/** The main table, and a line for each input on how it failed. */
export function summaryLines(rows: readonly Row[], terminal: Terminal): string[] {
  const levels = Object.keys(rows[0]?.byLevel ?? {});
  const head = ['input', ...tableHeader.slice(1, 5), ...levels.map(level => `${level} %`)];
  const cells = rows.map(row => [
    row.input,
    ...[row.success, row.optimal, row.detourSuccess, row.recapExact].map(cellOf),
    ...levels.map(level => (100 * (row.byLevel[level] ?? NaN)).toFixed(1)),
  ]);
  const failures = rows.flatMap(({ input, failures }) => {
    const reasons = byCount(failures).map(([reason, count]) => `${reason} ${count}`);
    return reasons.length > 0 ? [`failures, ${input}: ${reasons.join(', ')}`] : [];
  });
  return [...drawTable(terminal, broken(head), cells), ...failures];
}

const columns: readonly (readonly [head: string, of: (rates: Rates) => Estimate | null])[] = [
  ['success %', ({ success }) => success],
  ['optimal %', ({ optimal }) => optimal],
  ['progress %', ({ progress }) => progress],
  ['parsed %', ({ parsed }) => parsed],
  ['illegal %', ({ illegal }) => illegal],
  ['recap exact %', ({ recapExact }) => recapExact],
  ['success, recap right %', ({ successGivenRecap }) => successGivenRecap],
];

/** A table by input and world, and a line each on illegal actions by kind and on the fields of the recap. */
export function breakdownLines(rows: readonly Row[], terminal: Terminal): string[] {
  const named = rows.flatMap(({ input, byTask }) =>
    Object.entries(byTask).map(([name, rates]) => ({ name, input, rates })),
  );
  const cells = named.map(({ name, input, rates }) => [
    `${name}\n${input}`,
    String(rates.layouts),
    ...columns.map(([, of]) => cellOf(of(rates))),
  ]);
  const details = named.flatMap(({ name, input, rates }) => {
    const kinds = byCount(rates.illegalByKind).map(([kind, share]) => `${kind} ${percent(share)}`);
    const fields = Object.entries(rates.fields).map(([field, { value }]) => `${field} ${percent(value)}`);
    return [
      ...(kinds.length > 0 ? [`illegal, ${name}, ${input}: ${kinds.join(', ')}`] : []),
      ...(fields.length > 0 ? [`recap right, ${name}, ${input}: ${fields.join(', ')}`] : []),
    ];
  });
  return [...drawTable(terminal, ['world', 'layouts', ...broken(columns.map(([head]) => head))], cells), ...details];
}

/** A line per world. */
export function perceptionLines(scores: Readonly<Record<string, PerceptionScores>>): string[] {
  return Object.entries(scores).map(([name, { questions, allExact }]) => {
    const each = Object.entries(questions).map(([question, { value }]) => `${question} ${percent(value)}`);
    return `questions, ${name}: ${each.join(', ')}; all of them ${formatEstimate(allExact)} %`;
  });
}
