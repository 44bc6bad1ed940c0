/**
 * Repeating launches on the webgpu backend. WebGPU has no command buffers that can be submitted twice, so what is kept is a flat list
 * of everything that recording needs: pipelines, bind groups, immediates, grids. A run loops over it, into one pass.
 */
import type { Block } from './webgpu-memory.js';
import type { PassProgram } from './webgpu-programs.js';

/** One dispatch, ready to be recorded. */
export interface Dispatch {
  readonly program: PassProgram;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  /** Params of the kernel as 32-bit words. */
  readonly immediates: Uint32Array<ArrayBuffer>;
  readonly workgroups: readonly [number, number, number];
}

/** A copy in front of the dispatch that reads it. */
export interface Copy {
  readonly from: Block;
  readonly fromOffset: number;
  readonly to: Block;
  readonly bytes: number;
}

/** What a run does, in order, and the buffers it touches. */
export class CommandList {
  readonly commands: (Dispatch | Copy)[] = [];
  readonly blocks = new Set<Block>();
  /** Buffers of copies: they belong to the list. */
  readonly owned: Block[] = [];

  dispatch(command: Dispatch, blocks: readonly Block[]): void {
    this.commands.push(command);
    for (const block of blocks) this.blocks.add(block);
  }

  copy(command: Copy): void {
    this.commands.push(command);
    this.owned.push(command.to);
    this.blocks.add(command.from).add(command.to);
  }
}

export function isCopy(command: Dispatch | Copy): command is Copy {
  return 'from' in command;
}
