/** Single steps of any stage with any batch: what estimates of time and memory are made of. */
import { Random } from '../../../core/index.js';
import { EOS } from '../../../models/vocabulary.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles } from '../puzzles.js';
import type { Puzzle } from '../puzzles.js';
import { renderPuzzles } from '../packing.js';
import { maximumResponseLength, oracleResponse } from '../response.js';
import { makeStage } from './index.js';
import { readRollout } from './rollout.js';
import { distillationStage } from './stage2.js';
import type { StageName, StageSetting } from './stage.js';

/** Puzzles per size that probes draw from. */
export const probePool = 64;

/** The same run with few puzzles: drawing the whole pools would take longer than the probe. */
export function smallPools(config: RunConfig): RunConfig {
  const tasks = config.tasks.map(task => ({
    ...task,
    pool: Object.fromEntries(Object.entries(task.pool).map(([level, count]) => [level, Math.min(count, probePool)])),
  }));
  return { ...config, tasks, evaluation: { ...config.evaluation, puzzles: 1 } };
}

/** Updates of a stage and puzzles per update. Direct supervision takes as many images as stages 1 and 2 together. */
export function stageSize(
  { stage1, stage2, ...config }: RunConfig,
  stage: StageName,
): { steps: number; batch: number } {
  if (stage === 'direct')
    return { steps: stage1.steps + Math.round((stage2.steps * stage2.batch) / stage1.batch), batch: stage1.batch };
  return { ...config, stage1, stage2 }[stage];
}

/** How long the responses of stage 2 are: like a trained student's, or as long as any may be. */
export type ResponseLengths = 'oracle' | 'longest';

/**
 * One step of a stage with `batch` puzzles, to be run any number of times. No response is generated for stage 2: the
 * solver's take the place of the student's, or junk up to the limit does.
 */
export function probeStep(
  name: StageName,
  setting: StageSetting,
  batch: number,
  lengths: ResponseLengths = 'oracle',
): () => Promise<void> {
  const { student, groups } = setting;
  const sized = name === 'direct' ? 'stage1' : name;
  const config = { ...setting.config, [sized]: { ...setting.config[sized], batch } };
  if (name !== 'stage2') {
    const stage = makeStage(name, { ...setting, config });
    return async () => {
      const { metrics } = await stage.step(0);
      await metrics;
    };
  }
  const puzzles = drawPuzzles(groups, new Random(config.seed), batch);
  const images = renderPuzzles(puzzles, student.config);
  const respond = ({ world, instance }: Puzzle) =>
    lengths === 'oracle' ? oracleResponse(world, instance) : longestResponse({ world, instance });
  const rollouts = puzzles.map((puzzle, i) => readRollout(puzzle, images[i]!, respond(puzzle), lengths === 'oracle'));
  const distillation = distillationStage({ ...setting, config });
  return async () => {
    await distillation.update(rollouts, 0, { vision: 1e-6, decoder: 1e-6 });
  };
}

/** A response that does not end before the limit, as a student's may that has learnt nothing yet. */
function longestResponse({ world, instance }: Puzzle): number[] {
  return new Array<number>(maximumResponseLength(world, instance.size)).fill(EOS + 1);
}
