/**
 * The lock of a run's folder: two trainings that write into one folder would mix their logs and checkpoints.
 *
 * The lock is a folder with one file, which names its holder. It is renamed into place whole: no rename replaces a
 * folder that is not empty, so of several processes exactly one succeeds, and nobody ever sees a lock without its
 * holder. The file of a holder that has died is deleted by name, which cannot hit a newer holder. Neither hard links
 * nor timers are needed, so a lock also survives a step that blocks the event loop.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { FileError } from './file-error.js';
import { errorCode, explain, isAlive } from './files.js';

const LOCK = 'lock';

/** The id of the holder, alone on its line, for `kill $(cat runs/NAME/pid)`. */
const PID = 'pid';

interface Holder {
  readonly pid: number;
  /** Start time of the process as the system counts it: tells it from a later process with the same id. */
  readonly started: string;
  readonly host: string;
}

/** Name of a holder's file: `<pid>-<started>@<host>`. */
const nameOf = ({ pid, started, host }: Holder) => `${pid}-${started}@${host}`;

function parseHolder(name: string): Holder | undefined {
  const [, pid, started = '', host = ''] = /^(\d+)-(\d*)@(.*)$/.exec(name) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), started, host };
}

/** Start time of a process in clock ticks since boot, from Linux's /proc; empty elsewhere. */
function startOf(pid: number): string {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets, which may itself contain blanks and brackets.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''; // field 22
  } catch {
    return '';
  }
}

/**
 * Whether the holder may still be writing. One on another machine (a shared disk) cannot be asked, so it counts as
 * alive.
 */
function mayBeAlive({ pid, started, host }: Holder): boolean {
  if (host !== os.hostname()) return true;
  return isAlive(pid) && (started === '' || started === startOf(pid));
}

/** Names of the holders' files: at most one. */
function holderNames(folder: string): string[] {
  try {
    return fs.readdirSync(path.join(folder, LOCK));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The living process (this one included) among holders' names, if any. */
const livingHolder = (names: readonly string[]): Holder | undefined =>
  names.flatMap(name => parseHolder(name) ?? []).find(mayBeAlive);

/** Whether a living process (this one included) holds the lock of a folder at the moment. */
export const isLocked = (folder: string): boolean => livingHolder(holderNames(folder)) !== undefined;

/**
 * Takes the lock of a folder for this process, until `release` is called or the process ends.
 *
 * @returns release, which may be called more than once
 * @throws FileError if a living process (this one included) holds it
 */
export function lockFolder(folder: string): () => void {
  const lock = path.join(folder, LOCK);
  const mine = nameOf({ pid: process.pid, started: startOf(process.pid), host: os.hostname() });
  try {
    takeLock(folder, lock, mine);
    fs.writeFileSync(path.join(folder, PID), `${process.pid}\n`);
  } catch (error) {
    throw explain(error, 'Cannot lock', folder);
  }

  let held = true;
  const release = (): void => {
    if (!held) return;
    held = false;
    process.off('exit', release);
    try {
      if (!fs.existsSync(path.join(lock, mine))) return; // somebody deleted our lock by hand and took over
      fs.rmSync(path.join(folder, PID), { force: true });
      fs.rmSync(path.join(lock, mine));
      fs.rmdirSync(lock);
    } catch {
      // Another process already took it, or the folder is gone or read-only: a dead holder's lock is stale anyway.
    }
  };
  process.on('exit', release);
  return release;
}

function takeLock(folder: string, lock: string, mine: string): void {
  const staged = path.join(folder, `.lock.${process.pid}-0.tmp`); // a name that `removeStaleTemporaries` knows
  fs.mkdirSync(staged, { recursive: true });
  try {
    fs.writeFileSync(path.join(staged, mine), '');
    while (!renamed(staged, lock)) {
      const names = holderNames(folder);
      const holder = livingHolder(names);
      if (holder) {
        const where = holder.host === os.hostname() ? '' : ` on ${holder.host}`;
        throw new FileError(
          `${folder} is in use by process ${holder.pid}${where}: wait for it, stop it, or choose another folder ` +
            `(if no such training runs any more, delete ${lock}).`,
        );
      }
      // Only what was found dead: who has come since has a name of his own.
      for (const name of names) fs.rmSync(path.join(lock, name), { recursive: true, force: true });
    }
  } finally {
    fs.rmSync(staged, { recursive: true, force: true });
  }
}

/** Renames a folder unless that would replace one that is not empty. */
function renamed(from: string, to: string): boolean {
  try {
    if (process.platform === 'win32') fs.rmdirSync(to); // Windows replaces not even an empty folder
  } catch {
    // It is not there, or not empty.
  }
  try {
    fs.renameSync(from, to);
    return true;
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (['ENOTEMPTY', 'EEXIST'].includes(code)) return false; // even if it is gone by now
    if (['EPERM', 'EACCES'].includes(code) && fs.existsSync(to)) return false; // Windows; or really no permission
    throw error;
  }
}
