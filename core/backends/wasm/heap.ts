/**
 * Hands out pieces of one linear memory: the smallest free piece that is large enough, cut to size. Free neighbours
 * are joined at once, so that batches of different lengths leave no unusable remains. Finding a piece takes time in
 * proportion to the free pieces, of which there are few: devices keep freed tensors in pools and seldom come here.
 *
 * The bookkeeping lies outside the memory: a kernel that writes out of bounds cannot break it.
 */

/** Pieces are multiples of a cache line, so that no two of them share one between threads. */
const line = 64;

interface Piece {
  address: number;
  bytes: number;
}

export class Heap {
  /** By address; no two of them touch. */
  readonly #free: Piece[] = [];
  /** Bytes by address. */
  readonly #used = new Map<number, number>();
  readonly #grow: (bytes: number) => number;
  readonly #start: number;
  #end: number;
  #usedBytes = 0;

  /**
   * A heap over the addresses `start` to `end`, multiples of 64. `grow(bytes)` is asked for at least that much more
   * memory behind the end and returns the new end; it throws when there is none.
   */
  constructor(start: number, end: number, grow: (bytes: number) => number) {
    this.#grow = grow;
    this.#start = start;
    this.#end = end;
    this.#put({ address: start, bytes: end - start });
  }

  /** Bytes that are handed out at the moment. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Bytes the heap spans, free or not. */
  get totalBytes(): number {
    return this.#end - this.#start;
  }

  /** Address of at least `bytes` bytes, a multiple of 64. */
  allocate(bytes: number): number {
    // One more line for large pieces keeps arrays of a round size from all starting at the same offset of a page,
    // where loads and stores of different arrays would compete for the same few places of the cache.
    const size = line * (Math.max(1, Math.ceil(bytes / line)) + (bytes >= 4096 ? 1 : 0));
    let piece = this.#smallestThatHolds(size);
    if (!piece) {
      const last = this.#free.at(-1);
      const free = last && last.address + last.bytes === this.#end ? last.bytes : 0;
      const start = this.#end;
      this.#end = this.#grow(size - free);
      this.#put({ address: start, bytes: this.#end - start });
      piece = this.#free.at(-1)!;
    }
    const { address } = piece;
    piece.address += size;
    piece.bytes -= size;
    if (piece.bytes === 0) this.#free.splice(this.#free.indexOf(piece), 1);
    this.#used.set(address, size);
    this.#usedBytes += size;
    return address;
  }

  /** Usable bytes at an address that `allocate` returned. */
  sizeOf(address: number): number {
    const bytes = this.#used.get(address);
    if (bytes === undefined) throw new Error(`address ${address} was not allocated here, or has been freed already`);
    return bytes;
  }

  free(address: number): void {
    const bytes = this.sizeOf(address);
    this.#used.delete(address);
    this.#usedBytes -= bytes;
    this.#put({ address, bytes });
  }

  #smallestThatHolds(size: number): Piece | undefined {
    let best: Piece | undefined;
    for (const piece of this.#free) if (piece.bytes >= size && (!best || piece.bytes < best.bytes)) best = piece;
    return best;
  }

  /** Adds a free piece, joined with those that it touches. */
  #put(piece: Piece): void {
    const end = piece.address + piece.bytes;
    let at = this.#free.findIndex(({ address }) => address > piece.address);
    if (at < 0) at = this.#free.length;
    const [before, after] = [this.#free[at - 1], this.#free[at]];
    if (after?.address === end) {
      piece.bytes += after.bytes;
      this.#free.splice(at, 1);
    }
    if (before && before.address + before.bytes === piece.address) before.bytes += piece.bytes;
    else this.#free.splice(at, 0, piece);
  }
}
