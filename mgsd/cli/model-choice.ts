/** Which trained model a command works with: a checkpoint file, or the best-trained one in the folder of a run. */
import fs from 'node:fs';
import path from 'node:path';
import { decodeCheckpoint } from '../../models/index.js';
import type { Checkpoint } from '../../models/index.js';
import { presets, trainedConfig } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import type { StageName } from '../method/stages/stage.js';
import { readFile } from '../runs/files.js';
import { RunFolder } from '../runs/run-folder.js';
import { parseCheckpointName } from '../runs/store.js';
import { checkInput, InputError, messageOf } from './errors.js';

export interface ModelChoice {
  readonly path: string;
  readonly checkpoint: Checkpoint;
  /** Of the run that the model comes from; the tiny preset if the file does not say. */
  readonly config: RunConfig;
}

/** The end of the method first; the baseline only when asked for. */
const preferred: readonly StageName[] = ['stage2', 'stage1', 'stage0', 'direct'];

/**
 * @param file a checkpoint or the folder of a run
 * @param stage for a run: the stage whose newest checkpoint is taken
 * @param onNote told about damaged checkpoints that are skipped
 * @throws InputError
 */
export function chooseModel(file: string, stage: StageName | undefined, onNote: (note: string) => void): ModelChoice {
  const isFolder = fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (isFolder) return newestIn(file, stage, onNote);
  if (stage !== undefined) throw new InputError(`--stage chooses in a run's folder; ${file} is one checkpoint`);
  return read(file);
}

function read(file: string): ModelChoice {
  const bytes = checkInput(() => readFile(file));
  const checkpoint = checkInput(() => decodeCheckpoint(bytes), `${file} is no usable checkpoint`);
  return { path: file, checkpoint, config: trainedConfig(checkpoint) ?? presets.tiny };
}

function newestIn(folder: string, stage: StageName | undefined, onNote: (note: string) => void): ModelChoice {
  if (!RunFolder.isRun(folder)) throw new InputError(`${folder} is not the folder of a run (it has no config.json)`);
  const stages = stage === undefined ? preferred : [stage];
  const files = fs
    .readdirSync(folder)
    .flatMap(name => parseCheckpointName(name, path.join(folder, name)) ?? [])
    .filter(file => stages.includes(file.stage))
    .sort((a, b) => stages.indexOf(a.stage) - stages.indexOf(b.stage) || b.step - a.step);
  for (const file of files) {
    try {
      return read(file.path);
    } catch (error) {
      onNote(`skipped: ${messageOf(error)}`);
    }
  }
  throw new InputError(`${folder} has no good checkpoint${stage === undefined ? '' : ` of ${stage}`} yet`);
}
