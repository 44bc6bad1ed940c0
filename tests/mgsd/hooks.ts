/** Faults that are planted into a process of the command line: scripts that Node loads before it (`--import`). */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const root = path.join(import.meta.dirname, '../..');
export const launcher = path.join(root, 'mgsd/mgsd-lite.js');

/** When the log of a run has this many lines. */
const whenLogged = (log: string, lines: number, action: string) => `
  const timer = setInterval(() => {
    if (!fs.existsSync(${JSON.stringify(log)})) return;
    if (fs.readFileSync(${JSON.stringify(log)}, 'utf8').split('\\n').length <= ${lines}) return;
    clearInterval(timer);
    ${action}
  }, 1);
  timer.unref();`;

/** Ends a worker thread of the wasm backend in the middle of a run. */
export const workerDies = (log: string) => `
  import fs from 'node:fs';
  import threads from 'node:worker_threads';
  import { syncBuiltinESMExports } from 'node:module';
  const made = [];
  const { Worker } = threads;
  threads.Worker = class extends Worker {
    constructor(...all) {
      super(...all);
      made.push(this);
    }
  };
  syncBuiltinESMExports();
  ${whenLogged(log, 3, 'void made[0].terminate();')}`;

/** Destroys the GPU device in the middle of a run. */
export const deviceIsLost = (log: string) => `
  import fs from 'node:fs';
  const { globals } = await import(${JSON.stringify(pathToFileURL(path.join(root, 'node_modules/webgpu/index.js')).href)});
  const { requestDevice } = globals.GPUAdapter.prototype;
  let device;
  globals.GPUAdapter.prototype.requestDevice = async function (...all) {
    return (device = await requestDevice.apply(this, all));
  };
  ${whenLogged(log, 3, 'device.destroy();')}`;

/** From the second checkpoint on the disk is full: writes meet the kernel's own ENOSPC. */
export const diskIsFull = () => `
  import fs from 'node:fs';
  const { openSync } = fs;
  let checkpoints = 0;
  fs.openSync = (file, ...rest) =>
    /checkpoint-.*\\.tmp$/.test(String(file)) && ++checkpoints > 1 ? openSync('/dev/full', 'w') : openSync(file, ...rest);`;

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line with a fault planted. */
export function runWith(folder: string, hook: string | undefined, argv: readonly string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, nodeArguments(folder, hook, argv), {
    encoding: 'utf8',
    cwd: folder,
    timeout: 120_000,
  });
  return { status, stdout, stderr };
}

function nodeArguments(folder: string, hook: string | undefined, argv: readonly string[]): string[] {
  if (hook === undefined) return [launcher, ...argv];
  const file = path.join(folder, 'hook.mjs');
  fs.writeFileSync(file, hook);
  return ['--import', pathToFileURL(file).href, launcher, ...argv];
}

/** Starts the command line. */
export function startWith(folder: string, argv: readonly string[], options: { uid?: number } = {}): ChildProcess {
  return spawn(process.execPath, [launcher, ...argv], { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder, ...options });
}
