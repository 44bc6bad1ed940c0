/** Exponents of time against size, fitted over several rounds. */
import type { Kernel } from '../kernels/index.js';
import { median, number, slope } from './gpu/format.js';

/** Exponents that differ by more than this, relatively, need a reason. */
export const tolerance = 0.15;

/** Kinds of kernels that grow alike. */
export type Family = 'products' | 'attention' | 'rest';
export const families: readonly Family[] = ['products', 'attention', 'rest'];
export const familyOf = ({ name }: Kernel): Family =>
  name.startsWith('matmul') ? 'products' : name.startsWith('attention') ? 'attention' : 'rest';

/** A size, with a value for every round. */
export interface ScalingRow {
  readonly what: string;
  readonly value: number;
  readonly flops: number;
  /** Median milliseconds of a step in every round. */
  readonly milliseconds: number[];
  /** Milliseconds of the kernels of an eager step by family, where launches are done when they return. */
  readonly families: Record<Family, number>[];
}

export interface Exponent {
  readonly what: string;
  /** Of the medians over rounds, and the least and the largest of single rounds. */
  readonly time: number;
  readonly least: number;
  readonly largest: number;
  /** Of floating-point operations. */
  readonly operations: number;
  /** Exponents of time by family, and their shares of the time of all sizes. */
  readonly families: Readonly<Partial<Record<Family, { readonly time: number; readonly share: number }>>>;
  readonly needsReason: boolean;
}

/** Exponents of one series. */
export function fit(what: string, rows: readonly ScalingRow[]): Exponent {
  const of = (y: (row: ScalingRow) => number) => slope(rows.map(row => [row.value, y(row)]));
  const rounds = rows[0]!.milliseconds.map((_, round) => of(row => row.milliseconds[round]!));
  const time = of(row => median(row.milliseconds));
  const operations = of(({ flops }) => flops);
  const typical = (row: ScalingRow, family: Family) => median(row.families.map(times => times[family]));
  const isSplit = rows.every(row => row.families.length > 0);
  const total = isSplit
    ? rows.reduce((sum, row) => sum + families.reduce((all, family) => all + typical(row, family), 0), 0)
    : 0;
  const byFamily = (isSplit ? families : []).map(family => [
    family,
    {
      time: of(row => typical(row, family)),
      share: rows.reduce((sum, row) => sum + typical(row, family), 0) / total,
    },
  ]);
  return {
    what,
    time,
    least: Math.min(...rounds),
    largest: Math.max(...rounds),
    operations,
    families: Object.fromEntries(byFamily) as Exponent['families'],
    needsReason: Math.abs(time / operations - 1) > tolerance,
  };
}

/** Explains why the time does not follow the operations. */
export function explain({ what, time, operations, families: byFamily }: Exponent, rows: readonly ScalingRow[]): string {
  const rate = (row: ScalingRow) => row.flops / median(row.milliseconds) / 1e6;
  const parts = Object.entries(byFamily).map(
    ([family, { time: exponent, share }]) =>
      `${family} (${Math.round(100 * share)} % of the kernels' time) with ${what}^${number(exponent)}`,
  );
  const rates = `from ${number(rate(rows[0]!))} to ${number(rate(rows.at(-1)!))} GFLOP/s`;
  return `time goes with ${what}^${number(time)}, operations with ${what}^${number(operations)} (${rates})${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`;
}
