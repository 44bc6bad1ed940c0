/** What stage 2 learns from: responses to images, by default the student's own. `respond` calls `generate` for them. */
import { Random } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { trainingImages } from '../packing.js';
import type { TrainingExample } from '../packing.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { Puzzle } from '../puzzles.js';
import { respond } from '../respond.js';
import type { RespondOptions } from '../respond.js';
import { maximumResponseLength, parseResponse } from '../response.js';
import type { ParsedResponse } from '../response.js';
import { relabelledExample } from '../targets.js';
import type { StageSetting } from './stage.js';

/** One response, read once. */
export interface Rollout {
  /** (imageSize, imageSize, 3) bytes. */
  readonly image: Uint8Array;
  /** Tokens after BOS. */
  readonly response: readonly number[];
  /** What it says, and whether that is right by the world's rules. */
  readonly reading: ParsedResponse;
  /** The same to train on: inputs are shifted by one after BOS, and weights are 0 after the first fatal token. */
  readonly example: TrainingExample;
}

/** Writes a response to each puzzle: tokens after BOS. Images are (imageSize, imageSize, 3) bytes. */
export type Writer = (puzzles: readonly Puzzle[], images: readonly Uint8Array[], step: number) => Promise<number[][]>;

/** Rollouts of a step: puzzles drawn, rendered and answered. All follows from the seed, the step and the weights. */
export async function rollOut(
  { config, student, groups }: StageSetting,
  write: Writer,
  step: number,
): Promise<Rollout[]> {
  const { batch, balance, looks, maskAfterFatal } = config.stage2;
  const puzzles = drawPuzzles(groups, new Random(config.seed, streams.stage2, step), batch, balance);
  const images = trainingImages(puzzles, student.config, looks, new Random(config.seed, streams.looks.stage2, step));
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
  return { image, response, reading, example: relabelledExample(puzzle, response, maskAfterFatal, reading.walk) };
}

/** On-policy: the student writes what it samples from the images. */
export function studentWriter({ config, student }: StageSetting): Writer {
  return (puzzles, images, step) => {
    const options = samplingOptions(config, student, puzzles, step, streams.rollouts);
    return respond(student, puzzles, 'image', { ...options, images });
  };
}

/** How rollouts are sampled: at the run's temperature, up to the length that the longest plan of these boards needs. */
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
    step: step * config.responsePositions, // `generate` counts on by one a token: no noise is drawn twice
  };
}
