/**
 * A run's store as a folder of files; besides what store.ts lists it holds
 *
 *     config.json                         what was asked for; makes a folder a run
 *     lock/, pid                          while a training runs: who holds the folder
 *
 * Each file is written atomically (the log line by line), so a crash at any moment leaves a folder one can resume from.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Checkpoint } from '../../models/index.js';
import { decodeStored } from './checkpoints.js';
import { FileError } from './file-error.js';
import {
  explain,
  flushFile,
  makeFolder,
  readFile,
  removeStaleTemporaries,
  requirePlace,
  writeFileAtomic,
} from './files.js';
import { lockFolder } from './lock.js';
import { RunStore } from './store.js';
import type { StoreOptions } from './store.js';

const CONFIG = 'config.json';

/** The folder of a run; `create` and `open` lock it for this process. */
export class RunFolder extends RunStore {
  readonly path: string;
  readonly #release: () => void;

  private constructor(folder: string, release: () => void, options?: StoreOptions) {
    super(options);
    this.path = folder;
    this.#release = release;
  }

  /** A run's folder for reading alone, not locked: another process may be training in it. */
  static read(folder: string, options?: StoreOptions): RunFolder {
    return new RunFolder(folder, () => {}, options);
  }

  /**
   * Begins a run in a new or empty folder, which is then locked for this process.
   * @param config written to config.json
   * @throws FileError if the folder holds anything already, is in use, or cannot be written
   */
  static create(folder: string, config: unknown, options?: StoreOptions): RunFolder {
    try {
      makeFolder(folder);
      requireEmpty(folder);
    } catch (error) {
      throw explain(error, 'Cannot make the run folder', folder);
    }
    const run = new RunFolder(folder, lockFolder(folder), options);
    try {
      if (run.has(CONFIG)) requireEmpty(folder); // another process was quicker, and is done
      removeStaleTemporaries(folder);
      run.writeJson(CONFIG, config);
    } catch (error) {
      run.close();
      throw error;
    }
    return run;
  }

  /**
   * Checks that a run can begin in a folder, and changes nothing.
   * @throws FileError where `create` would
   */
  static requireNew(folder: string): void {
    requireEmpty(folder, requirePlace(folder) ?? []);
  }

  /**
   * Opens an existing run, and locks its folder for this process.
   * @throws FileError if the folder is not a run or is in use
   */
  static open(folder: string, options?: StoreOptions): RunFolder {
    if (!RunFolder.isRun(folder))
      throw new FileError(`${folder} is not the folder of a run (it has no ${CONFIG}); check the path.`);
    const run = new RunFolder(folder, lockFolder(folder), options);
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

  file(name: string): string {
    return path.join(this.path, name);
  }

  names(): string[] {
    return fs.readdirSync(this.path);
  }

  read(name: string): Uint8Array {
    return readFile(this.file(name));
  }

  write(name: string, contents: string | Uint8Array): void {
    if (name.includes('/')) makeFolder(path.dirname(this.file(name)));
    writeFileAtomic(this.file(name), contents);
  }

  append(name: string, line: string): void {
    const file = this.file(name);
    try {
      const handle = fs.openSync(file, 'a+');
      try {
        const { size } = fs.fstatSync(handle);
        const last = Buffer.from('\n');
        if (size > 0) fs.readSync(handle, last, 0, 1, size - 1);
        if (last.toString() !== '\n') fs.ftruncateSync(handle, readFile(file).lastIndexOf('\n') + 1);
        fs.writeFileSync(handle, `${line}\n`);
      } finally {
        fs.closeSync(handle);
      }
    } catch (error) {
      throw explain(error, 'Cannot write', file);
    }
  }

  override flush(name: string): void {
    flushFile(this.file(name));
  }

  /** Removes a file; one that is not there is no error. @throws FileError if it cannot be removed */
  remove(name: string): void {
    fs.rmSync(this.file(name), { force: true });
  }

  override hostBytes(): number {
    return 1024 * process.resourceUsage().maxRSS;
  }

  /** Gives up the lock. May be called more than once; the end of the process does it too. */
  close(): void {
    this.#release();
  }
}

/** @throws FileError if there is more in a folder than a run leaves that was killed before it had written its config */
function requireEmpty(folder: string, names: readonly string[] = fs.readdirSync(folder)): void {
  const leftover = /^(lock|lock\.json|pid|\..+\.tmp)$/;
  const found = names.filter(name => !leftover.test(name));
  if (found.length === 0) return;
  throw new FileError(
    found.includes(CONFIG)
      ? `${folder} holds a run already: go on with it by --resume, or choose another folder.`
      : `${folder} is not empty and not a run (it has ${found[0]!}): choose another folder; nothing was overwritten.`,
  );
}

/** Reads a checkpoint file. @throws RefusedCheckpoint; FileError if it cannot be read at all */
export function readCheckpoint(file: string): Checkpoint {
  return decodeStored(file, readFile(file));
}
