/** What stage 2 learns from: responses to images, as a rule the student's own. */
import { Random } from '../../../core/index.js';
import { generate } from '../../../models/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, streams } from '../puzzles.js';
import type { Puzzle, PuzzleGroup } from '../puzzles.js';
import { generationSlots, patchTensor, promptOf, renderPuzzles } from '../packing.js';
import { maximumResponseLength } from '../response.js';
import { NO_NOISE, planTrace, relabelledTrace } from '../targets.js';
import type { TrainingTrace } from '../targets.js';
import { EOS } from '../../../models/vocabulary.js';
import { teacherPrompt } from './teacher.js';
import type { Teacher } from './teacher.js';

/** The sequences of a step, and how their tokens are weighed. The n sequences of a puzzle stand side by side. */
export interface Rollouts {
  /** The puzzle of each sequence. */
  readonly puzzles: readonly Puzzle[];
  readonly images: readonly Uint8Array[];
  /** Tokens after BOS. */
  readonly responses: readonly (readonly number[])[];
  /** The same as inputs, with the mask as weights. */
  readonly traces: readonly TrainingTrace[];
  /** Which sequences the student has written; left out: all. */
  readonly onPolicy?: readonly boolean[];
}

/** Noise of the teacher's own sequences; beside `streams`. */
const teacherStream = 25;

/**
 * The sequences of a step: the student's at temperature, from images, or with chance 1 - lambda those of the oracle or of the
 * teacher. Everything follows from the seed, the step and the weights.
 */
export async function rollOut(
  config: RunConfig,
  student: VisionLanguageModel,
  groups: readonly PuzzleGroup[],
  step: number,
  teacher?: Teacher,
): Promise<Rollouts> {
  const { batch, n, lambda, offPolicy, maskAfterFatal } = config.stage2;
  const random = new Random(config.seed, streams.stage2, step);
  const drawn = drawPuzzles(groups, random, batch, config.stage2.balance);
  const repeated = <T>(items: readonly T[]) => items.flatMap(item => new Array<T>(n).fill(item));
  const puzzles = repeated(drawn);
  const images = repeated(renderPuzzles(drawn, student.config));
  const onPolicy = puzzles.map(() => lambda === 1 || random.uniform() < lambda);
  const own = puzzles.flatMap((_, i) => (onPolicy[i]! ? [i] : []));
  const others = puzzles.flatMap((_, i) => (onPolicy[i]! ? [] : [i]));
  const writer = offPolicy === 'teacher' ? teacher?.writer : undefined; // an oracle's sequences are the solver's either way
  const responses = new Array<readonly number[]>(puzzles.length);
  const place = (where: readonly number[], what: readonly (readonly number[])[]) => {
    where.forEach((i, k) => (responses[i] = what[k]!));
  };

  place(own, await writtenFromImages(config, student, own.map(i => puzzles[i]!), own.map(i => images[i]!), step)); // prettier-ignore
  if (writer) place(others, await writtenFromSymbols(config, writer, others.map(i => puzzles[i]!), step)); // prettier-ignore
  else place(others, others.map(i => writtenByOracle(config, puzzles[i]!, random))); // prettier-ignore

  const traces = puzzles.map(({ world, instance }, i) =>
    relabelledTrace(world, instance, responses[i]!, { maskAfterFatal }),
  );
  return { puzzles, images, responses, traces, ...(others.length > 0 && { onPolicy }) };
}

/** Tokens that these puzzles may take. */
function tokenLimit({ stage2 }: RunConfig, puzzles: readonly Puzzle[]): number {
  const needed = Math.max(...puzzles.map(({ world, instance }) => maximumResponseLength(world, instance.size)));
  return Math.min(needed, stage2.maxNewTokens ?? Infinity);
}

async function writtenFromImages(
  config: RunConfig,
  student: VisionLanguageModel,
  puzzles: readonly Puzzle[],
  images: readonly Uint8Array[],
  step: number,
): Promise<number[][]> {
  if (puzzles.length === 0) return [];
  const prompts = puzzles.map(puzzle => promptOf(puzzle, 'image', student.config));
  const options = {
    maxTokens: tokenLimit(config, puzzles),
    temperature: config.stage2.temperature,
    ...{ seed: config.seed, stream: streams.rollouts, step: step * student.config.responsePositions },
    ...generationSlots(
      puzzles.map(({ world }) => ({ world })),
      student.config,
    ),
  };
  return await student.device.scope(() => generate(student, prompts, options, patchTensor(student, images)));
}

async function writtenFromSymbols(
  config: RunConfig,
  writer: VisionLanguageModel,
  puzzles: readonly Puzzle[],
  step: number,
): Promise<number[][]> {
  if (puzzles.length === 0) return [];
  const prompts = puzzles.map(puzzle => teacherPrompt(puzzle, config.stage2.context));
  const options = {
    maxTokens: tokenLimit(config, puzzles),
    temperature: config.stage2.temperature,
    ...{ seed: config.seed, stream: teacherStream, step: step * writer.config.responsePositions },
    ...generationSlots(puzzles, writer.config),
  };
  return await writer.device.scope(() => generate(writer, prompts, options));
}

/** The true recap and a shortest plan, one of them at random. */
function writtenByOracle(config: RunConfig, puzzle: Puzzle, random: Random): number[] {
  const { inputs } = planTrace(puzzle.world, puzzle.instance, random, { noise: NO_NOISE });
  return [...inputs.slice(1), EOS].slice(0, tokenLimit(config, [puzzle]));
}
