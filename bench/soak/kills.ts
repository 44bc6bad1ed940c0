/** Processes killed at random instants, mostly while writing a checkpoint: nothing saved may be lost. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Random } from '../../core/index.js';
import { decodeRunState } from '../../mgsd/runs/checkpoints.js';
import { stageNames } from '../../mgsd/runs/order.js';
import { parseCheckpointName } from '../../mgsd/runs/store.js';
import type { CheckpointFile } from '../../mgsd/runs/store.js';
import { differingFiles } from './equality.js';
import { longerConfig } from './miniature.js';

export interface KillReport {
  readonly kills: number;
  /** By signal. */
  readonly signals: Readonly<Record<string, number>>;
  /** Kills that left a half-written file, which the next process removed. */
  readonly duringWrites: number;
  /** Checkpoints read after a kill, all of them good. */
  readonly checkpointsRead: number;
  /** Runs that finished in spite of kills, with the files of an undisturbed one (see `differingFiles`). */
  readonly finishedRuns: number;
  readonly problems: readonly string[];
}

const script = path.join(import.meta.dirname, 'child.js');

interface Ended {
  readonly code: number | NodeJS.Signals;
  readonly errors: string;
}

/** Runs a process and, if asked, sends it a signal some milliseconds after training begins. */
function runChild(
  child: string,
  folder: string,
  seed: number,
  checkpointEvery: number,
  kill?: { signal: NodeJS.Signals; after: number },
): Promise<Ended> {
  return new Promise(resolve => {
    const argv = [child, folder, String(seed), String(checkpointEvery)];
    const running = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    let errors = '';
    running.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    running.stdout.once('data', () => {
      if (kill) setTimeout(() => running.kill(kill.signal), kill.after);
    });
    running.once('close', (code, signal) => resolve({ code: code ?? signal!, errors }));
  });
}

/** The checkpoints of a folder, the newest first. */
function checkpointsIn(folder: string): CheckpointFile[] {
  if (!fs.existsSync(folder)) return [];
  const found = fs.readdirSync(folder).flatMap(name => parseCheckpointName(name, path.join(folder, name)) ?? []);
  return found.sort((a, b) => place(b) - place(a));
}

/** Grows along a run. */
const place = ({ stage, step }: Pick<CheckpointFile, 'stage' | 'step'>) => 1e6 * stageNames.indexOf(stage) + step;

/**
 * Kills `kills` times, over as many runs as that takes, and lets the last one finish.
 * @param folder an empty one
 * @param child the compiled child.js, where this file is not beside it
 */
export async function killRuns(kills: number, folder: string, seed: number, child = script): Promise<KillReport> {
  const random = new Random(seed);
  const problems: string[] = [];
  const signals: Record<string, number> = {};
  let [done, duringWrites, checkpointsRead, finishedRuns] = [0, 0, 0, 0];
  const runSeed = 7;
  const every = seed % 2 === 0 ? 1 : 7; // most kills hit the writing of a checkpoint, or there are updates to repeat
  fs.mkdirSync(folder, { recursive: true });
  const straight = path.join(folder, 'straight');
  const { code, errors } = await runChild(child, straight, runSeed, every);
  if (code !== 0)
    return {
      kills: 0,
      signals,
      duringWrites,
      checkpointsRead,
      finishedRuns,
      problems: [`the straight run ended with ${code}: ${errors}`],
    };

  for (let run = 1; done < kills || finishedRuns === 0; run++) {
    const target = path.join(folder, `run-${run}`);
    let newest = -1;
    for (;;) {
      // The last of all kills has been: this process may come to its end.
      const orderly = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const)[random.integer(3)]!;
      const signal = random.uniform() < 0.7 ? 'SIGKILL' : orderly;
      const kill = done < kills ? ({ signal, after: random.integer(250) } as const) : undefined;
      const ended = await runChild(child, target, runSeed, every, kill);
      const where = `run ${run}, kill ${done + 1}`;
      const isKilled = ended.code !== 0;
      if (isKilled) {
        done++;
        signals[signal] = (signals[signal] ?? 0) + 1;
        if (typeof ended.code === 'number' && ![129, 130, 143].includes(ended.code))
          problems.push(`${where}: it ended with ${ended.code}: ${ended.errors}`);
      }
      if (fs.existsSync(target) && fs.readdirSync(target).some(name => name.endsWith('.tmp'))) duringWrites++;
      const found = checkpointsIn(target);
      for (const file of found) {
        try {
          decodeRunState(file, fs.readFileSync(file.path), longerConfig(runSeed));
          checkpointsRead++;
        } catch (error) {
          problems.push(`${where}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      const now = found[0] ? place(found[0]) : -1;
      if (now < newest) problems.push(`${where}: the newest checkpoint was at ${newest} and is at ${now}`);
      newest = Math.max(newest, now);
      if (problems.length > 10) return { kills: done, signals, duringWrites, checkpointsRead, finishedRuns, problems };
      if (isKilled) continue;
      const different = differingFiles(straight, target);
      if (different.length > 0)
        problems.push(`run ${run} ended with other files than the straight one: ${different.join(', ')}`);
      finishedRuns++;
      break;
    }
    fs.rmSync(target, { recursive: true, force: true });
  }
  return { kills: done, signals, duringWrites, checkpointsRead, finishedRuns, problems };
}
