/**
 * Repeating launches on the wasm backend: argument blocks lie ready in the memory, one per launch, and a run is a
 * flat loop over kernel calls. Per call that leaves handing it to the threads: what it costs is measured by
 * bench/replay.ts.
 */
import type { Launch, Replay } from '../../backend.js';
import type { Job, Threads } from './threads.js';

/** A launch as the backend would do it. */
export interface PreparedLaunch {
  readonly jobs: readonly Job[];
  /** The argument block as 32-bit words, without the address of the shared scratch memory that follows it. */
  readonly words: Int32Array;
}

/** Memory that launches share, one at a time; it moves when a launch needs more of it. */
export interface ScratchArea {
  readonly address: number;
}

export interface ReplayMemory {
  /** Over the whole memory; asked for again when the memory may have grown. */
  words(): Int32Array;
  allocate(bytes: number): number;
  free(address: number): void;
}

export class WasmReplay implements Replay {
  readonly #memory: ReplayMemory;
  readonly #threads: Threads;
  readonly #shared: ScratchArea;
  readonly #perThread: ScratchArea;
  readonly #explain: (error: unknown, launch: Launch) => unknown;
  readonly #launches: readonly Launch[];
  /** One entry per kernel call: the job, its argument block, and the launch it belongs to. */
  readonly #jobs: readonly Job[];
  readonly #blocks: readonly number[];
  readonly #launchOf: readonly number[];
  /** Addresses of the words that hold the address of the shared scratch memory. */
  readonly #scratchWords: readonly number[];
  #blockMemory: number;
  #sharedAddress = -1;

  constructor(
    launches: readonly Launch[],
    prepare: (launch: Launch) => PreparedLaunch,
    memory: ReplayMemory,
    threads: Threads,
    scratch: { readonly shared: ScratchArea; readonly perThread: ScratchArea },
    explain: (error: unknown, launch: Launch) => unknown,
  ) {
    this.#memory = memory;
    this.#threads = threads;
    this.#shared = scratch.shared;
    this.#perThread = scratch.perThread;
    this.#explain = explain;
    this.#launches = launches;
    const prepared = launches.map(prepare);
    const sizes = prepared.map(({ words }) => 64 * Math.ceil((4 * (words.length + 1)) / 64)); // whole cache lines
    this.#blockMemory = memory.allocate(
      Math.max(
        64,
        sizes.reduce((a, b) => a + b, 0),
      ),
    );
    const all = memory.words();
    const jobs: Job[] = [];
    const blocks: number[] = [];
    const launchOf: number[] = [];
    const scratchWords: number[] = [];
    let address = this.#blockMemory;
    prepared.forEach((launch, i) => {
      all.set(launch.words, address / 4);
      scratchWords.push(address / 4 + launch.words.length);
      for (const job of launch.jobs) {
        jobs.push(job);
        blocks.push(address);
        launchOf.push(i);
      }
      address += sizes[i]!;
    });
    this.#jobs = jobs;
    this.#blocks = blocks;
    this.#launchOf = launchOf;
    this.#scratchWords = scratchWords;
  }

  run(): void {
    if (this.#shared.address !== this.#sharedAddress) {
      this.#sharedAddress = this.#shared.address;
      const words = this.#memory.words();
      for (const at of this.#scratchWords) words[at] = this.#sharedAddress;
    }
    const scratch = this.#perThread.address;
    let i = 0;
    try {
      for (; i < this.#jobs.length; i++) this.#threads.run(this.#jobs[i]!, this.#blocks[i]!, scratch);
    } catch (error) {
      throw this.#explain(error, this.#launches[this.#launchOf[i]!]!);
    }
  }

  dispose(): void {
    if (this.#blockMemory !== 0) this.#memory.free(this.#blockMemory);
    this.#blockMemory = 0;
  }
}
