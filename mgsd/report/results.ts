/** What came out: the modality gap as a picture, and the table with its intervals. */
import { rowTitles, tableHeader } from '../evaluation/table.js';
import type { RowName, TableRow } from '../evaluation/table.js';
import type { Estimate } from '../evaluation/intervals.js';
import { html, table } from '../pictures/html.js';
import type { Html, Row } from '../pictures/html.js';
import type { ReportRun } from './run-data.js';

const percent = (share: number) => (100 * share).toFixed(1);

/** A position along a bar, in percent of its length. */
const along = (share: number) => `${(100 * Math.min(1, Math.max(0, share))).toFixed(2)}%`;

/** What stands in the picture: moments of the training, each with what is shown to the model. */
const moments: readonly {
  readonly title: string;
  readonly bars: readonly (readonly [row: RowName, label: string, kind: 'image' | 'symbols' | 'control'])[];
}[] = [
  {
    title: 'Before: after stage 0, a planner that has never seen an image',
    bars: [
      ['symbolic', 'symbols', 'symbols'],
      ['base', 'image', 'image'],
    ],
  },
  {
    title: 'After stage 1, cold-start grounding',
    bars: [
      ['stage1-symbolic', 'symbols', 'symbols'],
      ['stage1', 'image', 'image'],
    ],
  },
  {
    title: 'After stage 2, on-policy self-distillation',
    bars: [
      ['mgsd-symbolic', 'symbols', 'symbols'],
      ['mgsd', 'image', 'image'],
    ],
  },
  {
    title: 'Does it look? The same model, shown',
    bars: [
      ['mgsd-shuffled', 'a wrong image', 'control'],
      ['mgsd-blank', 'a blank image', 'control'],
    ],
  },
  { title: 'For comparison: plans taught directly', bars: [['direct', 'image', 'image']] },
];

/** Success as bars, image against symbols, before and after each stage; hatched is what is left of the gap. */
export function gapPicture(run: ReportRun, withName: boolean): Html {
  const row = (name: RowName) => run.table.find(found => found.name === name);
  const bound = row('symbolic')?.success.value;
  const groups = moments.map(({ title, bars }) => ({
    title,
    bars: bars.flatMap(([name, label, kind]) => {
      const found = row(name);
      return found ? [{ label, kind, row: found }] : [];
    }),
  }));
  return html`<figure class="gap">
    ${withName ? html`<figcaption>${run.name}</figcaption>` : null}
    <table class="bars">
      <caption class="hidden">
        Success of the run ${run.name} on held-out puzzles, by what the model is shown
      </caption>
      <thead class="hidden">
        <tr>
          <th scope="col">shown</th>
          <th scope="col">success</th>
        </tr>
      </thead>
      ${groups
        .filter(({ bars }) => bars.length > 0)
        .map(
          ({ title, bars }) =>
            html`<tbody>
              <tr>
                <th scope="rowgroup" colspan="2">${title}</th>
              </tr>
              ${bars.map(({ label, kind, row: found }) => bar(label, kind, found, kind === 'image' ? bound : undefined))}
            </tbody>`,
        )}
    </table>
    <div class="axis" aria-hidden="true">
      ${[0, 25, 50, 75, 100].map(tick => html`<span style="left:${tick}%">${tick}${tick === 100 ? ' %' : null}</span>`)}
    </div>
  </figure>`;
}

function bar(label: string, kind: string, { success, gapClosed }: TableRow, bound: number | undefined): Html {
  const { value, low, high } = success;
  const gap = bound !== undefined && bound > value ? bound - value : 0;
  const closed = kind === 'image' && gapClosed && gapClosed.value !== 0;
  return html`<tr class="${kind}">
    <th scope="row">${label}</th>
    <td>
      <div class="track">
        <div class="fill" style="width:${along(value)}"></div>
        ${gap > 0 ? html`<div class="missing" style="left:${along(value)};width:${along(gap)}"></div>` : null}
        <div class="whisker" style="left:${along(low)};width:${along(high - low)}"></div>
      </div>
      <p>
        <b>${percent(value)} %</b>
        <small>(${percent(low)}–${percent(high)})</small
        >${gap > 0 ? html` <span class="gap-note">gap ${percent(gap)} points${closed ? html`, ${wholePercent(gapClosed.value)} % closed` : null}</span>` : null}
      </p>
    </td>
  </tr>`;
}

function cell(estimate: Estimate | null, column: number): Html {
  const label = tableHeader[column + 1]!;
  if (!estimate) return html`<td role="cell" data-label="${label}">–</td>`;
  const interval = `${percent(estimate.low)}–${percent(estimate.high)}`;
  return html`<td role="cell" data-label="${label}">${percent(estimate.value)}<small>${interval}</small></td>`;
}

/**
 * The table of one run, or of several below each other row by row. On a phone its rows become cards; the roles keep it a table
 * for screen readers there.
 */
export function resultTable(runs: readonly ReportRun[]): Html {
  const names = (Object.keys(rowTitles) as RowName[]).filter(name =>
    runs.some(({ table }) => table.some(row => row.name === name)),
  );
  const several = runs.length > 1;
  const lines = names.flatMap(name => {
    const found = runs.flatMap(run => run.table.filter(row => row.name === name).map(row => ({ run, row })));
    return found.map(({ run, row }, k) => {
      const values = [row.success, row.optimal, row.detourSuccess, row.recapExact, row.gapClosed];
      const title = html`<th role="rowheader" scope="rowgroup" rowspan="${found.length}">${row.title}</th>`;
      return html`<tr role="row">
        ${k === 0 ? title : null}${several ? html`<th role="rowheader" scope="row">${run.name}</th>` : null}${values.map(cell)}
      </tr>`;
    });
  });
  const items = [...new Set(runs.map(({ table }) => table[0]?.items ?? 0))].join(' or ');
  return html`<div class="scroll" role="region" aria-label="Table of results" tabindex="0">
    <table class="results cards" role="table">
      <caption>
        Greedy plans on ${items} held-out puzzles, none of whose layouts occurs in training; below each value its 95 %
        interval, drawn over layouts.
      </caption>
      <thead>
        <tr>
          <th scope="col">${tableHeader[0]}</th>
          ${several ? html`<th scope="col" class="left">run</th>` : null}${tableHeader.slice(1).map(title => html`<th scope="col">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${lines}
      </tbody>
    </table>
  </div>`;
}

/** Success by board size. */
export function levelTable(runs: readonly ReportRun[]): Html | null {
  const levels = [...new Set(runs.flatMap(({ table }) => table.flatMap(row => Object.keys(row.byLevel))))];
  if (levels.length < 2) return null;
  const rows = runs.flatMap(run =>
    run.table.map(({ title, byLevel }): Row => [
      `${title}${runs.length > 1 ? ` (${run.name})` : ''}`,
      ...levels.map(level => (byLevel[level] === undefined ? '–' : percent(byLevel[level]))),
    ]),
  );
  return html`<details>
    <summary>Success by board size</summary>
    ${table('Success by board size', ['success %', ...levels], rows, 'results')}
  </details>`;
}

/** Without a minus in front of zero. */
function wholePercent(share: number): string {
  return String(Math.round(100 * share) + 0);
}
