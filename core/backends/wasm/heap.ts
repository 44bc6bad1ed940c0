/**
 * Hands out pieces of one linear memory: a two-level segregated fit (Masmano et al. 2004, "TLSF: a new dynamic memory
 * allocator for real-time systems"), constant time for both allocate and free. Free neighbours are joined at once, so the
 * batches of different lengths that a training run sees do not pile up unusable remains.
 *
 * The bookkeeping lives in JavaScript objects, not in the memory itself: a kernel that writes out of bounds cannot break it.
 */

/** Everything is counted in granules: one cache line, so that no two allocations share one between threads. */
const granule = 64;
/** Size classes per power of two: a request never gets more than 1/16 beyond what it asked for when its class is searched. */
const subclassBits = 4;
const subclasses = 1 << subclassBits;

interface Block {
  /** In granules. */
  start: number;
  size: number;
  free: boolean;
  /** Neighbours in memory. */
  before: Block | undefined;
  after: Block | undefined;
  /** Neighbours in the list of free blocks of the same class. */
  previous: Block | undefined;
  next: Block | undefined;
}

/** Number of the class of blocks that a block of `size` granules is kept in. */
function classOf(size: number): number {
  const power = 31 - Math.clz32(size);
  if (power < subclassBits) return size; // one class per size
  return ((power - subclassBits + 1) << subclassBits) + ((size >>> (power - subclassBits)) - subclasses);
}

/** The smallest class whose blocks all hold `size` granules. */
function classThatHolds(size: number): number {
  const power = 31 - Math.clz32(size);
  return power < subclassBits ? size : classOf(size + (1 << (power - subclassBits)) - 1);
}

export class Heap {
  readonly #blocks = new Map<number, Block>();
  readonly #free: (Block | undefined)[] = [];
  /** Bit c % 32 of word c / 32 is set if class c has a free block. */
  readonly #occupied = new Int32Array(16);
  readonly #grow: (bytes: number) => number;
  #last: Block | undefined;
  #end: number;
  #used = 0;

  /**
   * A heap over the addresses `start` to `end` (multiples of 64). `grow(bytes)` is asked for at least that much more memory behind the end
   * and returns the new end; it throws when there is none.
   */
  constructor(start: number, end: number, grow: (bytes: number) => number) {
    this.#grow = grow;
    this.#end = start / granule;
    this.#extend(end / granule);
  }

  /** Bytes that are handed out at the moment. */
  get usedBytes(): number {
    return this.#used * granule;
  }

  /** Bytes the heap spans, free or not. */
  get totalBytes(): number {
    const first = this.#first();
    return first ? (this.#end - first.start) * granule : 0;
  }

  /** Address of at least `bytes` bytes, a multiple of 64. */
  allocate(bytes: number): number {
    // An odd number of cache lines keeps large arrays from all starting at the same offset of a page, where loads and stores
    // of different arrays would compete for the same few places of the cache.
    const size = Math.max(1, Math.ceil(bytes / granule)) + (bytes >= 4096 ? 1 : 0);
    let block = this.#find(size);
    if (!block) {
      const tail = this.#last?.free ? this.#last.size : 0;
      // one class more than asked for, so that the search below finds it
      this.#extend(this.#grow((size + (size >>> subclassBits) + 1 - tail) * granule) / granule);
      block = this.#find(size)!;
    }
    this.#remove(block);
    if (block.size > size) this.#insert(this.#split(block, size));
    block.free = false;
    this.#used += block.size;
    this.#blocks.set(block.start * granule, block);
    return block.start * granule;
  }

  /** Usable bytes at an address that `allocate` returned. */
  sizeOf(address: number): number {
    return this.#block(address).size * granule;
  }

  free(address: number): void {
    let block = this.#block(address);
    this.#blocks.delete(address);
    this.#used -= block.size;
    block.free = true;
    const { before, after } = block;
    if (after?.free) {
      this.#remove(after);
      this.#join(block, after);
    }
    if (before?.free) {
      this.#remove(before);
      this.#join(before, block);
      block = before;
    }
    this.#insert(block);
  }

  #block(address: number): Block {
    const block = this.#blocks.get(address);
    if (!block) throw new Error(`address ${address} was not allocated here, or has been freed already`);
    return block;
  }

  #first(): Block | undefined {
    let block = this.#last;
    while (block?.before) block = block.before;
    return block;
  }

  #find(size: number): Block | undefined {
    const wanted = classThatHolds(size);
    let word = wanted >>> 5;
    let bits = this.#occupied[word]! & (-1 << (wanted & 31));
    while (bits === 0) {
      if (++word >= this.#occupied.length) return undefined;
      bits = this.#occupied[word]!;
    }
    return this.#free[(word << 5) + 31 - Math.clz32(bits & -bits)];
  }

  #insert(block: Block): void {
    const list = classOf(block.size);
    const head = this.#free[list];
    block.previous = undefined;
    block.next = head;
    if (head) head.previous = block;
    this.#free[list] = block;
    this.#occupied[list >>> 5]! |= 1 << (list & 31);
  }

  #remove(block: Block): void {
    const { previous, next } = block;
    if (next) next.previous = previous;
    if (previous) previous.next = next;
    else {
      const list = classOf(block.size);
      this.#free[list] = next;
      if (!next) this.#occupied[list >>> 5]! &= ~(1 << (list & 31));
    }
  }

  /** Cuts a block after `size` granules and returns the rest, free and in no list. */
  #split(block: Block, size: number): Block {
    const rest: Block = {
      start: block.start + size,
      size: block.size - size,
      free: true,
      before: block,
      after: block.after,
      previous: undefined,
      next: undefined,
    };
    if (block.after) block.after.before = rest;
    else this.#last = rest;
    block.after = rest;
    block.size = size;
    return rest;
  }

  /** Adds `second` to the end of `first`, its neighbour. */
  #join(first: Block, second: Block): void {
    first.size += second.size;
    first.after = second.after;
    if (second.after) second.after.before = first;
    else this.#last = first;
  }

  /** Takes the memory up to `end` (in granules) in. */
  #extend(end: number): void {
    const start = this.#end;
    if (end <= start) return;
    const before = this.#last;
    const block: Block = {
      ...{ start, size: end - start, free: true, before },
      ...{ after: undefined, previous: undefined, next: undefined },
    };
    if (before) before.after = block;
    this.#last = block;
    this.#end = end;
    if (before?.free) {
      this.#remove(before);
      this.#join(before, block);
      this.#insert(before);
    } else this.#insert(block);
  }
}
