/**
 * Stored puzzles, drawn and written by worker threads. A job is one world, board size and side of the split; what it
 * writes follows from the seed alone, whatever the number of threads.
 *
 * Training needs no threads for this: drawing and rendering a step's puzzles takes a few milliseconds
 * (`npm run bench:data`).
 */
import { Worker } from 'node:worker_threads';
import { Random } from '../../core/index.js';
import { streams } from '../method/puzzles.js';
import { writePuzzle } from './puzzle-files.js';
import { instancePool } from '../method/split.js';
import type { SplitName } from '../method/split.js';
import { createWorldByName } from '../worlds/registry.js';
import type { RenderStyle, World, WorldInstance } from '../worlds/world.js';

/** Plain data, so that it can go to a worker thread. */
export interface GenerateJob {
  readonly world: string;
  readonly options: unknown;
  readonly level: number;
  readonly split: SplitName;
  readonly count: number;
  readonly seed: number;
  /** Take the difficulties in turn, or else puzzles as they come. */
  readonly balanced: boolean;
  readonly style: RenderStyle;
  readonly pixels: number;
  readonly folder: string;
}

export interface GenerateReport {
  readonly world: string;
  readonly level: number;
  readonly split: SplitName;
  readonly samples: number;
  readonly byDifficulty: Readonly<Record<string, number>>;
  /** Difficulties that ran out; the others made up the number. */
  readonly exhausted: readonly string[];
  /** The different layouts. */
  readonly layouts: readonly string[];
}

/** Draws and writes the puzzles of a job. */
export function runJob(job: GenerateJob): GenerateReport {
  const { level, split, count, seed, balanced, style, pixels, folder } = job;
  const world: World = createWorldByName(job.world, job.options);
  const stream = split === 'train' ? streams.pools : streams.test;
  const turns = balanced && world.difficulties.length > 0 ? world.difficulties : undefined;
  const exhausted: string[] = [];
  const onExhausted = (difficulty: string) => exhausted.push(difficulty);
  const pool = instancePool(world, level, new Random(seed, stream, level), { split, count, turns, onExhausted });
  pool.forEach((instance, index) =>
    writePuzzle(folder, { world, instance }, { split, index, seed, options: job.options }, pixels, style),
  );
  return { ...countPuzzles(world, level, split, pool), exhausted };
}

/** What there is among puzzles of one board size on one side of the split. */
export function countPuzzles(
  world: World,
  level: number,
  split: SplitName,
  instances: readonly WorldInstance[],
): GenerateReport {
  const byDifficulty: Record<string, number> = {};
  for (const instance of instances) {
    const difficulty = world.difficulty(instance);
    byDifficulty[difficulty] = (byDifficulty[difficulty] ?? 0) + 1;
  }
  const layouts = [...new Set(instances.map(instance => world.layoutKey(instance)))];
  return { world: world.name, level, split, samples: instances.length, byDifficulty, exhausted: [], layouts };
}

/** A worker's answer to a job. */
export type WorkerAnswer =
  | { readonly report: GenerateReport }
  /** `code` as system errors have one: what is cloned between threads keeps only messages. */
  | { readonly error: string; readonly code: string | undefined };

// A worker runs compiled files, from dist/mgsd/exchange; tests run this file as TypeScript from mgsd/exchange.
const dist = import.meta.url.endsWith('.ts') ? '../../dist/mgsd/exchange/' : './';
const script = new URL(`${dist}generate-worker.js`, import.meta.url);

/**
 * Runs jobs on up to `threads` threads; reports come in the order of the jobs.
 * @throws Error of the first job that fails
 */
export async function runJobs(jobs: readonly GenerateJob[], threads: number): Promise<GenerateReport[]> {
  if (threads <= 1 || jobs.length <= 1) return jobs.map(runJob);
  const reports = new Array<GenerateReport>(jobs.length);
  let next = 0;
  const work = async (): Promise<void> => {
    const worker = new Worker(script, { execArgv: [] });
    try {
      while (next < jobs.length) {
        const mine = next++;
        const answer = await ask(worker, jobs[mine]!);
        if ('error' in answer) throw Object.assign(new Error(answer.error), { code: answer.code });
        reports[mine] = answer.report;
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, work));
  return reports;
}

function ask(worker: Worker, job: GenerateJob): Promise<WorkerAnswer> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number) => {
      reject(new Error(`a worker thread ended with code ${code}`));
    };
    worker.once('exit', onExit);
    worker.once('error', reject);
    worker.once('message', (answer: WorkerAnswer) => {
      worker.off('exit', onExit).off('error', reject);
      resolve(answer);
    });
    worker.postMessage(job);
  });
}

/** Layouts by split, and how many are on both sides: none, or the split leaks. */
export function overlapOf(reports: readonly GenerateReport[]): { train: number; test: number; shared: number } {
  const layouts = (split: SplitName) =>
    new Set(reports.filter(report => report.split === split).flatMap(report => report.layouts));
  const [train, test] = [layouts('train'), layouts('test')];
  return { train: train.size, test: test.size, shared: [...test].filter(layout => train.has(layout)).length };
}
