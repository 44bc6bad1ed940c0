/** Options and progress callbacks of a training, and the errors by which it may end early. */
import type { Device, DeviceFault } from '../../core/index.js';
import type { ModelConfig } from '../../models/index.js';
import type { RunConfig } from '../method/config.js';
import type { RunPuzzles } from '../method/puzzles.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import type { RunStore } from './store.js';
import type { Metrics, StageName } from '../method/stages/stage.js';
import type { RowName } from '../evaluation/table.js';

/** One update, as reported to an observer. */
export interface StepReport {
  readonly stage: StageName;
  readonly title: string;
  /** Updates done, and in all. */
  readonly step: number;
  readonly steps: number;
  readonly metrics: Metrics;
  /** Puzzles per second, over the last steps. */
  readonly samplesPerSecond: number;
}

/** Progress callbacks. */
export interface TrainObserver {
  /** A stage begins, or goes on after `step` updates. */
  onStage?(report: Pick<StepReport, 'stage' | 'title' | 'step' | 'steps'>): void;
  /** An update is done; its metrics have arrived. */
  onStep?(report: StepReport): void;
  /** Puzzles of a row have been evaluated. */
  onEvaluation?(row: RowName, done: number, total: number): void;
  /** A row of the table is done. */
  onRow?(row: RowName, items: readonly ItemResult[]): void;
  /** A line for people. */
  onNote?(note: string): void;
}

/** What a run is told beside its configuration: where it runs and writes, and who watches. */
export interface TrainOptions {
  readonly config: RunConfig;
  readonly device: Device;
  /** Where the run is stored: a folder, for instance. */
  readonly folder: RunStore;
  /** The puzzles of the configuration, where they have been drawn already. */
  readonly puzzles?: RunPuzzles;
  /** Stages to run; default those of the configuration. Those before them must be in the folder. */
  readonly stages?: readonly StageName[];
  /** Rows that are evaluated after their stages; default all of `evaluatedRows`. */
  readonly evaluations?: readonly RowName[];
  /** Resumes from the newest good checkpoint in the folder. */
  readonly resume?: boolean;
  /**
   * With `resume`: name or path of the checkpoint in the folder to resume from instead; newer files are set aside
   * there.
   */
  readonly from?: string;
  /** Sizes of the model, where they are not those of the configuration's preset. */
  readonly model?: ModelConfig;
  /** Updates between checkpoints. Default 200. */
  readonly checkpointEvery?: number;
  /** Aborting it ends the run after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly observer?: TrainObserver;
}

/** The run was stopped by its signal; a checkpoint says where. */
export class Interrupted extends Error {
  override name = 'Interrupted';
  readonly checkpoint: string | undefined;

  constructor(checkpoint: string | undefined) {
    super('interrupted');
    this.checkpoint = checkpoint;
  }
}

/** The run cannot go on: its device failed, or its numbers did. The message says where, why, and what is left. */
export class RunStopped extends Error {
  override name = 'RunStopped';
  readonly reason: DeviceFault | 'numbers';
  readonly stage: StageName;

  /** The last good checkpoint of a stage whose numbers failed. */
  readonly checkpoint: string | undefined;

  constructor(
    reason: DeviceFault | 'numbers',
    stage: StageName,
    message: string,
    options: ErrorOptions & { checkpoint?: string | undefined } = {},
  ) {
    super(message, options);
    this.reason = reason;
    this.stage = stage;
    this.checkpoint = options.checkpoint;
  }
}
