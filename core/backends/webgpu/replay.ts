/**
 * Repeating launches on the webgpu backend. WebGPU has no command buffers that can be submitted twice, so what is
 * kept is a flat list of the calls that recording takes. The calls are what it costs: each crosses into Dawn, which
 * checks it. So a call whose setting is the one before is left out, and settings are in the form that crosses fastest
 * (bench/replay.ts measures the forms).
 */
import type { Block } from './memory.js';
import type { PassProgram } from './programs.js';

/** One dispatch with the calls in front of it; undefined where the setting before holds. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline | undefined;
  readonly group: GPUBindGroup | undefined;
  /** Params of the kernel as 32-bit words; a whole buffer crosses into Dawn much faster than a view does. */
  readonly immediates: ArrayBuffer | undefined;
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** A copy in front of the dispatch that reads it. */
export interface Copy {
  readonly from: Block;
  readonly fromOffset: number;
  readonly to: Block;
  readonly bytes: number;
}

/** Dispatches that a GPU can begin with while those behind them are still being encoded. */
const longestSegment = 128;

/** Copies, then dispatches that set all they need. */
interface Segment {
  readonly copies: Copy[];
  readonly dispatches: Dispatch[];
}

/** Settings of a dispatch, whatever was set before. */
type Settings = Required<{ readonly [K in 'pipeline' | 'group']: NonNullable<Dispatch[K]> }> &
  Pick<Dispatch, 'immediates'>;

/** What a run does, in order, and the buffers it touches. */
export class Recording {
  readonly segments: Segment[] = [];
  /** Every buffer that it uses. */
  readonly blocks = new Set<Block>();
  /** Buffers of copies: they belong to the recording. */
  readonly owned: Block[] = [];
  readonly #launches = new Map<PassProgram, number>();
  #last: Settings | undefined;

  /** @param immediates is kept: it must not change */
  dispatch(
    program: PassProgram,
    settings: Settings,
    [x, y, z]: readonly [number, number, number],
    blocks: readonly Block[],
  ): void {
    const { pipeline, group, immediates } = settings;
    if (this.segments.at(-1)?.dispatches.length === longestSegment) this.#last = undefined;
    const last = this.#last;
    if (!last && this.segments.at(-1)?.dispatches.length !== 0) this.segments.push({ copies: [], dispatches: [] });
    const known = last?.pipeline === pipeline && sameWords(last.immediates, immediates);
    this.segments.at(-1)!.dispatches.push({
      pipeline: last?.pipeline === pipeline ? undefined : pipeline,
      group: last?.group === group ? undefined : group,
      immediates: known ? undefined : immediates,
      ...{ x, y, z },
    });
    this.#last = settings;
    this.#launches.set(program, (this.#launches.get(program) ?? 0) + 1);
    for (const block of blocks) this.blocks.add(block);
  }

  copy(command: Copy): void {
    const open = this.segments.at(-1);
    if (open?.dispatches.length === 0) open.copies.push(command);
    else this.segments.push({ copies: [command], dispatches: [] });
    this.#last = undefined; // a copy ends the pass, and a new one begins with nothing set
    this.owned.push(command.to);
    this.blocks.add(command.from).add(command.to);
  }

  /** Counts one run of it at the programs. */
  count(): void {
    for (const [program, launches] of this.#launches) program.launches += launches;
  }
}

function sameWords(a: ArrayBuffer | undefined, b: ArrayBuffer | undefined): boolean {
  if (!a || !b) return a === b;
  const [left, right] = [new Uint32Array(a), new Uint32Array(b)];
  return left.length === right.length && left.every((word, i) => word === right[i]);
}

/** `dispatchWorkgroups` with as few arguments as will do: each costs. */
export function dispatch(pass: GPUComputePassEncoder, x: number, y: number, z: number): void {
  if (y === 1 && z === 1) pass.dispatchWorkgroups(x);
  else pass.dispatchWorkgroups(x, y, z);
}
