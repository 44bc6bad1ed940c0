/** What the Train panel asks its worker: how long a run would take, and the run itself. */
import type { RowName, TableRow } from '../../evaluation/table.js';
import { resolveConfig } from '../../method/config.js';
import type { RunConfig } from '../../method/config.js';
import { drawRunPuzzles } from '../../method/obstacles.js';
import { estimateRun } from '../../runs/estimate.js';
import type { RunEstimate } from '../../runs/estimate.js';
import { readLooks } from '../../runs/looks.js';
import type { Look } from '../../runs/looks.js';
import { memoryProblem } from '../../runs/memory-need.js';
import { MemoryStore } from '../../runs/memory-store.js';
import { stagesOf } from '../../runs/order.js';
import { looksFile } from '../../runs/store.js';
import type { LogRecord } from '../../runs/store.js';
import { train } from '../../runs/train.js';
import { Interrupted } from '../../runs/train-options.js';
import type { StepReport, TrainObserver } from '../../runs/train-options.js';
import { useDevice } from '../device.js';
import type { Handler } from '../protocol.js';
import type { NamedFile } from '../student.js';
import { BrowserStore, deleteFiles, holdRun, storedFiles } from './store.js';
import type { StoreObserver } from './store.js';

/** Where a run is: `updatesPerSecond` once it has been measured. */
export interface Place extends Pick<StepReport, 'stage' | 'title' | 'step' | 'steps'> {
  readonly updatesPerSecond?: number;
}

export type TrainEvent =
  /** A stage begins or goes on: what was told of later updates of it is void. */
  | { readonly stage: Place }
  | { readonly place: Place }
  | { readonly record: LogRecord }
  | { readonly look: Look }
  | { readonly evaluation: { readonly row: RowName; readonly done: number; readonly total: number } }
  | { readonly note: string };

/** A run as it is kept in this browser. */
export interface StoredRun {
  readonly config: RunConfig;
  readonly estimate: RunEstimate;
  readonly log: readonly LogRecord[];
  readonly looks: readonly Look[];
  /** Of a run that is done. */
  readonly table?: readonly TableRow[];
}

/** The run of this worker, for as long as it lives: storage may be full, or missing. */
let current: BrowserStore | undefined;
let pausing = new AbortController();
/** Tells who follows it. */
let tell: (event: TrainEvent) => void = () => {};

const storeObserver: StoreObserver = {
  onNote: note => tell({ note }),
  onLine: (name, line) =>
    tell(name === looksFile ? { look: JSON.parse(line) as Look } : { record: JSON.parse(line) as LogRecord }),
};

/** Measures for a few seconds. @throws Error where the device or the puzzles do not suffice */
const estimate: Handler<RunConfig, RunEstimate> = config =>
  useDevice(async device => {
    const problem = await memoryProblem(config, stagesOf(config), device);
    if (problem !== undefined) throw new Error(problem);
    return await estimateRun(config, stagesOf(config), device);
  });

/** The run that is stored; undefined if there is none. @throws Error if it cannot be read */
const storedRun: Handler<undefined, StoredRun | undefined> = async () => {
  const store = new MemoryStore('the stored run', await storedFiles());
  if (!store.has('config.json') || !store.has('estimate.json')) return undefined;
  const stored = store.readJson('config.json') as RunConfig;
  return {
    config: resolveConfig(stored.preset, stored),
    estimate: store.readJson('estimate.json') as RunEstimate,
    log: store.readLog(),
    looks: readLooks(store),
    ...(store.has('table.json') && { table: store.readJson('table.json') as TableRow[] }),
  };
};

/** A new run by its estimate; left out: the one that was paused, or is stored. */
export interface TrainRequest {
  readonly config: RunConfig;
  readonly begin?: RunEstimate;
}

/** Trains to the table. @returns it; undefined if the run was paused */
const trainRun: Handler<TrainRequest, TableRow[] | undefined, TrainEvent> = async ({ config, begin }, { emit }) => {
  await holdRun();
  pausing = new AbortController();
  tell = emit;
  if (begin) {
    current = new BrowserStore(storeObserver);
    current.writeJson('config.json', config);
    current.writeJson('estimate.json', begin);
  } else current ??= new BrowserStore(storeObserver, await storedFiles());
  const folder = current;
  await folder.mirror();
  try {
    return await useDevice(device =>
      train({
        config,
        device,
        folder,
        puzzles: drawRunPuzzles(config),
        resume: !begin,
        signal: pausing.signal,
        observer: observerOf(config, emit),
      }),
    );
  } catch (error) {
    if (error instanceof Interrupted) return undefined;
    throw error;
  } finally {
    await folder.mirror();
  }
};

function observerOf(config: RunConfig, emit: (event: TrainEvent) => void): TrainObserver {
  return {
    onStage: stage => emit({ stage }),
    onStep({ stage, title, step, steps, samplesPerSecond }) {
      const { batch } = config[stage === 'direct' ? 'stage1' : stage];
      emit({ place: { stage, title, step, steps, updatesPerSecond: samplesPerSecond / batch } });
    },
    onEvaluation: (row, done, total) => emit({ evaluation: { row, done, total } }),
    onNote: note => emit({ note }),
  };
}

/** Ends `trainRun` after the update that runs, with a checkpoint. */
const pauseRun: Handler<undefined, void> = async () => {
  pausing.abort();
  await Promise.resolve();
};

/** The newest checkpoint of the run, to be saved or planned with. @throws Error if there is none yet */
const newestCheckpoint: Handler<undefined, NamedFile> = async () => {
  const store = current ?? new MemoryStore('the stored run', await storedFiles());
  const [file] = store.checkpoints();
  if (!file)
    throw new Error('There is no checkpoint yet: the first one comes with the first look at held-out puzzles.');
  const { preset, seed } = store.readJson('config.json') as RunConfig;
  const name = `mgsd-lite-${preset}-seed${seed}-${file.stage}-${file.step}.safetensors`;
  return { name, bytes: store.read(file.name).slice() };
};

const deleteRun: Handler<undefined, void> = () => deleteFiles();

export const trainCalls = { estimate, storedRun, trainRun, pauseRun, newestCheckpoint, deleteRun };
