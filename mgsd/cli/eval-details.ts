/** What `mgsd-lite eval` says below its table: every rate by world, what went wrong, what was seen wrongly, and the questions. */
import type { Breakdown, Rates } from '../evaluation/breakdown.js';
import type { PerceptionScores } from '../evaluation/perception.js';
import type { Estimate } from '../evaluation/intervals.js';
import { formatEstimate } from '../evaluation/table.js';
import { drawTable } from './results.js';
import type { Terminal } from './terminal.js';

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

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
export function showBreakdown(rows: readonly (Breakdown & { readonly input: string })[], terminal: Terminal): void {
  const wrapped = (text: string) => text.replaceAll(' ', '\n');
  const named = rows.flatMap(({ input, byTask }) => Object.entries(byTask).map(([name, rates]) => ({ name, input, rates }))); // prettier-ignore
  const cells = named.map(({ name, input, rates }) => [
    `${name}\n${input}`,
    ...columns.map(([, of]) => formatEstimate(of(rates)).replace(' (', '\n(')),
  ]);
  terminal.out(drawTable(terminal, ['world', ...columns.map(([head]) => wrapped(head))], cells));
  for (const { name, input, rates } of named) {
    const kinds = Object.entries(rates.illegalByKind).sort(([, a], [, b]) => b - a);
    if (kinds.length > 0)
      terminal.out(
        `illegal, ${name}, ${input}: ${kinds.map(([kind, share]) => `${kind} ${percent(share)}`).join(', ')}`,
      );
    const fields = Object.entries(rates.fields).map(([field, { value }]) => `${field} ${percent(value)}`);
    if (fields.length > 0) terminal.out(`recap right, ${name}, ${input}: ${fields.join(', ')}`);
  }
}

/** A line per world. */
export function showPerception(scores: Readonly<Record<string, PerceptionScores>>, terminal: Terminal): void {
  for (const [name, { questions, allExact }] of Object.entries(scores)) {
    const each = Object.entries(questions).map(([question, { value }]) => `${question} ${percent(value)}`);
    terminal.out(`questions, ${name}: ${each.join(', ')}; all of them ${formatEstimate(allExact)} %`);
  }
}
