/** Files that cannot be used, and JSON in them: no matter where they lie. */

/** A file that cannot be read or written, in one line with its path, what is wrong and what to do. */
export class FileError extends Error {
  override name = 'FileError';
}

/** A value as a file holds it. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/**
 * Parses the JSON of a file; what is in it is for the caller to check.
 * @throws FileError with the line and column of the first mistake
 */
export function parseJson(contents: string, file: string): unknown {
  const text = contents.replace(/^\uFEFF/, ''); // some editors put a byte order mark in front
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new FileError(`Cannot read ${file}: it is not valid JSON${placeOf(message, text)}.`, { cause: error });
  }
}

/** " (line 3, column 7)" for the position that V8's message names, or nothing if it names none. */
function placeOf(message: string, text: string): string {
  const stated = /position (\d+)/.exec(message)?.[1];
  const position = stated === undefined ? (message.includes('end of JSON') ? text.length : undefined) : Number(stated);
  if (position === undefined) return '';
  const before = text.slice(0, position).split('\n');
  return ` (line ${before.length}, column ${before.at(-1)!.length + 1})`;
}
