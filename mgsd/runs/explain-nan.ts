/**
 * Where the NaN of a run comes from. Runs repeat bit by bit, so nothing needs to be kept for this while training: the
 * updates after a checkpoint are run again, launch by launch, until the first number that is not finite.
 */
import { firstNonFinite, formatShape } from '../../core/index.js';
import type { NonFinite } from '../../core/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import { runPuzzles } from '../method/puzzles.js';
import { BadSteps } from './bad-steps.js';
import { openStage } from './open-stage.js';
import type { OpenStage } from './open-stage.js';
import { stagesOf } from './order.js';
import { findCheckpoint } from './train.js';
import type { TrainOptions } from './train-options.js';

/**
 * Runs the updates after `from` (default: after the newest checkpoint, in the first stage that is not finished) up to
 * the last one in the log. Nothing is written.
 * @returns a sentence that names the first tensor that is not finite, its op and kernel, and the parameters it was
 *   computed from
 */
export async function explainNaN(options: TrainOptions): Promise<string> {
  const { config, folder, from, stages = stagesOf(config) } = options;
  const puzzles = runPuzzles(config);
  const at = from === undefined ? undefined : findCheckpoint(folder, from);
  for (const name of at ? [at.stage] : stages) {
    const opened = await openStage(name, puzzles, { ...options, resume: true }, at);
    try {
      if (opened.step < opened.stage.steps) return await explainStage(opened, options);
    } finally {
      opened.dispose();
    }
  }
  throw new Error(`${folder.path} has no updates left to run: name an earlier checkpoint, as in --resume CHECKPOINT`);
}

async function explainStage(opened: OpenStage, { folder, observer }: TrainOptions): Promise<string> {
  const { stage, step: start, model, optimizer } = opened;
  const logged = folder.readLog().filter(record => record.stage === stage.name && record.step > start);
  const end = logged.length > 0 ? Math.max(...logged.map(({ step }) => step)) : stage.steps;
  observer?.onNote?.(`${stage.name}: updates ${start + 1} to ${end} are run again, launch by launch`);
  const bad = await BadSteps.start(stage.name, optimizer);
  for (let step = start; step < end; step++) {
    const { found, result: metrics } = await firstNonFinite(model.device, async () => {
      const { metrics: arriving } = await stage.step(step);
      return await arriving;
    });
    const note = bad.after(step + 1, metrics);
    const isOverflow = note !== undefined && bad.inARow === 0; // the loss scale finds its size
    if (found && !isOverflow) return `${note ?? `${stage.name}, update ${step + 1}`}. ${describe(found, opened)}`;
    if (note !== undefined) observer?.onNote?.(note);
  }
  return (
    `${stage.name}, updates ${start + 1} to ${end}: all numbers are finite. If they were not when the run was trained here, ` +
    'its device is unreliable.'
  );
}

/** A sentence about the first number that was not finite. */
function describe(found: NonFinite, { model, teacher }: OpenStage): string {
  const namesIn = (owner: VisionLanguageModel | undefined, whose: string) =>
    found.inputs.flatMap(({ tensor }) =>
      [...(owner?.parameters.ranges ?? [])].flatMap(([name, { offset, length }]) =>
        tensor.storage === owner?.parameters.flat.storage && tensor.offset === offset && tensor.size === length
          ? [whose + name]
          : [],
      ),
    );
  const names = [...namesIn(model, ''), ...namesIn(teacher, "the teacher's ")];
  const using = names.length > 0 ? `, computed with ${names.join(' and ')}` : '';
  return `The first tensor that is not finite is ${found.buffer} ${formatShape(found.shape)} of ${found.op} (kernel ${found.kernel})${using}.`;
}
