/** Rehearsal: symbolic samples of stage 0 beside a later stage's own loss. What a stage does not see it forgets. */
import { Random } from '../../../core/index.js';
import { packSupervised } from '../packing.js';
import { drawPuzzles, streams } from '../puzzles.js';
import { planExample } from '../targets.js';
import type { Auxiliary } from '../stages/supervision.js';
import type { StageSetting } from '../stages/stage.js';

/** `replay * batch` symbolic samples with recap, plan, noise and soft targets as in stage 0; none if that is 0. */
export function rehearse(
  { config, student, groups }: StageSetting,
  stage: 'stage1' | 'stage2',
  step: number,
): Auxiliary[] {
  const { replay, batch } = config[stage];
  const count = Math.round(replay * batch);
  if (count === 0) return [];
  const { balance, noise, promptDropout, lossAverage } = config.stage0;
  const random = new Random(config.seed, streams.rehearsal[stage], step);
  const examples = drawPuzzles(groups, random, count, balance).map(puzzle =>
    planExample(puzzle, random, noise, promptDropout),
  );
  return [{ batch: packSupervised(examples, 'symbolic', student, lossAverage), weight: replay }];
}
