/** What every stage did: the table and the sentences that the command line ends with. */
import { stageSentences } from '../../evaluation/summary.js';
import { tableCells, tableHeader } from '../../evaluation/table.js';
import type { TableRow } from '../../evaluation/table.js';
import { table } from '../../pictures/html.js';
import { Markup } from '../markup.js';

export function Results({ rows }: { readonly rows: readonly TableRow[] }) {
  const caption = `95 % intervals over layouts; ${rows[0]?.items ?? 0} held-out puzzles`;
  const [first, ...others] = tableHeader;
  const lines = rows.map(row => {
    const [title = '', ...cells] = tableCells(row);
    return [title, ...cells] as const;
  });
  return (
    <>
      <Markup of={table(caption, [first, ...others], lines, 'results')} />
      {stageSentences(rows).map(sentence => (
        <p key={sentence}>{sentence}</p>
      ))}
    </>
  );
}
