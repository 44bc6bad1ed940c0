/** What goes wrong, in one line, with an exit code that says whose turn it is. */

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

/** The one line that a user sees. */
export function errorLine(error: unknown): string {
  const text = messageOf(error)
    .replace(/^error:\s*/i, '')
    .split(/\s*[\r\n]+\s*/)
    .filter(line => line !== '')
    .join(' ');
  return `error: ${text === '' ? 'something failed without saying what; MGSD_DEBUG=1 shows where' : text}`;
}
