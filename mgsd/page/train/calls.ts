/** What the Train panel asks its worker: how long a run would take, and the run itself. */
import type { RowName, TableRow } from '../../evaluation/table.js';
import type { RunConfig } from '../../method/config.js';
import { drawRunPuzzles } from '../../method/obstacles.js';
import { estimateRun } from '../../runs/estimate.js';
import type { RunEstimate } from '../../runs/estimate.js';
import { memoryProblem } from '../../runs/memory-need.js';
import { MemoryStore } from '../../runs/memory-store.js';
import { stagesOf } from '../../runs/order.js';
import { train } from '../../runs/train.js';
import type { StepReport, TrainObserver } from '../../runs/train-options.js';
import { useDevice } from '../device.js';
import type { Handler } from '../protocol.js';

/** Where a run is: `updatesPerSecond` once it has been measured. */
export interface Place extends Pick<StepReport, 'stage' | 'title' | 'step' | 'steps'> {
  readonly updatesPerSecond?: number;
}

export type TrainEvent =
  | { readonly place: Place }
  | { readonly evaluation: { readonly row: RowName; readonly done: number; readonly total: number } }
  | { readonly note: string };

/** Measures for a few seconds. @throws Error where the device or the puzzles do not suffice */
const estimate: Handler<RunConfig, RunEstimate> = config =>
  useDevice(async device => {
    const problem = await memoryProblem(config, stagesOf(config), device);
    if (problem !== undefined) throw new Error(problem);
    return await estimateRun(config, stagesOf(config), device);
  });

const trainRun: Handler<RunConfig, TableRow[], TrainEvent> = (config, { emit }) =>
  useDevice(async device => {
    const observer: TrainObserver = {
      onStage: place => emit({ place }),
      onStep({ stage, title, step, steps, samplesPerSecond }) {
        const { batch } = config[stage === 'direct' ? 'stage1' : stage];
        emit({ place: { stage, title, step, steps, updatesPerSecond: samplesPerSecond / batch } });
      },
      onEvaluation: (row, done, total) => emit({ evaluation: { row, done, total } }),
      onNote: note => emit({ note }),
    };
    return await train({ config, device, folder: new MemoryStore(), puzzles: drawRunPuzzles(config), observer });
  });

export const trainCalls = { estimate, trainRun };
