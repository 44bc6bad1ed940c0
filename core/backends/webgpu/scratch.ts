/**
 * Scratch memory that lives for one launch: partial sums, for one. A few buffers take turns, so that launches which
 * do not depend on each other need not wait for each other's scratch either.
 */
import type { Block } from './memory.js';

const turns = 4;

export class ScratchRing {
  readonly #make: (bytes: number) => Block;
  readonly #largest: number;
  readonly #ring: Block[] = [];
  #turn = 0;

  /** @param largest bytes that a buffer may have */
  constructor(make: (bytes: number) => Block, largest: number) {
    this.#make = make;
    this.#largest = largest;
  }

  /**
   * The next buffer, of at least `bytes`. Sizes are powers of two, so buffers grow only a few times; one that was
   * outgrown is never given away, because recorded work may still name it.
   */
  next(bytes: number): Block {
    this.#turn = (this.#turn + 1) % turns;
    const known = this.#ring[this.#turn];
    if (known && known.bytes >= bytes) return known;
    const size = Math.max(bytes, Math.min(2 ** Math.ceil(Math.log2(bytes)), this.#largest));
    return (this.#ring[this.#turn] = this.#make(size));
  }
}
