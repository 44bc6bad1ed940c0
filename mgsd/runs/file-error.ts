/** Files that cannot be used, and JSON in them: no matter where they lie. */

import { JsonError, parseStrictJson } from '../../models/json.js';

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
    return parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new FileError(`Cannot read ${file}: it is not valid JSON (${error.message}).`, { cause: error });
  }
}

/** Parses a line of a file that has JSON on every line. @throws FileError with line and column of the first mistake */
export function parseJsonLine(text: string, number: number, file: string): unknown {
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const mistake = error.message.replace(/^line 1, /, '');
    throw new FileError(`${file}, line ${number}, ${mistake}`, { cause: error });
  }
}
