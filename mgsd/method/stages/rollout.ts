/** What stage 2 learns from: responses to images, by default the student's own. */
import { Random } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { renderPuzzles } from '../packing.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { Puzzle } from '../puzzles.js';
import { respond } from '../respond.js';
import type { RespondOptions } from '../respond.js';
import { maximumResponseLength, parseResponse } from '../response.js';
import type { ParsedResponse } from '../response.js';
import { relabelledTrace } from '../targets.js';
import type { TrainingTrace } from '../targets.js';
import type { StageSetting } from './stage.js';

/** One response, read once. */
export interface Rollout {
  readonly image: Uint8Array;
  /** Tokens after BOS. */
  readonly response: readonly number[];
  /** The same as the world's rules read and judge it. */
  readonly reading: ParsedResponse;
  /** The same as inputs, with its puzzle; the weights are the mask: 0 for what follows the first fatal token. */
  readonly trace: TrainingTrace;
}

/** Writes a response to each puzzle: tokens after BOS. The images are of the puzzles, (imageSize, imageSize, 3) bytes. */
export type Writer = (puzzles: readonly Puzzle[], images: readonly Uint8Array[], step: number) => Promise<number[][]>;

/** The rollouts of a step: puzzles are drawn, pictured and answered. Everything follows from the seed, the step and the weights. */
export async function rollOut(
  { config, student, groups }: StageSetting,
  write: Writer,
  step: number,
): Promise<Rollout[]> {
  const { batch, balance, maskAfterFatal } = config.stage2;
  const puzzles = drawPuzzles(groups, new Random(config.seed, streams.stage2, step), batch, balance);
  const images = renderPuzzles(puzzles, student.config);
  const responses = await write(puzzles, images, step);
  return puzzles.map((puzzle, i) => readRollout(puzzle, images[i]!, responses[i]!, maskAfterFatal));
}

/** A response as a rollout. @param maskAfterFatal see `responseMask` */
export function readRollout(
  puzzle: Puzzle,
  image: Uint8Array,
  response: readonly number[],
  maskAfterFatal: boolean,
): Rollout {
  const reading = parseResponse(puzzle.world, puzzle.instance, response);
  return { image, response, reading, trace: relabelledTrace(puzzle, response, maskAfterFatal, reading.walk) };
}

/** On-policy: the student writes what it samples from the images. */
export function studentWriter({ config, student }: StageSetting): Writer {
  return (puzzles, images, step) => {
    const options = samplingOptions(config, student, puzzles, step, streams.rollouts);
    return respond(student, puzzles, 'image', { ...options, images });
  };
}

/** How rollouts are sampled: at the run's temperature, as long as the longest plan of these boards may need. */
export function samplingOptions(
  { seed, stage2 }: RunConfig,
  { config }: VisionLanguageModel,
  puzzles: readonly Puzzle[],
  step: number,
  stream: number,
): RespondOptions {
  return {
    maxTokens: Math.max(...puzzles.map(({ world, instance }) => maximumResponseLength(world, instance.size))),
    temperature: stage2.temperature,
    seed,
    stream,
    step: step * config.responsePositions,
  };
}
