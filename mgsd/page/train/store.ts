/**
 * The run that this browser keeps: in memory while it trains, and in IndexedDB as of its last checkpoint. There is one;
 * a new run takes its place.
 */
import { clear, createStore, entries, promisifyRequest } from 'idb-keyval';
import { MemoryStore } from '../../runs/memory-store.js';
import { messageOf } from '../protocol.js';

const database = createStore('mgsd-lite', 'run');

/** Told what happens to the files. */
export interface StoreObserver {
  /** A line was appended to a file. */
  onLine(name: string, line: string): void;
  onNote(note: string): void;
}

export class BrowserStore extends MemoryStore {
  readonly #observer: StoreObserver;
  /** Names of files that are not stored as they are now. */
  readonly #changed = new Set<string>();
  #replaces: boolean;
  #stored: Promise<void> = Promise.resolve();
  #isFailing = false;

  /** @param files those that are stored; left out: a new run, which replaces them */
  constructor(observer: StoreObserver, files?: Iterable<readonly [string, Uint8Array]>) {
    super('this run', files, { warn: note => observer.onNote(note) });
    this.#observer = observer;
    this.#replaces = files === undefined;
  }

  override write(name: string, contents: string | Uint8Array): void {
    super.write(name, contents);
    this.#changed.add(name);
  }

  override append(name: string, line: string): void {
    super.append(name, line);
    this.#changed.add(name);
    this.#observer.onLine(name, line);
  }

  override remove(name: string): void {
    super.remove(name);
    this.#changed.add(name);
  }

  override saveCheckpoint(...given: Parameters<MemoryStore['saveCheckpoint']>): string {
    const path = super.saveCheckpoint(...given);
    void this.mirror();
    return path;
  }

  /** Stores what has changed, behind what is being stored. Never rejects: where it fails, a note says so. */
  mirror(): Promise<void> {
    return (this.#stored = this.#stored.then(() => this.#commit()));
  }

  /** One transaction, so that the stored run is always that of one moment. */
  async #commit(): Promise<void> {
    const names = [...this.#changed];
    const replaces = this.#replaces;
    const files = names.map(name => [name, this.has(name) ? this.read(name) : undefined] as const);
    this.#changed.clear();
    try {
      await database('readwrite', store => {
        if (replaces) store.clear();
        for (const [name, contents] of files)
          if (contents) store.put(contents, name);
          else store.delete(name);
        return promisifyRequest(store.transaction);
      });
      this.#replaces = false;
      if (this.#isFailing) this.#observer.onNote('The run is stored again.');
      this.#isFailing = false;
    } catch (error) {
      for (const name of names) this.#changed.add(name); // the next checkpoint tries again
      if (!this.#isFailing)
        this.#observer.onNote(
          `This browser does not store the run (${reasonOf(error)}). Training goes on; whoever leaves the page loses what ` +
            'came after the last stored checkpoint.',
        );
      this.#isFailing = true;
    }
  }
}

const reasonOf = (error: unknown) =>
  error instanceof DOMException && error.name === 'QuotaExceededError' ? 'its storage is full' : messageOf(error);

/** The files of the run that is stored; none if there is no run, or no storage. */
export async function storedFiles(): Promise<[string, Uint8Array][]> {
  try {
    return await entries<string, Uint8Array>(database);
  } catch {
    return []; // who trains is told
  }
}

/** Deletes the stored run. */
export const deleteFiles = (): Promise<void> => clear(database).catch(() => undefined);

let held: Promise<boolean> | undefined;

/** Takes the stored run for this worker until it ends. @throws Error if another tab has it */
export async function holdRun(): Promise<void> {
  held ??= new Promise<boolean>(resolve => {
    if (!('locks' in navigator))
      resolve(true); // no secure context, or an old browser
    else
      void navigator.locks.request('mgsd-lite run', { ifAvailable: true }, lock => {
        resolve(lock !== null);
        return lock && new Promise(() => {});
      });
  });
  if (await held) return;
  held = undefined;
  throw new Error('Another tab of this browser has a training. Close it, or stop its training, to train here.');
}
