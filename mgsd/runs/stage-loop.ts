/**
 * The updates of one stage, one after another: log, checkpoints, looks at held-out puzzles, and a good end whatever happens in
 * between. What an update is stands in stages/.
 */
import { DeviceError } from '../../core/index.js';
import type { AdamW } from '../../core/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import { StepGuard, TooManyBadSteps } from './bad-steps.js';
import { captureState, Rescue, saveState, WeightsNotFinite } from './checkpoints.js';
import { memoryNow } from './memory-log.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import type { RunFolder } from './run-folder.js';
import { stageBefore } from './order.js';
import { scoreOf } from './best.js';
import type { Metrics, Stage, StageName } from '../method/stages/stage.js';
import { Interrupted, RunStopped } from './train-options.js';
import type { TrainOptions } from './train-options.js';
import { appendLook, isLookDue, look, watchFile } from './looks.js';

/** Steps whose metrics may be outstanding: enough to keep an asynchronous device busy. */
const stepsInFlight = 2;

/** Where a run would go on, as a sentence. */
function lastGood(folder: RunFolder, stage: StageName): string {
  const file = folder.checkpoints().find(checkpoint => checkpoint.stage === stage);
  if (file) return `The last good checkpoint is ${file.path} (update ${file.step}).`;
  const after = stageBefore(stage);
  return `There is no checkpoint of ${stage} yet; it would begin anew${after ? ` from the end of ${after}` : ''}.`;
}

/** Watches a stage's losses, and makes it anew if they go bad. */
export function guardOf(
  stage: Stage,
  model: VisionLanguageModel,
  teacher: VisionLanguageModel | undefined,
  optimizer: AdamW,
  rebuild: (m: VisionLanguageModel, t: VisionLanguageModel | undefined, o: AdamW) => Stage,
  { config, folder, observer }: TrainOptions,
): Promise<StepGuard> {
  return StepGuard.start({
    ...{ config, stage, model, teacher, optimizer, folder, rebuild },
    window: stepsInFlight + 1,
    lastGood: () => lastGood(folder, stage.name),
    onNote: note => observer?.onNote?.(note),
  });
}

/** What is made of an error in the middle of a stage: what can be saved is, and the message says what that is. */
function stopped(
  error: unknown,
  stage: Stage,
  step: number,
  rescue: Rescue,
  { folder, config }: TrainOptions,
): unknown {
  const { name } = stage;
  if (error instanceof TooManyBadSteps || error instanceof WeightsNotFinite)
    return new RunStopped('numbers', name, `${error.message}. ${lastGood(folder, name)}`, { cause: error });
  if (!(error instanceof DeviceError)) return error;
  const saved = error.fault === 'lost' ? rescue.save(folder, config) : undefined;
  const kept = saved === undefined ? lastGood(folder, name) : `What was known good of it is saved in ${saved}.`;
  return new RunStopped(error.fault, name, `${name}, update ${step + 1}: ${error.message} ${kept}`, { cause: error });
}

/** All updates of a stage from `start` on, with logs, checkpoints, and looks at held-out puzzles. */
export async function runStage(
  stage: Stage,
  start: number,
  model: VisionLanguageModel,
  optimizer: AdamW,
  guard: StepGuard,
  heldOut: readonly PuzzleGroup[],
  options: TrainOptions,
): Promise<void> {
  const { folder, config, signal, observer, checkpointEvery = 200 } = options;
  if (start > 0 && start < stage.steps) observer?.onNote?.(`${stage.name} goes on after update ${start}`);
  const { batch } = stage.name === 'direct' ? config.stage1 : config[stage.name];
  const outstanding: { step: number; metrics: Promise<Metrics> }[] = [];
  const times: number[] = [performance.now()];
  const rescue = new Rescue(model);
  const report = async () => {
    const { step, metrics: promise } = outstanding.shift()!;
    const metrics = await promise;
    times.push(performance.now());
    if (times.length > 21) times.shift();
    const samplesPerSecond = (1000 * batch * (times.length - 1)) / (times.at(-1)! - times[0]!);
    folder.appendLog({ stage: stage.name, step, ...metrics, samplesPerSecond, ...memoryNow(model.device) });
    observer?.onStep?.({ stage: stage.name, title: stage.title, step, steps: stage.steps, metrics, samplesPerSecond });
    await guard.after(step - 1, metrics);
  };
  const drain = async () => {
    while (outstanding.length > 0) await report();
  };
  const capture = (step: number) => captureState(stage, step, model, optimizer);
  const save = async (step: number, score?: number) => saveState(folder, config, await capture(step), score);
  let step = start;
  try {
    for (; step < stage.steps; step++) {
      if (signal?.aborted) {
        await drain();
        throw new Interrupted(step > start ? await save(step) : undefined);
      }
      guard.before(step);
      const { metrics, notes } = await stage.step(step);
      for (const note of notes ?? []) observer?.onNote?.(note);
      metrics.catch(() => {}); // whoever awaits it hears of it, and nobody if another error comes first
      outstanding.push({ step: step + 1, metrics });
      if (outstanding.length > stepsInFlight) await report();
      const isLooking = isLookDue(step + 1, stage.steps) && !signal?.aborted;
      let score: number | undefined;
      if (isLooking) {
        await drain();
        const input = stage.name === 'stage0' ? 'symbolic' : 'image';
        const seen = await look(model, heldOut, input);
        appendLook(folder.file(watchFile), { stage: stage.name, step: step + 1, input, ...seen });
        score = scoreOf(stage.name, seen.items);
        times.splice(0, times.length, performance.now()); // speeds are those of the updates
      }
      const isDue = (step + 1) % checkpointEvery === 0 && step + 1 < stage.steps;
      if (isDue || isLooking) await save(step + 1, score);
      else rescue.afterStep(step + 1, () => capture(step + 1));
      await new Promise(resolve => setImmediate(resolve)); // lets signals and progress bars through
    }
    await drain();
    if (start < stage.steps || stage.steps === 0) await save(stage.steps);
  } catch (error) {
    throw stopped(error, stage, step, rescue, options);
  }
}
