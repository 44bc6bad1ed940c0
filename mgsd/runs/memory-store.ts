/** A run's store in memory: a browser has no folders. */
import { FileError } from './file-error.js';
import { RunStore } from './store.js';
import type { StoreOptions } from './store.js';

export class MemoryStore extends RunStore {
  readonly path: string;
  /** Each file in pieces, which are joined when it is read. */
  readonly #files = new Map<string, Uint8Array[]>();

  constructor(path = 'memory', files: Iterable<readonly [string, Uint8Array]> = [], options?: StoreOptions) {
    super(options);
    this.path = path;
    for (const [name, contents] of files) this.#files.set(name, [contents]);
  }

  file(name: string): string {
    return `${this.path}/${name}`;
  }

  names(): string[] {
    return [...this.#files.keys()];
  }

  read(name: string): Uint8Array {
    const pieces = this.#files.get(name);
    if (!pieces) throw new FileError(`Cannot read ${this.file(name)}: there is no such file.`);
    if (pieces.length === 1) return pieces[0]!;
    const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#files.set(name, [whole]);
    return whole;
  }

  write(name: string, contents: string | Uint8Array): void {
    this.#files.set(name, [typeof contents === 'string' ? new TextEncoder().encode(contents) : contents.slice()]);
  }

  append(name: string, line: string): void {
    const pieces = this.#files.get(name) ?? [];
    pieces.push(new TextEncoder().encode(`${line}\n`));
    this.#files.set(name, pieces);
  }

  remove(name: string): void {
    this.#files.delete(name);
  }
}
