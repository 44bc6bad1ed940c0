/**
 * Supervision beside a stage's own loss: symbolic samples of stage 0, so that planning from symbols is not forgotten while the
 * model learns to see, and questions about images.
 */
import { Random } from '../../../core/index.js';
import type { Tensor } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { PuzzleGroup } from '../puzzles.js';
import { planTrace } from '../targets.js';
import { packTraces } from '../packing.js';
import { addTerm, supervisedTerm } from './loss-term.js';
import type { LossTerm } from './loss-term.js';

/**
 * A loss with that of `replay * batch` symbolic samples of stage 0 beside it: recap, plan, noise and soft targets as there.
 * @param stream the stage's own number, so that its stages replay different samples
 */
export function withReplay<R extends { readonly loss: Tensor }>(
  term: LossTerm<R>,
  config: RunConfig,
  { replay, batch }: { readonly replay: number; readonly batch: number },
  model: VisionLanguageModel,
  groups: readonly PuzzleGroup[],
  stream: number,
  step: number,
  inBuckets: boolean,
): LossTerm<R> {
  const count = Math.round(replay * batch);
  if (count === 0) return term;
  const random = new Random(config.seed, streams.replay + 100 * stream, step);
  const puzzles = drawPuzzles(groups, random, count, config.stage0.balance);
  const { noise, promptDropout } = config.stage0;
  const traces = puzzles.map(({ world, instance }) => planTrace(world, instance, random, { noise, promptDropout }));
  const packed = packTraces(puzzles, traces, 'symbolic', model.config);
  const options = { average: config.stage0.lossAverage, inBuckets };
  return addTerm(term, supervisedTerm(model, puzzles, traces, packed, options), replay);
}
