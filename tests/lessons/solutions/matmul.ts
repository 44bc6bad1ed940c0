export const tileRows = 4;

export function tiledMatmul(
  { m, n, k }: { readonly m: number; readonly n: number; readonly k: number },
  loadA: (i: number, l: number) => number,
  loadB: (l: number, j: number) => number,
): Float64Array {
  const c = new Float64Array(m * n);
  for (let block = 0; block < m; block += tileRows) {
    const rows = Math.min(tileRows, m - block);
    for (let j = 0; j < n; j++) {
      const sums = new Float64Array(rows);
      for (let l = 0; l < k; l++) {
        const b = loadB(l, j);
        for (let r = 0; r < rows; r++) sums[r]! += loadA(block + r, l) * b;
      }
      sums.forEach((sum, r) => (c[(block + r) * n + j] = sum));
    }
  }
  return c;
}
