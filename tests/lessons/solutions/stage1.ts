export function recapText(rows: readonly string[]): string {
  const cells = (letter: string) =>
    rows.flatMap((row, r) => [...row].flatMap((found, c) => (found === letter ? [`(${r},${c})`] : [])));
  const holes = cells('H');
  return [`size:${rows.length}`, ...cells('S'), ...cells('G'), ...(holes.length > 0 ? holes : ['none'])].join(' ');
}
