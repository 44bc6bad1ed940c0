/** How many puzzles and layouts a set has: what `data generate` and `data check` tell. */
import { overlapOf } from '../../exchange/generate.js';
import type { GenerateReport } from '../../exchange/generate.js';
import { drawTable } from '../results.js';
import type { Terminal } from '../terminal.js';

interface SetCounts {
  readonly samples: number;
  readonly layouts: ReturnType<typeof overlapOf>;
  /** By world, board size and side of the split; of layouts only the number. */
  readonly groups: readonly (Omit<GenerateReport, 'layouts'> & { readonly layouts: number })[];
}

export function countsOf(reports: readonly GenerateReport[]): SetCounts {
  return {
    samples: reports.reduce((sum, { samples }) => sum + samples, 0),
    layouts: overlapOf(reports),
    groups: reports.map(report => ({ ...report, layouts: report.layouts.length })),
  };
}

export function countsTable({ groups }: SetCounts, terminal: Terminal): string[] {
  const rows = groups.map(({ world, level, split, samples, layouts, byDifficulty }) => {
    const difficulties = Object.entries(byDifficulty).map(([name, count]) => `${name} ${count}`);
    return [`${world} ${level}x${level}, ${split}`, String(samples), String(layouts), difficulties.join(', ')];
  });
  return drawTable(terminal, ['puzzles', 'number', 'layouts', 'difficulty'], rows);
}

export function overlapLine({ layouts: { train, test, shared } }: SetCounts): string {
  return `${train} training and ${test} test layouts, ${shared} of them on both sides`;
}
