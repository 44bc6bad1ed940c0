export function recapText(rows: readonly string[]): string {
  const cells = (letter: string) =>
    rows.flatMap((row, r) =>
      Array.from({ length: row.length }, (_, c) => (row[c] === letter ? [`(${r},${c})`] : [])).flat(),
    );
  const holes = cells('H');
  return [`size:${rows.length}`, ...cells('S'), ...cells('G'), ...(holes.length > 0 ? holes : ['none'])].join(' ');
}
