/** Runs that die at each operation on their files: what they leave must be enough, and no more. */
import fs from 'node:fs';
import path from 'node:path';
import type { Device } from '../../core/index.js';
import type { RunFolder } from '../../mgsd/runs/run-folder.js';
import { differingFiles } from './equality.js';
import { miniatureConfig, runMiniature } from './miniature.js';

export interface CrashReport {
  /** Operations on files of a straight run: writes, appended lines, removals, flushes. */
  readonly operations: number;
  /** Runs that died before one of them. */
  readonly crashes: number;
  readonly problems: readonly string[];
}

/** All stages within a few updates. */
const config = miniatureConfig({
  stage0: { steps: 5 },
  stage1: { steps: 4, gate: { recapExact: 0.9, puzzles: 2, steps: 3, extensions: 1 } },
  stage2: { steps: 3 },
  evaluation: { puzzles: 2 },
  stages: ['stage0', 'stage1', 'stage2', 'direct'],
});

class Crash extends Error {}

/** Counts a folder's operations; from number `at` (from 0) on they fail, as those of a dead process do. */
function dieAt(folder: RunFolder, at: number): { readonly count: () => number } {
  let count = 0;
  const append = folder.append.bind(folder);
  for (const name of ['write', 'append', 'remove', 'flush'] as const) {
    const original = folder[name].bind(folder) as (file: string, contents: string | Uint8Array) => void;
    folder[name] = (file: string, contents: string | Uint8Array = '') => {
      if (count === at && name === 'append') halfLine(folder, append, file, contents as string);
      if (count++ >= at) throw new Crash();
      original(file, contents);
    };
  }
  return { count: () => count };
}

/** What a process leaves that dies while it appends. */
function halfLine(folder: RunFolder, append: (name: string, line: string) => void, name: string, line: string): void {
  append(name, line.slice(0, line.length / 2));
  const file = folder.file(name);
  fs.truncateSync(file, fs.statSync(file).size - 1); // the line break
}

/**
 * @param folder an empty one
 * @param stride looks at every so many operations
 * @param first number of the first of them
 */
export async function crashRuns(device: Device, folder: string, stride = 1, first = 0): Promise<CrashReport> {
  const straight = path.join(folder, 'straight');
  let counted = { count: () => 0 };
  const run = (target: string, at: number) =>
    runMiniature(device, target, {
      config,
      checkpointEvery: 2,
      onFolder: opened => {
        counted = dieAt(opened, at);
      },
    });
  await run(straight, Infinity);
  const operations = counted.count();
  const problems: string[] = [];
  let crashes = 0;
  for (let at = first; at < operations; at += stride) {
    const target = path.join(folder, `crash-${at}`);
    try {
      await run(target, at);
      problems.push(`it went on after operation ${at}`);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      crashes++;
    }
    await run(target, Infinity);
    const different = differingFiles(straight, target);
    if (different.length > 0) problems.push(`after a crash at operation ${at}: ${different.join(', ')} differ`);
    fs.rmSync(target, { recursive: true });
  }
  return { operations, crashes, problems };
}
