/** What goes wrong, in one line, with an exit code that says whose turn it is. */
import fs from 'node:fs';
import { DeviceError } from '../../core/index.js';
import { FileError } from '../runs/file-error.js';
import { errorCode, explain } from '../runs/files.js';

/** Something the user gave is wrong: an option, a config, a file. */
export class InputError extends Error {
  override name = 'InputError';
}

/** Exit codes of failures; a training that a signal ended has 128 + its number (130 for Ctrl-C, 143 for SIGTERM). */
export const exitCodes = {
  /** Anything that has no number of its own: a full disk, a mistake in this program. */
  failure: 1,
  /** Wrong options or input: nothing was begun. */
  input: 2,
  /** The GPU was lost. */
  lost: 3,
  /** Too many steps were not finite. */
  numbers: 4,
  /** Out of memory on the device. */
  memory: 5,
  /** A worker thread ended. */
  thread: 6,
} as const;

/** A failure with an exit code of its own. */
export class ExitError extends Error {
  override name = 'ExitError';
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Runs `body` on something the user gave: what it throws becomes an InputError, with `about` in front. */
export function checkInput<T>(body: () => T, about?: string): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const message = messageOf(error);
    throw new InputError(about === undefined ? message : `${about}: ${message}`, { cause: error });
  }
}

/** @throws InputError if an output is one of the files that a command reads, by whatever path */
export function requireOtherFile(outputs: readonly (string | undefined)[], ...inputs: readonly (string | undefined)[]) {
  const numberOf = (file = '') => {
    const found = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
    return found?.isFile() ? `${found.dev} ${found.ino}` : undefined;
  };
  const read = inputs.map(numberOf);
  for (const output of outputs) {
    const number = numberOf(output);
    if (number !== undefined && read.includes(number))
      throw new InputError(`${output!} is what this command reads, and would be lost: choose another file`);
  }
}

/** Characters of a line about an error; what is longer was never meant to be read. */
const MOST_CHARACTERS = 2000;

// what a terminal obeys instead of showing it: control characters, and those that turn the direction of text
const UNPRINTABLE = /\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
const COLOURS = /\u001b\[(?:[0-4]|2[2-4]|3[0-79]|9[0-7])m/; // eslint-disable-line no-control-regex
const SPECIAL = new RegExp(`${COLOURS.source}|${UNPRINTABLE.source}`, 'gu');

/**
 * A text that may hold names and values from files, for a terminal: what would move its cursor or forge its lines is
 * shown as an escape like `\u001b`, which JSON reads as the character itself. Line breaks and tabs stay, and plain
 * colours if they are wanted.
 */
export function printable(text: string, colours = false): string {
  const escape = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return text.replace(SPECIAL, found => {
    if (found.length > 1) return colours ? found : escape(found) + found.slice(1);
    return /[\n\t]/.test(found) ? found : escape(found);
  });
}

/** A text as one printable line of bounded length. */
export function oneLine(text: string): string {
  const line = printable(text.trim().replace(/\s*[\r\n]+\s*/g, ' '));
  const more = line.length - MOST_CHARACTERS;
  return more > 0 ? `${line.slice(0, MOST_CHARACTERS)} ... (and ${more} characters)` : line;
}

/** The one line that a user sees. */
export function errorLine(error: unknown): string {
  const text = oneLine(messageOf(error).slice(0, 10 * MOST_CHARACTERS)).replace(/^error:\s*/i, '');
  return `error: ${text === '' ? 'something failed without saying what; MGSD_DEBUG=1 shows where' : text}`;
}

/** System errors that no other option or path would mend. */
const SHORTAGES = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE']);

/** A system error that names a path, in the words that all commands have for it; any other error as it is. */
export function explained(error: unknown): unknown {
  if (!(error instanceof Error && 'path' in error && typeof error.path === 'string')) return error;
  const reads = { scandir: 'Cannot read', stat: 'Cannot read', lstat: 'Cannot read' };
  const doing: Readonly<Record<string, string>> = { mkdir: 'Cannot make the folder', ...reads };
  const call = 'syscall' in error ? String(error.syscall) : 'use';
  return explain(error, doing[call] ?? `Cannot ${call}`, error.path);
}

/** The exit code of a failure. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ExitError) return error.exitCode;
  if (error instanceof DeviceError) return exitCodes[error.fault];
  // what V8 and Node say when memory for an array, a string or a heap cannot be had
  if (
    error instanceof RangeError &&
    /allocat|invalid (?:typed )?array length|invalid string length/i.test(error.message)
  )
    return exitCodes.memory;
  const codes: (string | undefined)[] = [];
  for (let at = error; at instanceof Error; at = at.cause) codes.push(errorCode(at));
  if (codes.some(code => code !== undefined && SHORTAGES.has(code))) return exitCodes.failure;
  const isInput = error instanceof InputError || error instanceof FileError;
  return isInput ? exitCodes.input : exitCodes.failure;
}
