/**
 * What the device can do at most, measured: arithmetic on registers alone, and memory traffic with next to no
 * arithmetic, for working sets from those that fit into a core's cache to those that fit into none. A kernel is judged
 * against the roofline that they make (Williams, Waterman, Patterson 2009, CACM 52(4)).
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
  /** GFLOP/s of multiply-adds on registers: in f32, and by what else the device has (f16, its matrix units). */
  readonly f32: number;
  readonly others: Readonly<Record<string, number>>;
  /** By size, ascending. */
  readonly bandwidth: readonly Bandwidth[];
}

/** Working sets in bytes. */
export const workingSets: readonly number[] = [17, 19, 21, 23, 25, 27].map(n => 2 ** n);

/**
 * The higher of two measurements of each: nothing can be measured too fast, and other users of a machine only slow it.
 */
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
 * GB/s that a working set of so many bytes can have: the best of the three loops at this size or a larger one (where a
 * launch costs more than small loops do, the larger one shows what the memory can do), and straight lines over the
 * logarithm of the size between.
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

/** The least time that a kernel can take under the roofline, and what it is bound by. */
export interface Bound {
  readonly milliseconds: number;
  readonly by: 'arithmetic' | 'memory';
  /** GB/s that its working set can have. */
  readonly bandwidth: number;
}

/**
 * Time at min(peak, intensity * bandwidth), which is the larger of the times for operations and for traffic.
 * @param bytes least traffic, taken for the working set too
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
