/**
 * The host's side of the counter-based generator: the same numbers as the kernels of kernels/random, at (seed,
 * stream, step, index). Everything random in a run depends on its seed and these counters, so a resumed run draws
 * what the straight run drew.
 */
import { cos, log } from './math.js';
import { randomBits, uniformFromBits } from '../kernels/index.js';

/**
 * @throws Error unless all of them are whole numbers of 32 bits: others would share their random numbers with one that
 * is
 */
export function requireCounters(counters: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counters))
    if (value >>> 0 !== value)
      throw new Error(`random numbers: ${name} is ${value}; it must be a whole number from 0 to ${2 ** 32 - 1}`);
}

/** The position of a generator: plain numbers, for a checkpoint. */
export interface RandomState {
  readonly seed: number;
  readonly stream: number;
  readonly step: number;
  readonly index: number;
}

export class Random {
  readonly seed: number;
  readonly stream: number;
  readonly step: number;
  #index: number;

  /**
   * @param seed of the run, a non-negative integer below 2^32 like all of them
   * @param stream what the numbers are for, so that uses do not disturb each other
   * @param step of training, or any second counter
   */
  constructor(seed: number, stream = 0, step = 0, index = 0) {
    requireCounters({ seed, stream, step, index });
    this.seed = seed;
    this.stream = stream;
    this.step = step;
    this.#index = index;
  }

  get state(): RandomState {
    return { seed: this.seed, stream: this.stream, step: this.step, index: this.#index };
  }

  /** Resumes from a saved state. */
  static from({ seed, stream, step, index }: RandomState): Random {
    return new Random(seed, stream, step, index);
  }

  #bits(): number {
    return randomBits(this.seed, this.stream, this.step, 0, this.#index++);
  }

  /** Uniform in (0, 1), a multiple of 2^-24. */
  uniform(): number {
    return uniformFromBits(this.#bits());
  }

  /** Uniform among 0..n-1. (The bias of multiplying 32 bits is below n / 2^32.) */
  integer(n: number): number {
    return Math.floor((this.#bits() / 2 ** 32) * n);
  }

  /** Standard normal, by Box and Muller's transform. */
  normal(): number {
    const radius = Math.sqrt(-2 * log(this.uniform()));
    return radius * cos(2 * Math.PI * this.uniform());
  }

  /** Shuffles in place (Fisher and Yates) and returns the array. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }
}
