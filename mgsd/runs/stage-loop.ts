/** The updates of one stage: log, checkpoints, looks at held-out puzzles, and an orderly end whatever happens. */
import { DeviceError } from '../../core/index.js';
import type { RunPuzzles } from '../method/puzzles.js';
import { TooManyBadSteps } from './bad-steps.js';
import { captureState, Rescue, saveState, WeightsNotFinite } from './checkpoints.js';
import { isLookDue, lookAndScore, score } from './looks.js';
import type { OpenStage } from './open-stage.js';
import { stageBefore } from './order.js';
import { StepLog } from './step-log.js';
import { Interrupted, RunStopped } from './train-options.js';
import type { TrainOptions } from './train-options.js';

/** All remaining updates of a stage. @throws Interrupted, RunStopped */
export async function runUpdates(opened: OpenStage, puzzles: RunPuzzles, options: TrainOptions): Promise<void> {
  const { stage, step: start, model } = opened;
  const { folder, config, signal, observer, resume, checkpointEvery = 200 } = options;
  if (resume && start < stage.steps) folder.rewindLog(stage.name, start);
  if (start > 0 && start < stage.steps) observer?.onNote?.(`${stage.name} resumes after update ${start}`);
  const log = await StepLog.start(opened, options);
  const rescue = new Rescue(model); // keeps a recent state on the host in case the device is lost
  const save = async (done: number, rating?: number) =>
    saveState(folder, config, await captureState(opened, done), rating);
  let done = start;
  try {
    while (done < stage.steps) {
      if (signal?.aborted) {
        await log.drain();
        const isNew = done > start || folder.checkpoints().length === 0;
        throw new Interrupted(isNew ? await save(done) : undefined);
      }
      const { metrics, notes } = await stage.step(done);
      for (const note of notes ?? []) observer?.onNote?.(note);
      await log.add(++done, metrics);
      let rating: number | undefined;
      if (isLookDue(done, stage.steps) && !signal?.aborted) {
        await log.drain();
        rating = await lookAndScore(opened, done, puzzles, folder);
        log.restartClock();
      }
      if (rating !== undefined || (done % checkpointEvery === 0 && done < stage.steps)) await save(done, rating);
      else rescue.afterStep(done, () => captureState(opened, done));
      await folder.pause(); // for signals and progress bars
    }
    await log.drain();
    if (start < stage.steps || stage.steps === 0) await save(stage.steps, await score(opened, puzzles.validation));
  } catch (error) {
    throw stopped(error, opened, done, rescue, options);
  }
}

/** Saves what can be saved after an error in the middle of a stage; the message says what that is. */
function stopped(
  error: unknown,
  { stage: { name } }: OpenStage,
  done: number,
  rescue: Rescue,
  { folder, config }: TrainOptions,
): unknown {
  const saves = folder.checkpoints().filter(checkpoint => checkpoint.stage === name);
  const firstBad = error instanceof TooManyBadSteps ? error.first : Infinity;
  const last = saves.find(({ step }) => step < firstBad) ?? saves[0];
  const before = stageBefore(name);
  const kept = last
    ? `The last good checkpoint is ${last.path} (update ${last.step}).`
    : `There is no checkpoint of ${name} yet; it would begin anew${before ? ` from the end of ${before}` : ''}.`;
  if (error instanceof TooManyBadSteps || error instanceof WeightsNotFinite)
    return new RunStopped('numbers', name, `${error.message}. ${kept}`, { cause: error, checkpoint: last?.path });
  if (!(error instanceof DeviceError)) return error;
  const saved = error.fault === 'lost' ? rescue.save(folder, config) : undefined;
  const left = saved === undefined ? kept : `The newest state known to be good is saved in ${saved}.`;
  return new RunStopped(error.fault, name, `${name}, update ${done + 1}: ${error.message} ${left}`, { cause: error });
}
