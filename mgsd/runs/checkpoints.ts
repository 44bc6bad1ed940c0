/**
 * The state of a run as files: what a checkpoint holds beside the weights, what is checked before one is gone on with,
 * and which one that is. Random numbers are counter-based, so seed and step are all of their state, and of the place in
 * the data.
 */
import { allFinite, stateFields } from '../../core/index.js';
import type { AdamW } from '../../core/index.js';
import { CheckpointError, decodeCheckpoint, encodeCheckpoint } from '../../models/index.js';
import type { Checkpoint, CheckpointProblem, ModelConfig, VisionLanguageModel } from '../../models/index.js';
import { resolveConfig, trainedConfig } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import { drawsName, splitName } from '../method/split.js';
import { FileError } from './file-error.js';
import { stageNames } from './order.js';
import type { CheckpointFile, RunStore } from './store.js';
import type { OpenStage } from './open-stage.js';
import type { StageName } from '../method/stages/stage.js';

/** A checkpoint file that is refused: its path, what is wrong with it, what to do. */
export class RefusedCheckpoint extends FileError {
  override name = 'RefusedCheckpoint';
  readonly problem: CheckpointProblem;

  constructor(path: string, problem: CheckpointProblem, message: string, options?: ErrorOptions) {
    super(`${path} is refused: ${message.replace(/\.$/, '')}${remedies[problem]}.`, options);
    this.problem = problem;
  }
}

const oldSplit = 'it was trained under an earlier split, in which mirror images of test boards were training boards';
const oldDraws = 'its training puzzles were drawn by another version, and this one would train on with others';
const stillGood = '. It can still plan and be evaluated; to train on, begin a new run';

const remedies: Readonly<Record<CheckpointProblem, string>> = {
  damaged: '; take an earlier checkpoint',
  foreign: '; check the path',
  newer: '', // the message says it
  older: '',
};

/** Decodes a checkpoint file. @throws RefusedCheckpoint */
export function decodeStored(path: string, bytes: Uint8Array): Checkpoint {
  try {
    return decodeCheckpoint(bytes);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    throw new RefusedCheckpoint(path, error.problem, error.message, { cause: error });
  }
}

/**
 * Decodes a checkpoint for resuming.
 * @throws RefusedCheckpoint, also for one of another run, place or size, or without the optimiser's state
 */
export function decodeRunState(
  { path, stage, step }: CheckpointFile,
  bytes: Uint8Array,
  config: RunConfig,
): Checkpoint {
  const checkpoint = decodeStored(path, bytes);
  const { metadata, optimizer, parameters } = checkpoint;
  const foreign = (message: string) => new RefusedCheckpoint(path, 'foreign', message);
  if (metadata['stage'] !== stage || metadata['step'] !== String(step))
    throw foreign(`it was written as ${metadata['stage'] ?? 'no stage'}, update ${metadata['step'] ?? '?'}`);
  const trained = trainedConfig(checkpoint);
  const { kind } = config.optimizer;
  if (trained && trained.optimizer.kind !== kind)
    throw foreign(`it was trained by ${trained.optimizer.kind}, whose state is of no use to the ${kind} of this run`);
  if (!trained || differences(trained, resolveConfig(config.preset, config)).length > 0)
    throw foreign('it belongs to a run with another configuration');
  const count = [...parameters.values()].reduce((sum, { length }) => sum + length, 0);
  if ((optimizer.get('m')?.length ?? 0) < count || !optimizer.has('v') || !optimizer.has('state'))
    throw foreign("it has not the optimiser's state, so a run cannot go on from it");
  const old = metadata['split'] !== splitName ? oldSplit : metadata['draws'] !== drawsName ? oldDraws : undefined;
  if (old !== undefined) throw new RefusedCheckpoint(path, 'older', old + stillGood);
  return checkpoint;
}

/** `seed is 1, not 2` for every value that differs between two that JSON can hold, whatever the order of their keys. */
export function differences(a: unknown, b: unknown, at: readonly string[] = []): string[] {
  if (a === b) return [];
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return [`${at.join('.')} is ${JSON.stringify(a)}, not ${JSON.stringify(b)}`];
  const [left, right] = [a, b] as [Record<string, unknown>, Record<string, unknown>];
  return Object.keys({ ...left, ...right }).flatMap(key => differences(left[key], right[key], [...at, key]));
}

/**
 * Refuses to go on with a run under another configuration than its checkpoints were trained with, as when config.json
 * was edited. A foreign file among a stage's own does not count, nor do damaged ones.
 * @throws FileError
 */
export function requireOwnCheckpoints(folder: RunStore, config: RunConfig): void {
  const wanted = resolveConfig(config.preset, config);
  for (const name of stageNames) {
    const files = folder.checkpoints().filter(({ stage }) => stage === name);
    const foreign: string[] = [];
    const isOwn = (file: CheckpointFile) => {
      const checkpoint = decodedOrNot(file, folder);
      if (!checkpoint) return false;
      const trained = trainedConfig(checkpoint);
      const different = trained ? differences(trained, wanted) : ['this version cannot read it'];
      if (different.length > 0) foreign.push(`${file.name}: ${different.join('; ')}`);
      return different.length === 0;
    };
    if (!files.some(isOwn) && foreign.length > 0)
      throw new FileError(
        `${folder.path} was trained with another configuration than it has now (${foreign[0]!}): restore its config.json, ` +
          'or start a new run with the other one',
      );
  }
}

/** The checkpoint in a file; undefined if it is refused. */
export function decodedOrNot({ path, name }: CheckpointFile, folder: RunStore): Checkpoint | undefined {
  try {
    return decodeStored(path, folder.read(name));
  } catch {
    return undefined; // whoever resumes from it says why
  }
}

/** A checkpoint and the updates done before it. */
export interface StoredState {
  readonly step: number;
  readonly checkpoint: Checkpoint;
}

/**
 * The newest good checkpoint of a stage. Damaged and foreign ones are skipped with a note each; one that a newer
 * program has written is not, since going on from an older one would replace it.
 * @returns undefined if the stage must begin anew
 * @throws RefusedCheckpoint
 */
export function newestCheckpoint(
  folder: RunStore,
  stage: StageName,
  config: RunConfig,
  onNote: (note: string) => void = () => {},
): StoredState | undefined {
  const files = folder.checkpoints().filter(file => file.stage === stage);
  for (const file of files) {
    try {
      return { step: file.step, checkpoint: decodeRunState(file, folder.read(file.name), config) };
    } catch (error) {
      if (error instanceof RefusedCheckpoint && (error.problem === 'newer' || error.problem === 'older')) throw error;
      onNote(error instanceof Error ? error.message : String(error));
    }
  }
  if (files.length > 0) onNote(`no checkpoint of ${stage} in ${folder.path} is good: it begins anew`);
  return undefined;
}

/**
 * The weights a stage ended with.
 * @throws Error if the folder has none, the stage was not finished, or its file is refused
 */
export function finalCheckpoint(
  folder: RunStore,
  stage: 'stage0' | 'stage1' | 'stage2',
  config: RunConfig,
): Checkpoint {
  const file = folder.checkpoints().find(checkpoint => checkpoint.stage === stage);
  if (!file)
    throw new Error(`${folder.path} has no checkpoint of ${stage}, which this stage starts from: run ${stage} first.`);
  const { steps } = config[stage];
  if (file.step < steps)
    throw new Error(
      `${folder.path} has ${stage} up to update ${file.step} of ${steps}: let it finish first, with --resume.`,
    );
  try {
    return decodeRunState(file, folder.read(file.name), config);
  } catch (error) {
    if (!(error instanceof RefusedCheckpoint) || error.problem !== 'damaged') throw error;
    throw new FileError(
      `${error.message} --resume without --stage goes back to an earlier one of ${stage} by itself.`,
      { cause: error },
    );
  }
}

/** A checkpoint of such weights would be of no use. */
export class WeightsNotFinite extends Error {
  override name = 'WeightsNotFinite';
}

/** Gives an optimiser back what a checkpoint holds of it. The state of files from before loss scales is completed. */
export function restoreOptimizer(optimizer: AdamW, { optimizer: tensors }: Checkpoint): void {
  const [m, v, stored] = ['m', 'v', 'state'].map(name => tensors.get(name)!) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const state = new Float32Array(stateFields.length);
  state[stateFields.indexOf('lossScale')] = 1;
  state.set(stored.subarray(0, state.length));
  optimizer.load({ m, v, state });
}

/** What goes on between two steps, on the host. */
export interface RunState {
  readonly stage: StageName;
  /** Updates done. */
  readonly step: number;
  readonly model: ModelConfig;
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly optimizer: ReadonlyMap<string, Float32Array>;
}

/** Copies the state of a run from the device; ordered with what has been launched, so steps may follow at once. */
export async function captureState({ stage, model, optimizer }: OpenStage, step: number): Promise<RunState> {
  const [parameters, { m, v, state }, more] = await Promise.all([
    model.parameters.save(),
    optimizer.save(),
    stage.saveState?.() ?? new Map<string, Float32Array>(),
  ]);
  const tensors = new Map<string, Float32Array>(Object.entries({ m, v, state }));
  for (const [name, values] of more) tensors.set(name, values);
  return { stage: stage.name, step, model: model.config, parameters, optimizer: tensors };
}

/**
 * Writes a checkpoint into the run's folder.
 * @param score see `RunStore.saveCheckpoint`, `isRegular` too
 * @throws WeightsNotFinite
 */
export function saveState(
  folder: RunStore,
  config: RunConfig,
  state: RunState,
  score?: number,
  isRegular?: (step: number) => boolean,
): string {
  const { stage, step, model, parameters, optimizer } = state;
  for (const [name, values] of parameters)
    if (!allFinite(values))
      throw new WeightsNotFinite(`${stage}, update ${step}: ${name} is not finite, so no checkpoint is saved`);
  const metadata = {
    stage,
    step: String(step),
    seed: String(config.seed),
    run: JSON.stringify(config),
    split: splitName,
    draws: drawsName,
  };
  return folder.saveCheckpoint(
    stage,
    step,
    encodeCheckpoint({ config: model, parameters, optimizer, metadata }),
    score,
    isRegular,
  );
}

/** Steps between two copies that are kept on the host. */
const rescueEvery = 20;

/**
 * A recent state on the host, for devices whose memory may vanish: it is copied every few steps without waiting for it,
 * and becomes a checkpoint when the device is lost.
 */
export class Rescue {
  #state: RunState | undefined;
  readonly #isNeeded: boolean;

  constructor({ device }: VisionLanguageModel) {
    this.#isNeeded = device.capabilities.asynchronous;
  }

  /** After `step` updates. */
  afterStep(step: number, capture: () => Promise<RunState>): void {
    if (!this.#isNeeded || step % rescueEvery !== 0) return;
    const keep = (state: RunState) => {
      this.#state = state;
    };
    capture().then(keep, () => {}); // a loss is reported by the step that meets it
  }

  /**
   * Saves what is newer than the last checkpoint, if anything is.
   * @param written number of the last update in the log: a state behind it would lack lines for good
   * @returns its path
   */
  save(folder: RunStore, config: RunConfig, written: number): string | undefined {
    const state = this.#state;
    if (!state || state.step > written) return undefined;
    const saved = folder.checkpoints().find(({ stage }) => stage === state.stage);
    return saved && saved.step >= state.step ? undefined : saveState(folder, config, state);
  }
}
