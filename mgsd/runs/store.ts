/**
 * Where a run keeps what it leaves behind. Five operations on named files are all that a place must offer: a folder of
 * files does (run-folder.ts), and so does memory (memory-store.ts). They are synchronous, so that nothing moves while a
 * checkpoint is written; a place that is asynchronous keeps its files in memory and writes behind.
 *
 *     log.jsonl                           one line per update, in order
 *     watch.jsonl                         the same held-out puzzles, solved at several moments of the training
 *     checkpoint-<stage>-<step>.safetensors   the last few of each stage, and the best
 *     best.json                           which checkpoint of each stage scored best, and its score
 *     evaluation-<row>.json, perception-<stage>.json   outcomes, puzzle by puzzle
 *     table.json, table.md                the final table, for programs and for people
 *     device.json                         what it is computed on
 *     set-aside-<n>/                      what came after a checkpoint that the run was taken back to
 *
 * Results say what they were made from (evaluation/made-from.ts). Log, looks, the choice of the best and the checkpoint
 * are made durable in this order, and a resumed run takes the first three back to the checkpoint: it then leaves the
 * files of a run that nothing stopped.
 */
import { nextTurn } from '../../core/index.js';
import { FileError, jsonText, parseJson, parseJsonLine } from './file-error.js';
import { stageNames, stagesFrom } from './order.js';
import type { StageName } from '../method/stages/stage.js';

const LOG = 'log.jsonl';

/** Looks at held-out puzzles, see looks.ts. */
export const looksFile = 'watch.jsonl';
const BEST = 'best.json';

/** A line of the log: whatever the trainer reports, at least where it is. */
export interface LogRecord {
  readonly stage: string;
  readonly step: number;
  readonly [key: string]: unknown;
}

/** A checkpoint by its name; what is in it is the trainer's business. */
export interface CheckpointFile {
  readonly name: string;
  readonly path: string;
  readonly stage: StageName;
  readonly step: number;
}

/** How a store behaves. */
export interface StoreOptions {
  /** How many checkpoints of each stage are kept besides the best, at least 1. Default 2. */
  readonly keepLast?: number;
  /** Receives one line for everything that was skipped or mended. */
  readonly warn?: (message: string) => void;
}

/** The files of a run by name; the head of this file lists them. */
export abstract class RunStore {
  /** What messages call the run. */
  abstract readonly path: string;
  readonly #keepLast: number;
  readonly #warn: (message: string) => void;

  constructor({ keepLast = 2, warn = () => {} }: StoreOptions = {}) {
    if (!(keepLast >= 1))
      throw new RangeError(`keepLast is ${keepLast}, but at least the last checkpoint must be kept.`);
    this.#keepLast = keepLast;
    this.#warn = warn;
  }

  /** What messages call a file. */
  abstract file(name: string): string;
  /** Names of all files; of those in a subfolder at least its name. */
  abstract names(): string[];
  /** @throws FileError */
  abstract read(name: string): Uint8Array;
  /** Writes a file that is whole or not there, whatever happens; `name` may be in one subfolder. @throws FileError */
  abstract write(name: string, contents: string | Uint8Array): void;
  /** Appends a line, after cutting off the half line that a crash may have left. @throws FileError */
  abstract append(name: string, line: string): void;
  /** Removes a file; one that is not there is no error. @throws FileError if it cannot be removed */
  abstract remove(name: string): void;

  /** Makes what was appended survive a power cut, where that takes more than to append it. @throws FileError */
  flush(_name: string): void {}

  /** Lets events through between two updates: signals, progress bars. */
  pause(): Promise<void> {
    return nextTurn();
  }

  /** Most bytes that the process ever had; 0 where that is not known, as in a browser. */
  hostBytes(): number {
    return 0;
  }

  /** Whether there is a file of this name. */
  has(name: string): boolean {
    return this.names().includes(name);
  }

  /** @throws FileError with the line and column of the first mistake */
  readJson(name: string): unknown {
    return parseJson(new TextDecoder().decode(this.read(name)), this.file(name));
  }

  /** Writes indented JSON. */
  writeJson(name: string, value: unknown): void {
    this.write(name, jsonText(value));
  }

  /** The whole lines of a file; none if it is not there. */
  readLines(name: string): string[] {
    return this.has(name) ? new TextDecoder().decode(this.read(name)).split('\n').slice(0, -1) : [];
  }

  /** Appends one line to the log. Numbers that JSON cannot hold (NaN, Infinity) are written as their names. */
  appendLog(record: LogRecord): void {
    const named = (_key: string, value: unknown) =>
      typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
    this.append(LOG, JSON.stringify(record, named));
  }

  /** All lines of the log, or of the looks; damaged ones are left out with a warning. */
  readLog(name = LOG): LogRecord[] {
    return this.readLines(name).flatMap((line, i) => {
      try {
        const record = parseJsonLine(line, i + 1, this.file(name));
        if (isRecord(record)) return [record];
        throw new FileError(`${this.file(name)}, line ${i + 1}: it names no stage and step`);
      } catch (error) {
        this.#warn(`${(error as FileError).message}; the line was left out.`);
        return [];
      }
    });
  }

  /**
   * Takes log, looks and the choice of the best checkpoint back to a step of a stage, as they were when a straight run
   * was there: a resumed run writes again what came after it.
   */
  rewind(stage: StageName, step: number): void {
    const isKept = (record: LogRecord) => record.stage !== stage || record.step <= step;
    for (const name of [LOG, looksFile].filter(each => this.has(each))) {
      const kept = this.readLog(name).filter(isKept);
      this.write(name, kept.map(record => `${JSON.stringify(record)}\n`).join(''));
    }
    const looks = this.readLog(looksFile).filter(record => record.stage === stage);
    const rated = looks.map(look => ({ file: checkpointName(stage, look.step), score: look['score'] }));
    const known = [this.#ratings()[stage], ...rated].filter(isRating).filter(({ file }) => {
      const found = this.checkpoints().find(({ name }) => name === file);
      return found !== undefined && found.step <= step;
    });
    const first = known.length > 0 ? known.reduce((best, next) => (next.score > best.score ? next : best)) : undefined;
    if (first ?? this.has(BEST)) this.#writeRating(stage, first);
  }

  /**
   * Takes the run back to a step of a stage: later checkpoints of it and of the stages that build on it, and the named
   * files, are moved to a new subfolder `set-aside-<n>`, beside copies of log and looks.
   * @returns that subfolder, undefined if nothing had to be moved
   */
  setAside({ stage, step }: Pick<CheckpointFile, 'stage' | 'step'>, names: readonly string[]): string | undefined {
    const others = stagesFrom(stage).slice(1);
    const isLater = (other: CheckpointFile) =>
      others.includes(other.stage) || (other.stage === stage && other.step > step);
    const later = this.checkpoints().filter(isLater);
    const found = [...later.map(({ name }) => name), ...names.filter(name => this.has(name))];
    if (found.length === 0) return undefined;
    const taken = new Set(this.names().map(name => name.split('/')[0]));
    let n = 1;
    while (taken.has(`set-aside-${n}`)) n++;
    const target = `set-aside-${n}`;
    for (const name of [LOG, looksFile]) if (this.has(name)) this.write(`${target}/${name}`, this.read(name));
    for (const name of found) {
      this.write(`${target}/${name}`, this.read(name));
      this.remove(name);
    }
    return this.file(target);
  }

  /** The checkpoints, newest first (by stage, then step). Other files are ignored. */
  checkpoints(): CheckpointFile[] {
    const found = this.names().flatMap(name => parseCheckpointName(name, this.file(name)) ?? []);
    return found.sort((a, b) => place(b.stage) - place(a.stage) || b.step - a.step);
  }

  /**
   * Writes a checkpoint, then removes those no longer kept. What belongs to it is made durable first, so that no crash
   * leaves one without it: log and looks, then the choice of the best.
   * @param score larger is better; NaN: not rated
   * @param isRegular see `prune`
   * @returns its path
   */
  saveCheckpoint(
    stage: StageName,
    step: number,
    contents: Uint8Array,
    score = NaN,
    isRegular?: (step: number) => boolean,
  ): string {
    if (!stageNames.includes(stage) || !Number.isSafeInteger(step) || step < 0)
      throw new RangeError(`No checkpoint can be named after stage ${JSON.stringify(stage)} and step ${step}.`);
    const name = checkpointName(stage, step);
    for (const file of [LOG, looksFile]) this.flush(file);
    this.rate(stage, step, score);
    this.write(name, contents);
    this.prune(stage, isRegular, name);
    return this.file(name);
  }

  /**
   * Removes the checkpoints of a stage that are not kept: all but the newest, the last few regular ones and the best.
   * @param isRegular whether a run that nothing stops saves one after these steps. One that an interruption has saved
   *   goes as soon as there is a newer one, so that a resumed run leaves the files of a straight one.
   * @param saved name of one that has just been saved and stays
   */
  prune(stage: StageName, isRegular: (step: number) => boolean = () => true, saved?: string): void {
    const all = this.checkpoints().filter(file => file.stage === stage);
    const regular = all.filter(({ step }) => isRegular(step)).slice(0, this.#keepLast);
    const kept = [all[0], ...regular].map(file => file?.path).concat(this.best(stage)?.path);
    for (const { path, name } of all) if (!kept.includes(path) && name !== saved) this.remove(name);
  }

  /** Notes the score of a checkpoint, if none of its stage was better. @param score larger is better; NaN: not rated */
  rate(stage: StageName, step: number, score: number): void {
    if (!(score > (this.best(stage)?.score ?? -Infinity))) return;
    this.#writeRating(stage, { file: checkpointName(stage, step), score });
  }

  #writeRating(stage: StageName, rating: Rating | undefined): void {
    const all = { ...this.#ratings(), [stage]: rating };
    this.writeJson(BEST, Object.fromEntries(stageNames.map(name => [name, all[name]])));
  }

  /** The best checkpoint of a stage so far and its score; undefined if none was rated, or it is gone. */
  best(stage: StageName): { readonly path: string; readonly score: number } | undefined {
    const rating = this.#ratings()[stage];
    if (!isRating(rating)) return undefined;
    const found = this.checkpoints().find(({ name }) => name === rating.file);
    return found && { path: found.path, score: rating.score };
  }

  #ratings(): Record<string, unknown> {
    if (!this.has(BEST)) return {};
    try {
      const ratings = this.readJson(BEST);
      return typeof ratings === 'object' && ratings !== null ? { ...ratings } : {};
    } catch (error) {
      this.#warn(`${error instanceof Error ? error.message : String(error)} The best checkpoint is chosen anew.`);
      this.remove(BEST); // so that it is said once
      return {};
    }
  }

  /** The final table, as data and as Markdown. */
  writeTable(table: unknown, markdown: string): void {
    this.writeJson('table.json', table);
    this.write('table.md', markdown.endsWith('\n') ? markdown : `${markdown}\n`);
  }
}

/** Place of a stage in a run. */
const place = (stage: StageName) => stageNames.indexOf(stage);

const checkpointName = (stage: StageName, step: number) => `checkpoint-${stage}-${step}.safetensors`;

/** Stage and step of a checkpoint by its name; undefined for other names. */
export function parseCheckpointName(name: string, path: string): CheckpointFile | undefined {
  const [, found, step] = /^checkpoint-(.+)-(\d+)\.safetensors$/.exec(name) ?? [];
  const stage = stageNames.find(each => each === found);
  return stage && { name, path, stage, step: Number(step) };
}

/** Of best.json: the best checkpoint of a stage. */
interface Rating {
  readonly file: string;
  readonly score: number;
}

function isRating(value: unknown): value is Rating {
  const { file, score } = (value ?? {}) as Partial<Rating>;
  return typeof file === 'string' && typeof score === 'number';
}

function isRecord(value: unknown): value is LogRecord {
  const { stage, step } = (value ?? {}) as Partial<LogRecord>;
  return typeof stage === 'string' && typeof step === 'number';
}
