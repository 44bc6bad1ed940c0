/**
 * Repeating launches on the wasm backend: argument blocks lie ready in the memory, one per launch, and a run is a
 * flat loop over kernel calls. Per call that leaves handing it to the threads: what it costs is measured by
 * bench/replay.ts.
 */
import type { Launch, Replay } from '../../backend.js';
import type { Heap } from './heap.js';
import type { Job, Threads } from './threads.js';

/** A launch as the backend would do it. */
interface PreparedLaunch {
  readonly jobs: readonly Job[];
  /** The argument block as 32-bit words, without the address of the shared scratch memory that follows it. */
  readonly words: Int32Array;
}

/** What a replay needs of its backend. */
export interface ReplayHost {
  readonly heap: Heap;
  readonly threads: Threads;
  /** Scratch memory that launches take turns in; it moves when a launch needs more of it. */
  readonly sharedScratch: { readonly address: number };
  readonly threadScratch: { readonly address: number };
  /** The whole memory, which may have grown since the last call. */
  readonly words: () => Int32Array;
  readonly prepare: (launch: Launch) => PreparedLaunch;
  readonly explain: (error: unknown, launch: Launch) => unknown;
}

/** Launches with their argument blocks in memory; see the head of this file. */
export function wasmReplay(launches: readonly Launch[], host: ReplayHost): Replay {
  const { heap, threads, sharedScratch, threadScratch } = host;
  const prepared = launches.map(host.prepare);
  const sizes = prepared.map(({ words }) => 64 * Math.ceil((4 * (words.length + 1)) / 64)); // whole cache lines
  const total = sizes.reduce((a, b) => a + b, 0);
  let blocks: number | undefined = heap.allocate(total);
  let address = blocks;
  const all = host.words();
  const calls: { readonly job: Job; readonly block: number; readonly launch: number }[] = [];
  /** Positions of the words that hold the address of the shared scratch memory. */
  const scratchWords: number[] = [];
  prepared.forEach(({ jobs, words }, launch) => {
    all.set(words, address / 4);
    scratchWords.push(address / 4 + words.length);
    for (const job of jobs) calls.push({ job, block: address, launch });
    address += sizes[launch]!;
  });
  let sharedAddress = -1;
  return {
    run() {
      if (sharedScratch.address !== sharedAddress) {
        sharedAddress = sharedScratch.address;
        const words = host.words();
        for (const at of scratchWords) words[at] = sharedAddress;
      }
      let running = 0;
      try {
        for (const { job, block, launch } of calls) {
          running = launch;
          threads.run(job, block, threadScratch.address);
        }
      } catch (error) {
        throw host.explain(error, launches[running]!);
      }
    },
    dispose() {
      if (blocks !== undefined) heap.free(blocks);
      blocks = undefined;
    },
  };
}
