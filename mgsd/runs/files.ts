/**
 * Files that are whole or not there: atomic writes, checked reads, and messages that say what to do.
 *
 * All of it is synchronous. A trainer writes few files, and while it does nothing else should move: no step may change
 * the parameters, no signal handler start a second write.
 */
import fs from 'node:fs';
import path from 'node:path';
import { FileError, jsonText, parseJson } from './file-error.js';

/** What the system's error codes mean for somebody who runs a training, and the way out. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder; check the path',
  EACCES: 'permission denied; choose another folder or change its permissions',
  EPERM: 'the system does not permit it; choose another folder or change its permissions',
  EROFS: 'the disk is read-only; choose a folder on another disk',
  ENOSPC: 'the disk is full; free some space and go on (a training with --resume)',
  EDQUOT: 'your disk quota is used up; free some space and go on (a training with --resume)',
  EFBIG: 'the file would be larger than the system allows',
  EIO: 'the disk reports a hardware error; copy what you can to another disk',
  EISDIR: 'this is a folder, but a file is needed',
  ENOTDIR: 'a part of the path is a file, but a folder is needed',
  EEXIST: 'it exists already',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links point to each other',
};

/** The code of a system error (`ENOENT`, ...), or undefined for any other value. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Turns a system error into a message for people; other errors (FileError among them) are passed through.
 * @param doing what failed, as in "cannot write"
 */
export function explain(error: unknown, doing: string, file: string): Error {
  const code = errorCode(error);
  if (code === undefined || error instanceof FileError)
    return error instanceof Error ? error : new FileError(`${doing} ${file}: ${String(error)}`);
  return new FileError(`${doing} ${file}: ${EXPLANATIONS[code] ?? code}.`, { cause: error });
}

let written = 0;

/** Name of a temporary file or folder: of what it will become, and of the process that writes it. */
const TEMPORARY = /^\.(.+)\.(\d+)-\d+\.tmp$/;

/**
 * A path beside `target` for a temporary file or folder that is renamed to it at the end. What killed processes left of
 * the same target is removed.
 */
export function temporaryBeside(target: string): string {
  const [folder, name] = [path.dirname(target), path.basename(target)];
  try {
    removeStale(folder, fs.readdirSync(folder), name);
  } catch {
    // A folder that is not there yet, or may not be listed: whoever writes into it says what is wrong.
  }
  return path.join(folder, `.${name}.${process.pid}-${written++}.tmp`);
}

/** Removes those of a folder's names that killed processes left there. @param of of this target alone */
function removeStale(folder: string, names: readonly string[], of?: string): void {
  for (const name of names) {
    const [, target, pid] = TEMPORARY.exec(name) ?? [];
    if (pid === undefined || (of !== undefined && target !== of)) continue;
    // one of this process's own id was left by an earlier process, as every container counts from 1
    if (Number(pid) === process.pid || !isAlive(Number(pid)))
      fs.rmSync(path.join(folder, name), { recursive: true, force: true });
  }
}

/** The descriptor of this process that a path stands for, as /dev/stdout does; undefined for other paths. */
function descriptorOf(file: string): number | undefined {
  const named = /^\/(?:dev|proc\/self)\/(?:fd\/(\d+)|(stdout|stderr))$/.exec(path.resolve(file));
  return named ? Number(named[1] ?? { stdout: 1, stderr: 2 }[named[2]!]) : undefined;
}

/** The file that a chain of symbolic links leads to, whether it exists or not. */
export function behindLinks(file: string): string {
  if (fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return file;
  fs.statSync(file, { throwIfNoEntry: false }); // throws where links run in a circle
  return behindLinks(path.resolve(fs.realpathSync(path.dirname(file)), fs.readlinkSync(file)));
}

/**
 * Writes a file so that after a crash or power cut at any moment either the old or the new contents are there, whole:
 * into a temporary file in the same folder, flushed to the disk, then renamed over the old one. The mode stays.
 * Symbolic links stay and what they lead to is written. What is no regular file (/dev/stdout, a pipe) is written into.
 *
 * @throws FileError; the old contents are then untouched and the temporary file is gone
 */
export function writeFileAtomic(file: string, contents: string | Uint8Array): void {
  let temporary = '';
  let folder: string;
  try {
    const descriptor = descriptorOf(file);
    const old = fs.statSync(file, { throwIfNoEntry: false });
    if (descriptor !== undefined || (old && !old.isFile() && !old.isDirectory())) {
      fs.writeFileSync(descriptor ?? file, contents);
      return;
    }
    const target = behindLinks(file);
    folder = path.dirname(target);
    temporary = temporaryBeside(target);
    const handle = fs.openSync(temporary, 'wx');
    try {
      fs.writeFileSync(handle, contents);
      if (old) fs.fchmodSync(handle, old.mode & 0o7777);
      fs.fsyncSync(handle);
    } finally {
      fs.closeSync(handle);
    }
    fs.renameSync(temporary, target);
  } catch (error) {
    try {
      fs.unlinkSync(temporary);
    } catch {
      // It was never made.
    }
    throw explain(error, 'Cannot write', file);
  }
  flushFolder(folder);
}

/**
 * Makes a folder and those above it. Node's own `recursive` never ends below /proc.
 * @returns the topmost one that was made; undefined if there is nothing to do
 */
export function makeFolders(folder: string): string | undefined {
  if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return undefined;
  const above = path.dirname(folder);
  const first = above === folder ? undefined : makeFolders(above);
  try {
    fs.mkdirSync(folder);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' || !fs.statSync(folder).isDirectory()) throw error; // another process was quicker
  }
  return first ?? folder;
}

/**
 * Checks that a folder can be written into or made, and changes nothing.
 * @returns what is in it, if it is there
 * @throws FileError
 */
export function requirePlace(folder: string): readonly string[] | undefined {
  try {
    let there = path.resolve(folder);
    while (fs.statSync(there, { throwIfNoEntry: false }) === undefined) there = path.dirname(there);
    const names = fs.readdirSync(there); // ENOTDIR where a file is in the way
    fs.accessSync(there, fs.constants.W_OK);
    return there === path.resolve(folder) ? names : undefined;
  } catch (error) {
    throw explain(error, 'Cannot make the folder', folder);
  }
}

/**
 * Writes a file of a folder that is not in its place yet (see `writeFolder`), and makes the folders above it. Neither
 * atomic nor flushed, since a crash leaves nothing of it.
 * @throws FileError
 */
export function writeNewFile(file: string, contents: string | Uint8Array): void {
  try {
    makeFolders(path.dirname(file));
    fs.writeFileSync(file, contents);
  } catch (error) {
    throw explain(error, 'Cannot write', file);
  }
}

/** Makes a folder and those above it, so that what is written into it later survives a power cut. @throws FileError */
export function makeFolder(folder: string): void {
  try {
    const first = makeFolders(folder);
    for (let made = folder; first !== undefined; made = path.dirname(made)) {
      flushFolder(path.dirname(made));
      if (path.resolve(made) === path.resolve(first)) return;
    }
  } catch (error) {
    throw explain(error, 'Cannot make the folder', folder);
  }
}

/**
 * Makes what was appended to a file survive a power cut; one that is not there has nothing to lose.
 * @throws FileError
 */
export function flushFile(file: string): void {
  try {
    syncPath(file, 'r+');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw explain(error, 'Cannot flush', file);
  }
  flushFolder(path.dirname(file));
}

function syncPath(file: string, flags: 'r' | 'r+'): void {
  const handle = fs.openSync(file, flags);
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

/** Makes new names survive a power cut. Some systems cannot open folders; they order renames themselves. */
function flushFolder(folder: string): void {
  try {
    syncPath(folder, 'r');
  } catch (error) {
    if (!['EPERM', 'EISDIR', 'EACCES', 'EINVAL', 'ENOTSUP'].includes(errorCode(error) ?? '')) {
      throw explain(error, 'Cannot flush', folder);
    }
  }
}

/**
 * Removes the temporary files that killed processes left in a folder and below it; those of other living processes
 * stay. Writing is synchronous, so this process has none.
 */
export function removeStaleTemporaries(folder: string): void {
  const found = fs.readdirSync(folder, { withFileTypes: true });
  for (const entry of found)
    if (entry.isDirectory() && !TEMPORARY.test(entry.name)) removeStaleTemporaries(path.join(folder, entry.name));
  removeStale(
    folder,
    found.map(({ name }) => name),
  );
}

/** Whether a process with this id runs on this machine. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0); // sends nothing, only checks
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM'; // it runs, but for somebody else
  }
}

/**
 * Reads a whole file of at most maxBytes (1 GiB if left out). Anything but a regular file is refused: a pipe would
 * block forever, a device never end.
 */
export function readFile(file: string, maxBytes = 2 ** 30): Buffer<ArrayBuffer> {
  let stat: fs.Stats;
  try {
    stat = fs.statSync(file); // before opening, which already blocks on a pipe
  } catch (error) {
    throw explain(error, 'Cannot read', file);
  }
  if (stat.isDirectory()) throw new FileError(`Cannot read ${file}: ${EXPLANATIONS['EISDIR']!}.`);
  if (!stat.isFile()) throw new FileError(`Cannot read ${file}: it is not a regular file.`);
  if (stat.size > maxBytes)
    throw new FileError(
      `Cannot read ${file}: it has ${stat.size} bytes, more than the ${maxBytes} that make sense here.`,
    );
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw explain(error, 'Cannot read', file);
  }
}

/** Writes a value as indented JSON, atomically. */
export function writeJson(file: string, value: unknown): void {
  writeFileAtomic(file, jsonText(value));
}

/** Reads and parses a JSON file of at most 16 MiB; what is in it is for the caller to check. @throws FileError */
export function readJson(file: string): unknown {
  return parseJson(readFile(file, 2 ** 24).toString('utf8'), file);
}
