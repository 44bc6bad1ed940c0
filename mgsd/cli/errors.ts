/** What goes wrong, in one line, with an exit code that says whose turn it is. */

/** Something the user gave is wrong: an option, a config, a file. Exit code 2. */
export class InputError extends Error {
  override name = 'InputError';
}

/** Exit code for wrong options and input; anything else that fails ends with 1. */
export const inputExitCode = 2;

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
