/** Results for people: the table in the terminal, and what each stage did in a few sentences. */
import Table from 'cli-table3';
import type { RowSummary } from '../evaluate.js';
import type { Estimate } from '../statistics.js';
import { formatEstimate, tableCells, tableHeader } from '../table.js';
import type { RowName, TableRow } from '../table.js';
import type { Terminal } from './terminal.js';

/** Narrower terminals get the table as a list. */
const tableColumns = 100;

/** A table with rules, between its rows only if a cell has several lines; colours only where the terminal has them. */
export function drawTable(terminal: Terminal, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: head.map(text => terminal.colours.bold(text)),
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [] },
    ...(!rows.flat().some(cell => cell.includes('\n')) && {
      chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    }),
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

/** The table of a run. The interval stands below its value, which keeps the table below 100 columns. */
export function resultTable(terminal: Terminal, rows: readonly TableRow[]): string {
  if ((terminal.columns ?? tableColumns) < tableColumns)
    return rows
      .map(row => {
        const [title = '', ...cells] = tableCells(row);
        const lines = cells.map((cell, k) => `  ${tableHeader[k + 1]!.padEnd(18)} ${cell}`);
        return [terminal.colours.bold(title), ...lines].join('\n');
      })
      .join('\n');
  const cells = rows.map(row =>
    tableCells(row).map(cell => cell.replace(/ (?=\(\d|\(-)/, '\n').replaceAll('100.0', '100')),
  );
  const head = tableHeader.map(text => text.replace(' %', '\n%').replace('needs a ', 'needs a\n'));
  const wrapped = cells.map(([title = '', ...others]) => [wrap(title, 24), ...others]);
  return drawTable(terminal, head, wrapped);
}

/** Breaks a text at blanks into lines of at most `width` characters, where its words allow that. */
export function wrap(text: string, width: number): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

/** One line for a row that was just evaluated. */
export function rowLine(title: string, { success, optimal, recapExact }: RowSummary): string {
  return `${title}: success ${formatEstimate(success)} %, optimal ${formatEstimate(optimal)} %, recap exact ${formatEstimate(recapExact)} %`;
}

const percent = ({ value }: Estimate) => `${(100 * value).toFixed(0)} %`;

/** Whether `a` lies above `b` and the two intervals do not touch. */
const clearlyAbove = (a: Estimate, b: Estimate) => a.low > b.high;

/**
 * What each stage did, computed from the rows that there are: nothing is claimed that the intervals do not carry.
 * @returns at most one sentence per stage, and one about whether the model looks at its image
 */
export function story(rows: readonly TableRow[]): string[] {
  const row = (name: RowName) => rows.find(found => found.name === name);
  const [symbolic, base, stage1, mgsd, direct] = (['symbolic', 'base', 'stage1', 'mgsd', 'direct'] as const).map(row);
  const sentences: string[] = [];
  if (symbolic)
    sentences.push(
      `Stage 0 made a planner that solves ${percent(symbolic.success)} of unseen puzzles from symbols` +
        (base ? `; shown an image instead, it solves ${percent(base.success)}.` : '.'),
    );
  if (stage1)
    sentences.push(
      `Stage 1 taught it to write down ${percent(stage1.recapExact)} of the boards it sees, and to plan on ${percent(stage1.success)}.`,
    );
  if (mgsd) sentences.push(aboutDistillation(mgsd, stage1));
  const fakes = [row('mgsd-blank'), row('mgsd-shuffled')].filter(found => found !== undefined);
  if (mgsd && fakes.length > 0) {
    const figures = fakes.map(
      ({ name, success }) => `${name === 'mgsd-blank' ? 'a blank' : 'a wrong'} image ${percent(success)}`,
    );
    sentences.push(
      fakes.every(({ success }) => clearlyAbove(mgsd.success, success))
        ? `It looks at its image: with ${figures.join(', with ')}.`
        : `It does not depend on its image (with ${figures.join(', with ')}), so it has not learnt to see.`,
    );
  }
  if (direct && mgsd)
    sentences.push(
      `Direct supervision with plan labels on images reaches ${percent(direct.success)}, which is ${compare(direct.success, mgsd.success)} MGSD without any.`,
    );
  return sentences;
}

function aboutDistillation(mgsd: TableRow, stage1: TableRow | undefined): string {
  const gap = mgsd.gapClosed ? `, which closes ${percent(mgsd.gapClosed)} of the gap between image and symbols` : '';
  if (!stage1) return `After stage 2 it solves ${percent(mgsd.success)} of unseen puzzles from their image${gap}.`;
  if (clearlyAbove(mgsd.success, stage1.success))
    return `Stage 2 taught it to plan from what it sees: ${percent(stage1.success)} became ${percent(mgsd.success)}${gap}.`;
  return `Stage 2 brought no gain beyond the intervals (${percent(stage1.success)} before, ${percent(mgsd.success)} after).`;
}

function compare(a: Estimate, b: Estimate): string {
  if (clearlyAbove(a, b)) return 'better than';
  return clearlyAbove(b, a) ? 'worse than' : 'no different, within the intervals, from';
}
