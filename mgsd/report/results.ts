/** What came out: the modality gap as a picture, and the table with its intervals. */
import { rowTitles, tableHeader } from '../evaluation/table.js';
import type { RowName, TableRow } from '../evaluation/table.js';
import type { Estimate } from '../evaluation/intervals.js';
import { fold, html, table } from '../pictures/html.js';
import type { Html, Row } from '../pictures/html.js';
import type { ReportRun } from './run-data.js';

const percent = (share: number) => (100 * share).toFixed(1);

type BarKind = 'image' | 'symbols' | 'control';

/** The picture: moments of the training, and at each the rows by what the model is shown. */
const moments: readonly (readonly [title: string, ...bars: (readonly [RowName, label: string, BarKind])[]])[] = [
  [
    'Before: after stage 0, a planner that has never seen an image',
    ['symbolic', 'symbols', 'symbols'],
    ['base', 'image', 'image'],
  ],
  ['After stage 1, cold-start grounding', ['stage1-symbolic', 'symbols', 'symbols'], ['stage1', 'image', 'image']],
  ['After stage 2, on-policy self-distillation', ['mgsd-symbolic', 'symbols', 'symbols'], ['mgsd', 'image', 'image']],
  [
    'Does it look? The same model, shown',
    ['mgsd-shuffled', 'a wrong image', 'control'],
    ['mgsd-blank', 'a blank image', 'control'],
  ],
  ['For comparison: plans taught directly', ['direct', 'image', 'image']],
];

/** Success as bars, image against symbols, before and after each stage; hatched is what is left of the gap. */
export function gapPicture({ name: run, table: rows }: ReportRun): Html {
  const rowOf = (name: RowName) => rows.find(row => row.name === name);
  const bound = rowOf('symbolic')?.success.value ?? 0;
  const groups = moments.map(([title, ...bars]) => {
    const shown = bars.flatMap(([name, label, kind]) => {
      const row = rowOf(name);
      return row ? [barRow(label, kind, row, bound)] : [];
    });
    return shown.length === 0
      ? null
      : html`<tbody>
          <tr>
            <th scope="rowgroup" colspan="2">${title}</th>
          </tr>
          ${shown}
        </tbody>`;
  });
  return html`<div class="panel">
    <table class="bars">
      <caption>
        ${run}: success on held-out puzzles, by what the model is shown
      </caption>
      ${groups}
    </table>
    <div class="axis" aria-hidden="true">
      ${[0, 25, 50, 75, 100].map(tick => html`<span style="left:${tick}%">${tick}${tick === 100 ? ' %' : null}</span>`)}
    </div>
  </div>`;
}

function barRow(label: string, kind: BarKind, { success, gapClosed }: TableRow, bound: number): Html {
  const { value, low, high } = success;
  const gap = kind === 'image' ? Math.max(0, bound - value) : 0;
  const closed = gapClosed && gapClosed.value !== 0 ? `, ${Math.round(100 * gapClosed.value) + 0} % closed` : '';
  const span = (className: string, from: number, length: number) =>
    html`<div class="${className}" style="left:${percent(from)}%;width:${percent(length)}%"></div>`;
  return html`<tr class="${kind}">
    <th scope="row">${label}</th>
    <td>
      <div class="track">
        ${span('fill', 0, value)}${gap > 0 && span('missing', value, gap)}${span('whisker', low, high - low)}
      </div>
      <b>${percent(value)} %</b>
      <small>(${percent(low)}–${percent(high)})${gap > 0 && ` gap ${percent(gap)} points${closed}`}</small>
    </td>
  </tr>`;
}

function cell(estimate: Estimate | null): Html | string {
  if (!estimate) return '–';
  const { value, low, high } = estimate;
  return html`${percent(value)}<small>${percent(low)}–${percent(high)}</small>`;
}

/** The table of one run, or of several below each other row by row. */
export function resultTable(runs: readonly ReportRun[]): Html {
  const rows = (Object.keys(rowTitles) as RowName[]).flatMap(name =>
    runs.flatMap(({ name: run, table: all }) =>
      all
        .filter(row => row.name === name)
        .map(({ title, success, optimal, detourSuccess, recapExact, gapClosed }): Row => {
          const head = runs.length > 1 ? html`${title}<small>${run}</small>` : title;
          return [head, ...[success, optimal, detourSuccess, recapExact, gapClosed].map(cell)];
        }),
    ),
  );
  const items = [...new Set(runs.map(({ table: all }) => all[0]?.items ?? 0))].join(' or ');
  const caption =
    `Greedy plans on ${items} held-out puzzles, none of whose layouts occurs in training; below each value its 95 % ` +
    'interval, bootstrapped over layouts.';
  return table(caption, tableHeader, rows, 'results');
}

/** Success by board size. */
export function levelTable(runs: readonly ReportRun[]): Html | null {
  const levels = [...new Set(runs.flatMap(({ table: all }) => all.flatMap(row => Object.keys(row.byLevel))))];
  if (levels.length < 2) return null;
  const rows = runs.flatMap(run =>
    run.table.map(({ title, byLevel }): Row => [
      `${title}${runs.length > 1 ? ` (${run.name})` : ''}`,
      ...levels.map(level => (byLevel[level] === undefined ? '–' : percent(byLevel[level]))),
    ]),
  );
  return fold('Success by board size', table('Success in percent', ['row', ...levels], rows, 'results'));
}
