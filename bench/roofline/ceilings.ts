/**
 * Measured ceilings of the device: arithmetic on registers, and memory traffic with next to no arithmetic, for working
 * sets from inside one core's cache to beyond all caches. Together they make the roofline that kernels are judged by
 * (Williams, Waterman, Patterson 2009, CACM 52(4)).
 */
/** Memory traffic at one size of the working set. */
export interface Bandwidth {
  /** Bytes of all arrays together. */
  readonly bytes: number;
  /** GB/s, read and written, by what was done: a sum (read), a copy, and z = x + f y (triad). */
  readonly read: number;
  readonly copy: number;
  readonly triad: number;
}

export interface Ceilings {
  /**
   * GFLOP/s of multiply-adds on registers: in f32, and by what else the device has (f16, its matrix units). On a
   * processor also thousands of millions a second of what counts as one operation and takes many.
   */
  readonly f32: number;
  readonly others: Readonly<Record<string, number>>;
  /** By size, ascending. */
  readonly bandwidth: readonly Bandwidth[];
}

/** Names in `others`. */
export const exponentials = 'exponentials (G/s)';
export const rootQuotients = 'roots and quotients of them (G/s)';

/** How many of these a kernel cannot do without, by element of what it walks; and the params that count elements. */
const slowParts: Readonly<Record<string, readonly [ceiling: string, each: number, sizes: readonly string[]]>> = {
  cross_entropy: [exponentials, 1, ['rows', 'cols']],
  cross_entropy_tokens: [exponentials, 1, ['rows', 'cols']],
  distillation_reverse_kl: [exponentials, 2, ['rows', 'cols']],
  distillation_forward_kl: [exponentials, 2, ['rows', 'cols']],
  divergence_stats: [exponentials, 4, ['rows', 'cols']],
  adamw: [rootQuotients, 1, ['n']],
};

/** Milliseconds that a launch's exponentials or roots would take on their own; undefined if it has none of note. */
export function slowPartOf({ others }: Ceilings, kernel: string, params: Readonly<Record<string, number>>) {
  const [ceiling, each, sizes] = slowParts[kernel] ?? [];
  const rate = ceiling === undefined ? undefined : others[ceiling];
  return rate && sizes!.reduce((count, name) => count * params[name]!, each!) / rate / 1e6;
}

/** Working sets in bytes. */
export const workingSets: readonly number[] = [17, 19, 21, 23, 25, 27].map(n => 2 ** n);

/** The higher of two measurements of each: other load only slows a machine, so nothing measures too fast. */
export function highest(a: Ceilings, b: Ceilings): Ceilings {
  const names = [...new Set([...Object.keys(a.others), ...Object.keys(b.others)])];
  return {
    f32: Math.max(a.f32, b.f32),
    others: Object.fromEntries(names.map(name => [name, Math.max(a.others[name] ?? 0, b.others[name] ?? 0)])),
    bandwidth: a.bandwidth.map((point, i) => {
      const other = b.bandwidth[i]!;
      const max = (of: 'read' | 'copy' | 'triad') => Math.max(point[of], other[of]);
      return { bytes: point.bytes, read: max('read'), copy: max('copy'), triad: max('triad') };
    }),
  };
}

/**
 * GB/s reachable with a working set of this many bytes: the best of the three loops at this size or larger (where
 * launch overhead hides the bandwidth of a small loop, the larger one shows it), interpolated over log size.
 */
export function bandwidthAt({ bandwidth }: Pick<Ceilings, 'bandwidth'>, bytes: number): number {
  const best = bandwidth.map((_, i) =>
    Math.max(...bandwidth.slice(i).flatMap(({ read, copy, triad }) => [read, copy, triad])),
  );
  const above = bandwidth.findIndex(point => point.bytes >= bytes);
  if (above === 0) return best[0]!;
  if (above < 0) return best.at(-1)!;
  const [low, high] = [bandwidth[above - 1]!.bytes, bandwidth[above]!.bytes];
  const share = Math.log(bytes / low) / Math.log(high / low);
  return best[above - 1]! + share * (best[above]! - best[above - 1]!);
}

/** The least time of a kernel under the roofline, and what bounds it. */
export interface Bound {
  readonly milliseconds: number;
  readonly by: 'arithmetic' | 'memory';
  /** GB/s that its working set can have. */
  readonly bandwidth: number;
}

/**
 * Time at min(peak, intensity * bandwidth): the larger of the times for operations and for traffic.
 * @param bytes least traffic, also taken as the working set
 */
export function boundOf(ceilings: Ceilings, flops: number, bytes: number): Bound {
  const bandwidth = bandwidthAt(ceilings, bytes);
  const [arithmetic, memory] = [flops / ceilings.f32 / 1e6, bytes / bandwidth / 1e6];
  return {
    milliseconds: Math.max(arithmetic, memory),
    by: arithmetic > memory ? 'arithmetic' : 'memory',
    bandwidth,
  };
}
