/** Reports: from the folders of runs to one HTML file. */
import fs from 'node:fs';
import path from 'node:path';
import type { Device } from '../../core/index.js';
import type { RunConfig } from '../method/config.js';
import { FileError } from '../runs/file-error.js';
import { writeFileAtomic } from '../runs/files.js';
import { chooseItems, heldOutPuzzles, puzzleKey } from './choose.js';
import { computedSnapshots, storedSnapshots } from './snapshots.js';
import { pageBeginning, reportPage } from './page.js';
import type { PageOptions } from './page.js';
import type { ShownRun } from './puzzles.js';
import { finalResult, readRun } from './run-data.js';

export interface ReportOptions extends PageOptions {
  /** The folders of runs, each with its configuration; puzzles are chosen by what the first one came to. */
  readonly runs: readonly { readonly folder: string; readonly config: RunConfig }[];
  /** Where to write. Only an older report is overwritten. */
  readonly file: string;
  /** Runs the checkpoints' forward passes; left out: the page has no heat strips and no students between stages. */
  readonly device?: Device | undefined;
  /** How many puzzles are shown. Default 12. */
  readonly puzzles?: number;
  /** Receives one line for everything that was left out. */
  readonly warn?: (message: string) => void;
}

export interface WrittenReport {
  readonly file: string;
  readonly bytes: number;
  readonly puzzles: number;
}

/**
 * Writes the report of one run, or of several side by side.
 * @throws FileError if a folder cannot be read, or `file` not be written or is something else than a report
 */
export async function writeReport({ runs: folders, file, device, ...options }: ReportOptions): Promise<WrittenReport> {
  const { puzzles: count = 12, warn = () => {} } = options;
  requireReplaceable(file);
  const runs = folders.map(({ folder, config }) => readRun(folder, config, warn));
  const all = heldOutPuzzles(folders.map(({ config }) => config));
  const [first] = runs;
  if (!first) throw new RangeError('a report needs at least one run');
  const items = (finalResult(first)?.items ?? []).filter(item => all.has(puzzleKey(item)));
  const looked = new Set(first.looks.flatMap(look => look.items.map(puzzleKey)));
  const chosen = new Map(chooseItems(items, count, looked).map(item => [puzzleKey(item), all.get(puzzleKey(item))!]));
  const shown: ShownRun[] = [];
  for (const run of runs) {
    const judged = new Set([...run.rows.values()].flatMap(items => items.map(puzzleKey)));
    const known = new Map([...chosen].filter(([key]) => judged.has(key)));
    const snapshots =
      device && known.size > 0 ? await computedSnapshots(run, known, device, warn) : storedSnapshots(run, known);
    shown.push({ run, snapshots });
  }
  const page = reportPage(shown, chosen, all, options);
  writeFileAtomic(file, page);
  return { file, bytes: Buffer.byteLength(page), puzzles: chosen.size };
}

/** @throws FileError if something that is no report is in the way */
function requireReplaceable(file: string): void {
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (!found) return;
  if (found.isFile() && beginningOf(file) === pageBeginning) return;
  throw new FileError(
    `${file} is there already and is not a report: choose another name with --out; nothing was overwritten.`,
  );
}

function beginningOf(file: string): string {
  const handle = fs.openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(pageBeginning.length);
    const length = fs.readSync(handle, buffer, 0, buffer.length, 0);
    return buffer.toString('utf8', 0, length);
  } finally {
    fs.closeSync(handle);
  }
}

/** Default file: `report.html` in the run's folder, or `comparison.html` next to the first of several runs. */
export function defaultReportFile(folders: readonly string[]): string {
  const [first = '.'] = folders;
  return folders.length === 1 ? path.join(first, 'report.html') : path.join(path.dirname(first), 'comparison.html');
}
