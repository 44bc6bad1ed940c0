/**
 * What runs in an update of stage 2 on wasm: the files with a function that ran in one of its first updates, recorded
 * and replayed ones, and the exports of the WebAssembly library that were called. Prints JSON, for `npm run walk`.
 *
 *     node dist/bench/walk.js [--functions]     with the names of the functions
 *
 * Student and planner are the model that comes with the package, so that responses hold plans to read. V8 counts calls,
 * from before the program is loaded: so it also counts what goes on in functions that were called earlier, like the
 * loop over the updates. What ran before stage 2 was set up is forgotten.
 */
import fs from 'node:fs';
import { Session } from 'node:inspector';
import type { Profiler } from 'node:inspector';
import os from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';

/** Updates that are watched: enough for a recording to be made and replayed, too few for a look at held-out puzzles. */
const updates = 8;

const root = new URL('../', import.meta.url).href; // dist/

// Not all calls of optimised code are counted, and what is optimised depends on the clock.
setFlagsFromString('--no-opt');
setFlagsFromString('--no-maglev');
const session = new Session();
session.connect();

/** All of these are answered before they return. */
function takeCoverage(): readonly Profiler.ScriptCoverage[] {
  let scripts: readonly Profiler.ScriptCoverage[] = [];
  session.post('Profiler.takePreciseCoverage', (error, coverage) => {
    if (error) throw error;
    scripts = coverage.result;
  });
  return scripts;
}

/** Functions that ran since coverage was last taken, by source file. The module's own body is none. */
function functionsThatRan(): Map<string, string[]> {
  const ran = new Map<string, string[]>();
  for (const { url, functions } of takeCoverage()) {
    if (!/^(kernels|core|models|mgsd)\//.test(url.replace(root, ''))) continue;
    const names = functions
      .filter(({ ranges, functionName }) => {
        const isModule = functionName === '' && ranges[0]!.startOffset === 0;
        return !isModule && ranges.some(({ count }) => count > 0);
      })
      .map(({ functionName }) => functionName || '(anonymous)');
    if (names.length > 0) ran.set(url.replace(root, '').replace(/\.js$/, '.ts'), names);
  }
  return ran;
}

/** Exports of the WebAssembly library that were called. */
const exports = new Set<string>();
const watchedInstance = new Proxy(WebAssembly.Instance, {
  construct(Instance, [module, imports]: [WebAssembly.Module, Record<string, never>]) {
    const watched = Object.entries(new Instance(module, imports).exports).map(([name, value]): [string, unknown] => {
      const call = value as (...values: unknown[]) => unknown; // the library exports functions alone
      return [name, (...values: unknown[]) => (exports.add(name), call(...values))];
    });
    return { exports: Object.fromEntries(watched) };
  },
});
Object.assign(WebAssembly, { Instance: watchedInstance });

session.post('Profiler.enable');
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

const { benchCommand } = await import('./command.js');
const { toggle } = await import('../mgsd/cli/options.js');
const { functions } = benchCommand({
  command: 'node dist/bench/walk.js',
  about: 'What runs in an update of stage 2 on wasm, as JSON: files with a function that ran, and exports called.',
  measures: ['nothing'],
  takes: 'ten seconds',
  options: { functions: toggle('--functions', 'with the names of the functions') },
  examples: [['', 'the files']],
});

const { decodeCheckpoint, Interrupted, openDevice, resolveConfig, RunFolder, train } = await import('../mgsd/index.js');
const { saveState } = await import('../mgsd/runs/checkpoints.js');
const { pretrainedPath } = await import('../mgsd/runs/package.js');
const config = resolveConfig('tiny', {
  tasks: [{ world: 'frozenlake', levels: [3], pool: { 3: 60 } }],
  stage0: { steps: 0 },
  stage1: { steps: 0 },
  stage2: { steps: 40 * updates, batch: 4 },
});
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'mgsd-walk-'));
const folder = RunFolder.create(path.join(temporary, 'run'), config);
const { config: model, parameters } = decodeCheckpoint(fs.readFileSync(pretrainedPath()));
const zeros = new Float32Array([...parameters.values()].reduce((sum, { length }) => sum + length, 0));
const optimizer = new Map(['m', 'v', 'state'].map(name => [name, zeros]));
for (const stage of ['stage0', 'stage1'] as const)
  saveState(folder, config, { stage, step: 0, model, parameters, optimizer });

const enough = new AbortController();
let ran = new Map<string, string[]>();
let called: readonly string[] = [];
const device = await openDevice('wasm', { threads: 1 });
try {
  await train({
    config,
    device,
    folder,
    stages: ['stage2'],
    signal: enough.signal,
    observer: {
      onStage() {
        takeCoverage();
        exports.clear();
      },
      onStep({ step }) {
        if (step !== updates) return;
        ran = functionsThatRan();
        called = [...exports];
        enough.abort();
      },
    },
  });
} catch (error) {
  if (!(error instanceof Interrupted)) throw error;
} finally {
  await device.close();
  folder.close();
  fs.rmSync(temporary, { recursive: true });
}
console.log(
  JSON.stringify({ files: functions ? Object.fromEntries(ran) : [...ran.keys()].sort(), exports: [...called].sort() }),
);
