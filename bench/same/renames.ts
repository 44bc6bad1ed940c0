/** The commit that the working tree is compared with, and all that may differ from it. */

/** Moves with every commit that changes bits and says why; the maps below are emptied then. */
export const baseline = '01fb1f75f338b8d686957d0d525af326a69b4208';

/** From the baseline's spelling to that of the working tree; null: gone. */
export type Renames = Readonly<Record<string, string | null>>;

export interface Allowed {
  /** Files of a run's folder. */
  readonly files: Renames;
  /** Keys of log.jsonl and watch.jsonl. */
  readonly log: Renames;
  /** Keys of all other JSON files, at any depth. */
  readonly json: Renames;
  readonly tensors: Renames;
  /** Keys of a checkpoint's metadata. */
  readonly metadata: Renames;
  /** Settings of the cases, by path; a path also renames what lies below it. */
  readonly settings: Renames;
  /** Words of a command line, as in `--direct`. */
  readonly options: Renames;
  /** What the working tree has and the baseline has not. */
  readonly added: Readonly<Record<'files' | 'log' | 'json' | 'tensors' | 'metadata', readonly string[]>>;
  /** Cases that the working tree can no longer run, and why. */
  readonly retired: Readonly<Record<string, string>>;
}

export const allowed: Allowed = {
  files: {},
  log: {},
  json: {},
  tensors: {},
  metadata: {},
  settings: {},
  options: {},
  added: { files: [], log: [], json: [], tensors: [], metadata: [] },
  retired: {},
};

/** Of the log: times, speeds and memory, which no two runs share. */
export const measured: readonly string[] = [
  'samplesPerSecond',
  'rolloutSeconds',
  'packSeconds',
  'updateSeconds',
  'deviceBytes',
  'hostBytes',
];

/** Files that say what was asked for, where it ran, or the same again as a page. */
export const leftOutFiles: readonly string[] = ['config.json', 'device.json', 'report.html', 'lock.json', 'pid'];

/** The configuration in its own spelling, and the hash of a file that holds it; of results, too. */
export const leftOutMetadata: readonly string[] = ['run', 'sha256', 'madeFrom'];
