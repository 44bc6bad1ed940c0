/**
 * The lock of a run's folder: two trainings that write into one folder would mix their logs and checkpoints. A lock names
 * the process that holds it, so one that a killed process left behind is recognised and taken over.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { errorCode, explain, FileError, isAlive } from './files.js';

const LOCK = 'lock.json';

/** The id of the holder, alone on its line, for `kill $(cat runs/NAME/pid)`. */
const PID = 'pid';

interface Holder {
  pid: number;
  host: string;
  /** When that process started, as the system counts it: tells it from a later process with the same id. */
  started: string | null;
}

/** Start time of a process in clock ticks since boot, from Linux's /proc; null where there is none. */
function startOf(pid: number): string | null {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets, which may itself hold spaces and brackets.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null; // field 22
  } catch {
    return null;
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, host, started = null } = JSON.parse(text) as Partial<Holder>;
    return Number.isSafeInteger(pid) && pid! > 0 && typeof host === 'string' ? { pid: pid!, host, started } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the holder may still be writing. One on another machine (a shared disk) cannot be asked, so it counts as alive. */
function mayBeAlive(holder: Holder): boolean {
  if (holder.host !== os.hostname()) return true;
  if (!isAlive(holder.pid)) return false;
  return holder.started === null || startOf(holder.pid) === holder.started;
}

/** Whether a living process (this one included) holds the lock of a folder at the moment. */
export function isLocked(folder: string): boolean {
  try {
    const holder = parseHolder(fs.readFileSync(path.join(folder, LOCK), 'utf8'));
    return holder !== undefined && mayBeAlive(holder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Creates a file with these contents in one step; throws EEXIST if there is one. */
function createWhole(file: string, contents: string): void {
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, contents);
  try {
    fs.linkSync(temporary, file);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') throw error;
    fs.writeFileSync(file, contents, { flag: 'wx' }); // a file system without hard links
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

/**
 * Takes the lock of a folder for this process, until `release` is called or the process ends.
 *
 * @returns release, which may be called more than once
 * @throws FileError if a living process (this one included) holds it
 */
export function lockFolder(folder: string): () => void {
  const lock = path.join(folder, LOCK);
  const pidFile = path.join(folder, PID);
  const mine = JSON.stringify({
    pid: process.pid,
    host: os.hostname(),
    started: startOf(process.pid),
  } satisfies Holder);
  try {
    while (!tryLock(lock, mine, folder));
    fs.writeFileSync(pidFile, `${process.pid}\n`);
  } catch (error) {
    throw explain(error, 'Cannot lock', folder);
  }

  let held = true;
  const release = (): void => {
    if (!held) return;
    held = false;
    process.off('exit', release);
    try {
      if (fs.readFileSync(lock, 'utf8') !== mine) return; // somebody removed ours by hand and took over
      fs.rmSync(pidFile, { force: true });
      fs.rmSync(lock, { force: true });
    } catch {
      // The folder is gone or read-only by now: the lock is stale as soon as this process ends.
    }
  };
  process.on('exit', release);
  return release;
}

/** One attempt; false if the lock was stale (it is then removed) or vanished, so that another attempt makes sense. */
function tryLock(lock: string, mine: string, folder: string): boolean {
  try {
    createWhole(lock, mine);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  try {
    const text = fs.readFileSync(lock, 'utf8');
    const holder = parseHolder(text);
    if (holder && mayBeAlive(holder)) {
      const where = holder.host === os.hostname() ? '' : ` on ${holder.host}`;
      throw new FileError(
        `${folder} is in use by process ${holder.pid}${where}: wait for it, stop it, or choose another folder ` +
          `(if no such training runs any more, delete ${lock}).`,
      );
    }
    // Of several processes that find the same stale lock, each moves a file aside, but maybe the new lock of the quickest.
    const aside = `${lock}.stale-${process.pid}`;
    fs.renameSync(lock, aside);
    if (fs.readFileSync(aside, 'utf8') !== text) fs.linkSync(aside, lock);
    fs.rmSync(aside, { force: true });
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error; // somebody else was quicker: look again
  }
  return false;
}
