/**
 * How threads share the work of a kernel: the words of shared memory through which the main thread publishes a job
 * and all threads, itself included, claim pieces of it. One job at a time; the main thread waits for its end before
 * the next.
 *
 * A worker that was asleep, or stopped by the operating system, may look at a job long after it is over. It can do no
 * harm: a piece is claimed by exchanging a ticket that carries the number of the job, and an exchange for an old job
 * fails.
 */

/**
 * Positions in the Int32Array over the control block; words that different threads write lie on cache lines of their
 * own.
 */
export const words = {
  /** Number of the current job; threads wait for it to change. */
  generation: 0,
  /** (generation mod 2^20) << 12 | next piece to be claimed. */
  ticket: 16,
  /** Pieces that are done. */
  completed: 32,
  /** Workers that sleep and need to be notified. */
  sleepers: 48,
  /** 1 while the main thread sleeps until pieces are done. */
  mainSleeps: 63,
  /** 1 when workers are to end. */
  stop: 64,
  /** 1 + number of a worker in which a kernel trapped, else 0. */
  trapped: 65,
  /** The job: which exported function on which arguments, split how. */
  fn: 80,
  args: 81,
  units: 82,
  pieces: 83,
  unitsPerPiece: 84,
  scratch: 85,
  scratchStride: 86,
} as const;

/** Bytes that the control block takes. */
export const controlBytes = 512;
/** Largest number of pieces of a job. */
export const maximumPieces = 4000;

const pieceBits = 12;
const generationMask = (1 << 20) - 1;

/** The ticket of a job before any piece is claimed. */
export function ticketOf(generation: number, piece: number): number {
  return ((generation & generationMask) << pieceBits) | piece;
}

/** An exported kernel: an argument block, a range of units, and scratch memory of the calling thread. */
export type KernelFunction = (args: number, begin: number, end: number, scratch: number) => void;

/** The exported functions of an instance, in the same order in every thread. */
export function kernelFunctions(instance: WebAssembly.Instance): { names: string[]; functions: KernelFunction[] } {
  const names = Object.keys(instance.exports).sort();
  return { names, functions: names.map(name => instance.exports[name] as KernelFunction) };
}

/**
 * Claims and runs pieces of job `generation` until none is left (or the job is over). An exception is thrown on after
 * its piece was counted as done, so that nobody waits for it.
 */
export function runPieces(
  control: Int32Array,
  functions: readonly KernelFunction[],
  generation: number,
  thread: number,
): void {
  const pieces = control[words.pieces]!;
  const tag = ticketOf(generation, 0);
  let ticket = Atomics.load(control, words.ticket);
  for (;;) {
    const piece = ticket - tag;
    if (piece < 0 || piece >= pieces) return; // all claimed, or another job
    const found = Atomics.compareExchange(control, words.ticket, ticket, ticket + 1);
    if (found !== ticket) {
      ticket = found;
      continue;
    }
    // From here on the job cannot change until this piece is done.
    const per = control[words.unitsPerPiece]!;
    const end = Math.min(control[words.units]!, (piece + 1) * per);
    const scratch = control[words.scratch]! + thread * control[words.scratchStride]!;
    try {
      functions[control[words.fn]!]!(control[words.args]!, piece * per, end, scratch);
    } finally {
      Atomics.add(control, words.completed, 1);
      if (Atomics.load(control, words.mainSleeps) !== 0) Atomics.notify(control, words.completed);
    }
    ticket = Atomics.load(control, words.ticket);
  }
}
