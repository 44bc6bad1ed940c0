/**
 * The folder of a run: everything that a training leaves behind, and all that is needed to go on with it.
 *
 *     config.json                         what was asked for; makes a folder a run
 *     log.jsonl                           one line per step, in order
 *     watch.jsonl                         the same held-out puzzles, solved again and again while it learns
 *     checkpoint-<stage>-<step>.safetensors   the last few of each stage, and the best
 *     best.json                           which checkpoint of each stage scored best, and its score
 *     table.json, table.md                the final table, for programs and for people
 *     bad-step-<stage>-<step>.safetensors   a batch whose numbers were not finite, see bad-steps.ts
 *     set-aside-<n>/                      what came after a checkpoint that the run was taken back to
 *     lock/, pid                          while a training runs: who holds the folder
 *
 * Each file is written atomically (the log line by line), so at any moment a crash leaves a folder one can resume from.
 */
import fs from 'node:fs';
import path from 'node:path';
import { explain, FileError, readFile, readJson, removeStaleTemporaries, writeFileAtomic, writeJson } from './files.js';
import { lockFolder } from './lock.js';

const CONFIG = 'config.json';
const LOG = 'log.jsonl';
const BEST = 'best.json';

/** A line of the log: whatever the trainer reports, at least where it is. */
export interface LogRecord {
  readonly stage: string;
  readonly step: number;
  readonly [key: string]: unknown;
}

/** A checkpoint by its name; what is in it is the trainer's business. */
export interface CheckpointFile {
  readonly path: string;
  readonly stage: string;
  readonly step: number;
}

/** What a run folder needs to know of its run. */
export interface RunFolderOptions {
  /** The stages in the order in which a run goes through them: lower-case letters, digits and hyphens each. */
  readonly stages: readonly string[];
  /** How many checkpoints of each stage are kept besides the best, at least 1; 2 if left out. */
  readonly keepLast?: number;
  /** Receives one line for everything that was skipped or mended. */
  readonly warn?: (message: string) => void;
}

/** The folder of a run, locked for this process; see the head of this file for what lies in it. */
export class RunFolder {
  readonly path: string;
  readonly #stages: readonly string[];
  readonly #keepLast: number;
  readonly #warn: (message: string) => void;
  readonly #release: () => void;
  #log: number | undefined;

  private constructor(folder: string, { stages, keepLast = 2, warn = () => {} }: RunFolderOptions) {
    const bad = stages.find(stage => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stage));
    if (bad !== undefined)
      throw new RangeError(`"${bad}" cannot name a stage: use lower-case letters, digits and hyphens.`);
    if (!(keepLast >= 1))
      throw new RangeError(`keepLast is ${keepLast}, but at least the last checkpoint must be kept.`);
    this.path = folder;
    this.#stages = stages;
    this.#keepLast = keepLast;
    this.#warn = warn;
    this.#release = lockFolder(folder);
  }

  /**
   * Begins a run in a new or empty folder, which is then locked for this process.
   * @param config written to config.json
   * @throws FileError if the folder holds anything already, is in use, or cannot be written
   */
  static create(folder: string, config: unknown, options: RunFolderOptions): RunFolder {
    try {
      fs.mkdirSync(folder, { recursive: true });
      RunFolder.#requireEmpty(folder);
    } catch (error) {
      throw explain(error, 'Cannot make the run folder', folder);
    }
    const run = new RunFolder(folder, options);
    try {
      if (fs.existsSync(run.file(CONFIG))) RunFolder.#requireEmpty(folder); // another process was quicker, and is done
      writeJson(run.file(CONFIG), config);
    } catch (error) {
      run.close();
      throw error;
    }
    return run;
  }

  /**
   * Goes on with an existing run, and locks its folder for this process.
   * @throws FileError if the folder is not a run or is in use
   */
  static open(folder: string, options: RunFolderOptions): RunFolder {
    if (!RunFolder.isRun(folder))
      throw new FileError(`${folder} is not the folder of a run (it has no ${CONFIG}); check the path.`);
    const run = new RunFolder(folder, options);
    try {
      removeStaleTemporaries(folder);
    } catch (error) {
      run.close();
      throw explain(error, 'Cannot open the run folder', folder);
    }
    return run;
  }

  /** Whether a folder holds a run. */
  static isRun(folder: string): boolean {
    return fs.existsSync(path.join(folder, CONFIG));
  }

  static #requireEmpty(folder: string): void {
    // A run that was killed before it had written its config leaves its lock, temporaries, and nothing worth keeping.
    const leftover = /^(lock|lock\.json|pid|\..+\.tmp)$/;
    const found = fs.readdirSync(folder).filter(name => !leftover.test(name));
    if (found.length === 0) return;
    throw new FileError(
      found.includes(CONFIG)
        ? `${folder} holds a run already: go on with it by --resume, or choose another folder.`
        : `${folder} is not empty and not a run (it has ${found[0]!}): choose another folder; nothing was overwritten.`,
    );
  }

  /** The full path of a file in the folder. */
  file(name: string): string {
    return path.join(this.path, name);
  }

  /** Closes the log and gives the folder free. May be called more than once; the end of the process does it too. */
  close(): void {
    this.#closeLog();
    this.#release();
  }

  #closeLog(): void {
    if (this.#log !== undefined) fs.closeSync(this.#log);
    this.#log = undefined;
  }

  /** What config.json holds, unchecked. @throws FileError if it cannot be read */
  readConfig(): unknown {
    return readJson(this.file(CONFIG));
  }

  /** Appends one line to the log. Numbers that JSON cannot hold (NaN, Infinity) are written as their names. */
  appendLog(record: LogRecord): void {
    const line = JSON.stringify(record, (_key, value: unknown) =>
      typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
    );
    try {
      this.#log ??= this.#openLog();
      fs.writeFileSync(this.#log, `${line}\n`);
    } catch (error) {
      this.#closeLog(); // opening it again cuts off what a full disk left of the line
      throw explain(error, 'Cannot write', this.file(LOG));
    }
  }

  /** Opens the log for appending, without the half line that a crash may have left at its end. */
  #openLog(): number {
    const log = this.file(LOG);
    if (fs.existsSync(log)) {
      const whole = readFile(log).lastIndexOf('\n') + 1;
      fs.truncateSync(log, whole);
    }
    return fs.openSync(log, 'a');
  }

  /** All lines of the log. A half line at the end is normal after a crash and left out; damaged ones are, with a warning. */
  readLog(): LogRecord[] {
    const log = this.file(LOG);
    if (!fs.existsSync(log)) return [];
    const lines = readFile(log).toString('utf8').split('\n');
    lines.pop(); // what follows the last line break: nothing, or a half line
    return lines.flatMap((line, i) => {
      try {
        const record: unknown = JSON.parse(line);
        if (isRecord(record)) return [record];
      } catch {
        // Reported below, like a line that is JSON but no record.
      }
      this.#warn(`${log}: line ${i + 1} is damaged and was left out.`);
      return [];
    });
  }

  /** Takes a stage's log back to a checkpoint: drops what came after the given step, since a resumed run writes it again. */
  rewindLog(stage: string, step: number): void {
    const kept = this.readLog().filter(record => record.stage !== stage || record.step <= step);
    this.#closeLog();
    writeFileAtomic(this.file(LOG), kept.map(record => `${JSON.stringify(record)}\n`).join(''));
  }

  /**
   * Takes the run back to a checkpoint: later ones, and the files that are named, go into a new folder `set-aside-<n>`, with a
   * copy of the log.
   * @returns that folder, undefined if nothing had to be moved
   */
  setAside({ stage, step }: CheckpointFile, names: readonly string[]): string | undefined {
    const order = (name: string): number => this.#stages.indexOf(name);
    const isLater = (other: CheckpointFile) =>
      order(other.stage) > order(stage) || (other.stage === stage && other.step > step);
    const later = this.checkpoints().filter(isLater).map(file => path.basename(file.path)); // prettier-ignore
    const found = [...later, ...names].filter(name => fs.existsSync(this.file(name)));
    if (found.length === 0) return undefined;
    let n = 1;
    while (fs.existsSync(this.file(`set-aside-${n}`))) n++;
    const target = this.file(`set-aside-${n}`);
    try {
      fs.mkdirSync(target);
      if (fs.existsSync(this.file(LOG))) fs.copyFileSync(this.file(LOG), path.join(target, LOG));
      for (const name of found) fs.renameSync(this.file(name), path.join(target, name));
    } catch (error) {
      throw explain(error, 'Cannot move files to', target);
    }
    return target;
  }

  /** The checkpoints in the folder, the newest (by stage, then step) first. Other files are ignored. */
  checkpoints(): CheckpointFile[] {
    const found: CheckpointFile[] = [];
    for (const name of fs.readdirSync(this.path)) {
      const match = /^checkpoint-(.+)-(\d+)\.safetensors$/.exec(name);
      const [, stage = '', step = ''] = match ?? [];
      if (this.#stages.includes(stage)) found.push({ path: this.file(name), stage, step: Number(step) });
    }
    const order = (stage: string): number => this.#stages.indexOf(stage);
    return found.sort((a, b) => order(b.stage) - order(a.stage) || b.step - a.step);
  }

  /**
   * Writes a checkpoint and then removes the ones that are no longer kept: of each stage all but the last few, and never
   * the best one.
   * @param score the success by which the best checkpoint is chosen (larger is better); left out or NaN: not rated
   * @returns its path
   */
  saveCheckpoint(stage: string, step: number, contents: Uint8Array, score = NaN): string {
    if (!this.#stages.includes(stage) || !Number.isSafeInteger(step) || step < 0)
      throw new RangeError(`No checkpoint can be named after stage ${JSON.stringify(stage)} and step ${step}.`);
    const file = this.file(checkpointName(stage, step));
    writeFileAtomic(file, contents);
    this.rate(stage, step, score);
    const best = new Set(this.#stages.map(name => this.best(name)?.path));
    const kept = new Map<string, number>();
    for (const old of this.checkpoints()) {
      const count = (kept.get(old.stage) ?? 0) + 1;
      kept.set(old.stage, count);
      if (count <= this.#keepLast || best.has(old.path) || old.path === file) continue;
      fs.rmSync(old.path, { force: true });
    }
    return file;
  }

  /** Notes how good a checkpoint is, if none of its stage was better. @param score larger is better; NaN: not rated */
  rate(stage: string, step: number, score: number): void {
    if (!(score > (this.best(stage)?.score ?? -Infinity))) return;
    writeJson(this.file(BEST), { ...this.#ratings(), [stage]: { file: checkpointName(stage, step), score } });
  }

  /** The best checkpoint of a stage so far and its score, or undefined if none was rated (or it is gone). */
  best(stage: string): { path: string; score: number } | undefined {
    const { file, score } = (this.#ratings()[stage] ?? {}) as { file?: unknown; score?: unknown };
    const found = this.checkpoints().find(checkpoint => path.basename(checkpoint.path) === file);
    return found && typeof score === 'number' ? { path: found.path, score } : undefined;
  }

  #ratings(): Record<string, unknown> {
    const record = this.file(BEST);
    if (!fs.existsSync(record)) return {};
    try {
      const ratings = readJson(record);
      return typeof ratings === 'object' && ratings !== null ? { ...ratings } : {};
    } catch (error) {
      this.#warn(`${error instanceof Error ? error.message : String(error)} The best checkpoint is chosen anew.`);
      fs.rmSync(record, { force: true }); // said once
      return {};
    }
  }

  /** The final table, as data and as Markdown. */
  writeTable(table: unknown, markdown: string): void {
    writeJson(this.file('table.json'), table);
    writeFileAtomic(this.file('table.md'), markdown.endsWith('\n') ? markdown : `${markdown}\n`);
  }
}

const checkpointName = (stage: string, step: number) => `checkpoint-${stage}-${step}.safetensors`;

function isRecord(value: unknown): value is LogRecord {
  const { stage, step } = (value ?? {}) as Partial<LogRecord>;
  return typeof stage === 'string' && typeof step === 'number';
}
