/** Results for people: the table in the terminal. */
import Table from 'cli-table3';
import type { RowSummary } from '../evaluation/evaluate.js';
import { formatEstimate, tableCells, tableHeader, worldTable } from '../evaluation/table.js';
import type { TableRow } from '../evaluation/table.js';
import type { Terminal } from './terminal.js';

/** A share in percent, without its sign: `83.5`. */
export const percent = (share: number): string => (100 * share).toFixed(1);

/** Narrower terminals get the table of a run, and that of its worlds, as a list. */
const tableColumns = 100;
const worldTableColumns = 112;

/**
 * The lines of a table with rules, between its rows only if a cell has several lines; colours only where the terminal
 * has them.
 */
export function drawTable(terminal: Terminal, head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const table = new Table({
    head: head.map(text => terminal.colours.bold(text)),
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [] },
    ...(!rows.flat().some(cell => cell.includes('\n')) && {
      chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    }),
  });
  for (const row of rows) table.push([...row]);
  return table.toString().split('\n');
}

/** The table of a run, and one of its worlds if there are several. */
export function resultTable(terminal: Terminal, rows: readonly TableRow[]): string {
  const main = tableOrList(terminal, tableHeader, rows.map(tableCells), tableColumns);
  const { head, cells } = worldTable(rows);
  return head.length > 3 ? `${main}\n${tableOrList(terminal, head, cells, worldTableColumns)}` : main;
}

/**
 * The interval stands below its value, which keeps a table below `width` columns; a terminal that has fewer gets a
 * list.
 */
function tableOrList(
  terminal: Terminal,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  if ((terminal.columns ?? width) < width)
    return rows
      .map(([title = '', ...cells]) => {
        const lines = cells.map((cell, k) => `  ${head[k + 1]!.padEnd(18)} ${cell}`);
        return [terminal.colours.bold(title), ...lines].join('\n');
      })
      .join('\n');
  const cells = rows.map(([title = '', ...others]) => [
    wrap(title, 24),
    ...others.map(cell => cell.replace(/ (?=\(\d|\(-)/, '\n').replaceAll('100.0', '100')),
  ]);
  const broken = head.map(text => text.replace(' %', '\n%').replace('needs a ', 'needs a\n').replace(': ', '\n'));
  return drawTable(terminal, broken, cells).join('\n');
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
