/** What `eval --data` evaluates: the samples of a folder, as groups of puzzles with their images. */
import path from 'node:path';
import type { ModelConfig } from '../../models/index.js';
import type { EvaluationInput, ItemResult } from '../evaluation/evaluate.js';
import type { Puzzle, PuzzleGroup } from '../method/puzzles.js';
import { readPuzzleFolder, storedImage } from '../exchange/puzzle-files.js';
import type { FileProblem, StoredPuzzle } from '../exchange/puzzle-files.js';
import { splitOf } from '../method/split.js';
import { maximumResponseLength, oracleResponse, parseResponse, symbolicPrompt } from '../method/response.js';
import { judgeActions } from '../exchange/scoring.js';
import type { Scoring } from '../exchange/scoring.js';
import { checkInput, InputError, messageOf } from './errors.js';
import type { CommandContext } from './options.js';

export const imageSources = ['rendered', 'stored'] as const;

export interface StoredFlags {
  readonly data: string;
  readonly images: (typeof imageSources)[number];
  readonly skipMalformed?: boolean;
  readonly world?: readonly string[];
  readonly level?: readonly number[];
  readonly puzzles?: number;
}

export interface StoredPuzzles {
  readonly groups: readonly PuzzleGroup[];
  /** In the order of the groups and their puzzles. */
  readonly samples: readonly StoredPuzzle[];
  /** Images of the samples; undefined where the model's own renderer draws them. */
  readonly imageOf: ((puzzle: Puzzle) => Uint8Array) | undefined;
  /** Files that were left out, as the user wished. */
  readonly problems: readonly FileProblem[];
  /** Samples whose layout lies on the side of the split that trainings draw from. */
  readonly onTrainingSide: number;
}

/**
 * Reads the folder and checks that every sample can be evaluated. A file that cannot is named in one line; unless the user asks
 * to leave such files out, nothing is evaluated then: a success rate over whatever was left is not the set's.
 * @throws InputError
 */
export function storedPuzzles(
  flags: StoredFlags,
  config: ModelConfig,
  shown: readonly EvaluationInput[],
  { terminal }: Pick<CommandContext, 'terminal'>,
): StoredPuzzles {
  const { root, puzzles, problems: unreadable } = checkInput(() => readPuzzleFolder(flags.data));
  const wanted = ({ world, instance }: Puzzle) =>
    (flags.world?.includes(world.name) ?? true) && (flags.level?.includes(instance.size) ?? true);
  const problems: FileProblem[] = [...unreadable];
  const images = new Map<Puzzle, Uint8Array>();
  const needImages = flags.images === 'stored' && shown.some(input => input === 'image' || input === 'shuffled');
  const good = puzzles.filter(wanted).filter(sample => {
    let file = sample.textFile;
    try {
      checkFits(sample, config, shown);
      file = sample.imageFile;
      if (needImages) images.set(sample, storedImage(root, sample, config.imageSize));
      return true;
    } catch (error) {
      problems.push({ path: file, reason: messageOf(error) });
      return false;
    }
  });
  for (const problem of problems) terminal.err(`${path.join(root, problem.path)}: ${problem.reason}`);
  if (problems.length > 0 && !flags.skipMalformed)
    throw new InputError(
      `${problems.length} files in ${root} cannot be evaluated (see above), so nothing was: mend them, or leave them out with --skip-malformed`,
    );
  if (good.length === 0) throw new InputError(`${root} has no samples of the worlds and sizes that were asked for`);
  const groups = groupsOf(good, flags.puzzles ?? Infinity);
  const chosen = groups.flatMap(({ puzzles }) => puzzles as readonly StoredPuzzle[]);
  return {
    groups,
    samples: chosen,
    imageOf: needImages ? puzzle => images.get(puzzle)! : undefined,
    problems,
    onTrainingSide: chosen.filter(({ world, instance }) => splitOf(world, instance) === 'train').length,
  };
}

/** @throws Error if the puzzle is larger than the model's position tables */
function checkFits({ world, instance }: Puzzle, config: ModelConfig, shown: readonly EvaluationInput[]): void {
  const needed = Math.max(maximumResponseLength(world, instance.size), oracleResponse(world, instance).length);
  if (needed > config.responsePositions)
    throw new Error(
      `responses to this board may need ${needed} tokens, and the model has positions for ${config.responsePositions}`,
    );
  const prompt = symbolicPrompt(world, instance).length;
  if (shown.includes('symbolic') && prompt > config.promptPositions)
    throw new Error(`its symbols are ${prompt} tokens, and the model has positions for ${config.promptPositions}`);
}

/** One group per world and size, in the order of the samples; at most `limit` of each. */
function groupsOf(samples: readonly StoredPuzzle[], limit: number): PuzzleGroup[] {
  const groups = new Map<string, StoredPuzzle[]>();
  for (const sample of samples) {
    const key = `${sample.world.name} ${sample.instance.size}`;
    const members = groups.get(key) ?? [];
    groups.set(key, members);
    if (members.length < limit) members.push(sample);
  }
  return [...groups.values()].map(puzzles => {
    const { world, instance } = puzzles[0]!;
    return { world, level: instance.size, puzzles, byDifficulty: [puzzles] };
  });
}

/** The result of a response as the published code would score it. */
export function rescored(puzzle: Puzzle, item: ItemResult, scoring: Scoring): ItemResult {
  if (scoring === 'strict') return item;
  const { world, instance } = puzzle;
  const { actions, verdict } = parseResponse(world, instance, item.response);
  // The benchmark reads whatever is there; the reward wants an answer that was brought to its end.
  if (scoring === 'reward' && (verdict.reason === 'grammar' || verdict.reason === 'no-end')) return item;
  const { success, optimal, reason, progress, parsed } = judgeActions(world, instance, actions, scoring);
  const illegal = !success && reason !== 'unfinished' && reason !== 'unparsed';
  return { ...item, success, optimal, reason, progress, parsed, illegal };
}

/** What is written for a stored sample beside its result. */
export function itemLine(sample: StoredPuzzle, item: ItemResult): object {
  const { world, instance } = sample;
  const { actions, verdict, grammar } = parseResponse(world, instance, item.response);
  return {
    sample: sample.name,
    answer: world.formatAnswer(actions),
    ...item,
    grammar: grammar.ok ? null : grammar.reason,
    steps: verdict.steps,
    shortest: world.shortestLength(instance),
  };
}
