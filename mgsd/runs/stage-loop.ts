/** The updates of one stage: log, checkpoints, looks at held-out puzzles, and an orderly end whatever happens. */
import { DeviceError } from '../../core/index.js';
import type { RunPuzzles } from '../method/puzzles.js';
import { TooManyBadSteps } from './bad-steps.js';
import { captureState, Rescue, saveState, WeightsNotFinite } from './checkpoints.js';
import { isLookDue, lookAndScore, score } from './looks.js';
import type { OpenStage } from './open-stage.js';
import { stageBefore } from './order.js';
import { StepLog } from './step-log.js';
import { looksFile } from './store.js';
import { Interrupted, RunStopped } from './train-options.js';
import type { TrainOptions } from './train-options.js';

/** All remaining updates of a stage. @throws Interrupted, RunStopped */
export async function runUpdates(opened: OpenStage, puzzles: RunPuzzles, options: TrainOptions): Promise<void> {
  const { stage, step: start, model } = opened;
  const { folder, config, signal, observer, resume, checkpointEvery = 200 } = options;
  const isDue = (step: number) => step > 0 && step % checkpointEvery === 0;
  const isRegular = (step: number) =>
    isDue(step) || isLookDue(step, stepsAt(step, opened, options)) || step >= stage.steps;
  if (resume) {
    if (start < stage.steps) folder.rewind(stage.name, start);
    folder.prune(stage.name, isRegular);
  }
  if (start > 0 && start < stage.steps) observer?.onNote?.(`${stage.name} resumes after update ${start}`);
  const log = await StepLog.start(opened, options);
  const rescue = new Rescue(model); // keeps a recent state on the host in case the device is lost
  const save = async (done: number, rating?: number) => {
    await log.drain();
    return saveState(folder, config, await captureState(opened, done), rating, isRegular);
  };
  let done = start;
  let saved = start;
  // An interruption leaves out a look that is due at its checkpoint.
  const isSeen = resume && folder.readLog(looksFile).some(look => look.stage === stage.name && look.step === start);
  let seen = isSeen ? start : -1;
  try {
    while (done < stage.steps) {
      if (signal?.aborted) {
        const isNew = done > start || folder.checkpoints().length === 0;
        throw new Interrupted(isNew ? await save(done) : undefined);
      }
      if (isLookDue(done, stage.steps) && seen < done) {
        await log.drain();
        await save(done, await lookAndScore(opened, done, puzzles, folder));
        seen = saved = done;
        log.restartClock();
        continue; // the signal may have come meanwhile
      }
      if (done > saved) {
        if (isDue(done)) await save(done);
        else rescue.afterStep(done, () => captureState(opened, done));
      }
      const { metrics, notes } = await stage.step(done);
      for (const note of notes ?? []) observer?.onNote?.(note);
      await log.add(++done, metrics);
      await folder.pause(); // for signals and progress bars
    }
    await log.drain();
    if (start < stage.steps || stage.steps === 0) await save(stage.steps, await score(opened, puzzles.validation));
  } catch (error) {
    throw await stopped(error, opened, done, { rescue, log }, options);
  }
}

/** Updates that a stage was to have when it came to `step`: a gate may have extended it since (gate.ts). */
function stepsAt(step: number, { stage }: OpenStage, { config: { stage1 } }: TrainOptions): number {
  let steps = stage.name === 'stage1' ? stage1.steps : stage.steps;
  while (steps <= step && steps < stage.steps) steps += stage1.gate.steps;
  return steps;
}

/** Saves what can be saved after an error in the middle of a stage; the message says what that is. */
async function stopped(
  error: unknown,
  { stage: { name } }: OpenStage,
  done: number,
  { rescue, log }: { readonly rescue: Rescue; readonly log: StepLog },
  { folder, config }: TrainOptions,
): Promise<unknown> {
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
  await log.drain().catch(() => {}); // what has arrived belongs to the state that is saved
  const saved = error.fault === 'lost' ? rescue.save(folder, config, log.written) : undefined;
  const left = saved === undefined ? kept : `The newest state known to be good is saved in ${saved}.`;
  return new RunStopped(error.fault, name, `${name}, update ${done + 1}: ${error.message} ${left}`, { cause: error });
}
