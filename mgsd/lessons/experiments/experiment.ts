/** Small experiments for a class: each answers one question, in under two minutes on a laptop's processor. */
import type { Device } from '../../../core/index.js';

export interface ExperimentOptions {
  readonly device: Device;
  readonly seed: number;
  /** Share of the usual effort: 1 is what the lesson describes, less is for tests. */
  readonly effort: number;
  /** Receives a line about what is going on. */
  readonly onProgress: (line: string) => void;
}

export interface ExperimentResult {
  /** The outcome in lines for a terminal: a table, and one sentence that the figures support. */
  readonly lines: readonly string[];
  /** The same as plain data. */
  readonly data: Readonly<Record<string, unknown>>;
  /** A picture, as SVG that needs nothing else. */
  readonly svg: string;
}

export interface Experiment {
  readonly name: string;
  /** What is asked, in one line. */
  readonly question: string;
  /** The lesson it belongs to, from the repository's root. */
  readonly lesson: string;
  run(options: ExperimentOptions): Promise<ExperimentResult>;
}

/** At least `least`, and whole: so many updates or samples at this effort. */
export function scaled(count: number, effort: number, least = 1): number {
  return Math.max(least, Math.round(count * effort));
}

/** A table of text; the first column is flush left, the others right. */
export function textTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  return rows.map(row =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

export const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
