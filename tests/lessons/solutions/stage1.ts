export function recapText(rows: readonly string[]): string {
  const cells = (letter: string) =>
    rows.flatMap((row, r) =>
      Array.from({ length: row.length }, (_, c) => (row[c] === letter ? [`(${r},${c})`] : [])).flat(),
    );
  return [`size:${rows.length}`, ...cells('S'), ...cells('G'), ...cells('H')].join(' ');
}
