/** Single steps of any stage with any batch: what estimates of time and memory are made of. */
import { Random } from '../../../core/index.js';
import type { AdamW } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import { EOS } from '../../../models/vocabulary.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles } from '../puzzles.js';
import type { Puzzle, PuzzleGroup } from '../puzzles.js';
import { renderPuzzles } from '../packing.js';
import { maximumResponseLength, oracleResponse } from '../response.js';
import { relabelledTrace } from '../targets.js';
import { directStage } from './direct.js';
import type { Stage, StageName } from './stage.js';
import { planningStage } from './stage0.js';
import { groundingStage } from './stage1.js';
import { distil } from './stage2.js';
import { Updates } from './update.js';

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
 * One step of a stage with `batch` puzzles, to be run any number of times. No response is generated for stage 2: the solver's
 * take the place of the student's, or junk up to the limit does.
 */
export function probeStep(
  stage: StageName,
  config: RunConfig,
  model: VisionLanguageModel,
  teacher: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
  batch: number,
  lengths: ResponseLengths = 'oracle',
): () => Promise<void> {
  const steps = (made: Stage) => async () => {
    const { metrics } = await made.step(0);
    await metrics;
  };
  switch (stage) {
    case 'stage0': {
      const changed = { ...config, stage0: { ...config.stage0, batch } };
      return steps(planningStage(changed, model, optimizer, groups));
    }
    case 'stage1':
    case 'direct': {
      const changed = { ...config, stage1: { ...config.stage1, batch } };
      const make = stage === 'stage1' ? groundingStage : directStage;
      return steps(make(changed, model, optimizer, groups));
    }
    case 'stage2': {
      const drawn = drawPuzzles(groups, new Random(config.seed), batch);
      const puzzles = drawn.flatMap(puzzle => new Array<Puzzle>(config.stage2.n).fill(puzzle));
      const images = renderPuzzles(puzzles, model.config);
      const responses = puzzles.map(puzzle =>
        lengths === 'oracle' ? oracleResponse(puzzle.world, puzzle.instance) : longestResponse(puzzle, config),
      );
      const traces = puzzles.map(({ world, instance }, i) =>
        relabelledTrace(world, instance, responses[i]!, { maskAfterFatal: lengths === 'oracle' }),
      );
      const rates = { vision: 1e-6, decoder: 1e-6 };
      const updates = new Updates(optimizer);
      return async () => {
        await distil(config, model, teacher, optimizer, { puzzles, images, responses, traces }, rates, { updates })
          .metrics;
      };
    }
  }
}

/** A response that does not end before the limit, as a student's may that has learnt nothing yet. */
function longestResponse({ world, instance }: Puzzle, { stage2 }: RunConfig): number[] {
  const length = Math.min(maximumResponseLength(world, instance.size), stage2.maxNewTokens ?? Infinity);
  return new Array<number>(length).fill(EOS + 1);
}
