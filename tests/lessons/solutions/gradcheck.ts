export function numericGradient(f: (x: Float64Array) => number, x: Float64Array, step: number): Float64Array {
  return x.map((value, i) => {
    const moved = (by: number) => f(x.map((other, j) => (j === i ? value + by : other)));
    return (moved(step) - moved(-step)) / (2 * step);
  });
}
