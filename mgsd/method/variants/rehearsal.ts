/**
 * Plans beside a later stage's own loss, drawn as in stage 0: from symbols, since what a stage does not see it forgets,
 * and behind pictures of other puzzles, so that an image in the prompt does not keep the planner from its recap.
 */
import { Random } from '../../../core/index.js';
import { packSupervised, trainingImages } from '../packing.js';
import type { InputMode, TrainingExample } from '../packing.js';
import { drawOther, drawPuzzles, streams } from '../puzzles.js';
import { mismatchedExample, planExample } from '../targets.js';
import type { Auxiliary } from '../stages/supervision.js';
import { looksAt } from '../stages/stage.js';
import type { StageSetting } from '../stages/stage.js';

type ImageStage = 'stage1' | 'stage2';

/** `replay * batch` symbolic samples with recap, plan, noise and soft targets as in stage 0; none if that is 0. */
function rehearsed({ config, groups }: StageSetting, stage: ImageStage, step: number): TrainingExample[] {
  const { balance, noise, promptDropout } = config.stage0;
  const random = new Random(config.seed, streams.rehearsal[stage], step);
  const count = Math.round(config[stage].replay * config[stage].batch);
  return drawPuzzles(groups, random, count, balance).map(puzzle => planExample(puzzle, random, noise, promptDropout));
}

/** `mismatch * batch` plans behind the picture of another puzzle of the same world; none if that is 0. */
export function mismatched({ config, groups }: StageSetting, stage: ImageStage, step: number): TrainingExample[] {
  const { balance, noise } = config.stage0;
  const random = new Random(config.seed, streams.mismatch[stage], step);
  const count = Math.round(config[stage].mismatch * config[stage].batch);
  return drawPuzzles(groups, random, count, balance).map(puzzle =>
    mismatchedExample(puzzle, drawOther(groups, random, puzzle), random, noise),
  );
}

/** Both, each with its weight in the loss. */
export function plansBeside(setting: StageSetting, stage: ImageStage, step: number): Auxiliary[] {
  const { config, student } = setting;
  const { replay, mismatchWeight } = config[stage];
  const pack = (examples: readonly TrainingExample[], input: InputMode, images?: readonly Uint8Array[]) =>
    packSupervised(examples, input, student, config.stage0.lossAverage, images);
  const symbolic = rehearsed(setting, stage, step);
  const pictured = mismatched(setting, stage, step);
  const auxiliaries: Auxiliary[] = [];
  if (symbolic.length > 0) auxiliaries.push({ name: 'lossReplay', batch: pack(symbolic, 'symbolic'), weight: replay });
  if (pictured.length > 0) {
    const shown = pictured.map(example => example.pictured ?? example.puzzle);
    const random = new Random(config.seed, streams.looks.mismatch[stage], step);
    const images = trainingImages(shown, student.config, looksAt(config, stage, step), random);
    auxiliaries.push({ name: 'lossMismatch', batch: pack(pictured, 'image', images), weight: mismatchWeight });
  }
  return auxiliaries;
}
