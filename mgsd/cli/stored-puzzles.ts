/** What `eval --data` evaluates: the samples of a folder, as groups of puzzles with their images. */
import path from 'node:path';
import type { ModelConfig } from '../../models/index.js';
import { grouped } from '../evaluation/breakdown.js';
import type { EvaluationInput, ItemResult } from '../evaluation/evaluate.js';
import { readPuzzleFolder, storedImage } from '../exchange/puzzle-files.js';
import type { FileProblem, PuzzleFolder, StoredPuzzle } from '../exchange/puzzle-files.js';
import { judgeActions } from '../exchange/scoring.js';
import type { Scoring } from '../exchange/scoring.js';
import type { Puzzle, PuzzleGroup } from '../method/puzzles.js';
import { maximumResponseLength, oracleResponse, parseResponse, symbolicPrompt } from '../method/response.js';
import { splitOf } from '../method/split.js';
import type { SplitName } from '../method/split.js';
import { checkInput, InputError, messageOf } from './errors.js';
import type { Terminal } from './terminal.js';

/** A line for each file of a folder that holds no puzzle. */
export function problemLines({ root, problems }: Pick<PuzzleFolder, 'root' | 'problems'>): string[] {
  return problems.map(({ path: file, reason }) => `${path.join(root, file)}: ${reason}`);
}

/** A sample that does not say otherwise is a test sample: public test sets do not name their split. */
export function sideOf({ split }: StoredPuzzle): SplitName {
  return split === 'train' ? 'train' : 'test';
}

/** Which samples of --data, and which images of them. */
interface StoredFlags {
  readonly images: 'rendered' | 'stored';
  readonly skipMalformed: boolean | undefined;
  readonly world: readonly string[] | undefined;
  readonly level: readonly number[] | undefined;
  readonly puzzles: number | undefined;
}

export interface StoredPuzzles {
  readonly groups: readonly PuzzleGroup[];
  /** In the order of the groups and their puzzles. */
  readonly samples: readonly StoredPuzzle[];
  /** Images of the samples; undefined where the model's own renderer draws them. */
  readonly imageOf: ((puzzle: Puzzle) => Uint8Array) | undefined;
  /** Files that were left out, as --skip-malformed asks. */
  readonly problems: readonly FileProblem[];
  /** How many samples have a layout on the side of the split that training draws from. */
  readonly onTrainingSide: number;
}

/**
 * Reads the folder and checks that every sample can be evaluated. Each file that cannot is named in a line of its own.
 * Unless the user asks to leave such files out, nothing is evaluated then: the success rate of the rest is not that of
 * the set.
 * @throws InputError
 */
export function storedPuzzles(
  folder: string,
  flags: StoredFlags,
  config: ModelConfig,
  inputs: readonly EvaluationInput[],
  terminal: Terminal,
): StoredPuzzles {
  const { root, puzzles, problems: unreadable } = checkInput(() => readPuzzleFolder(folder));
  const problems = [...unreadable];
  const images = new Map<Puzzle, Uint8Array>();
  const needImages = flags.images === 'stored' && inputs.some(input => input === 'image' || input === 'shuffled');
  const good = puzzles.filter(sample => {
    const { world, instance } = sample;
    if (flags.world?.includes(world.name) === false || flags.level?.includes(instance.size) === false) return false;
    let file = sample.textFile;
    try {
      checkFits(sample, config, inputs);
      file = sample.imageFile;
      if (needImages) images.set(sample, storedImage(root, sample, config.imageSize));
      return true;
    } catch (error) {
      problems.push({ path: file, reason: messageOf(error) });
      return false;
    }
  });
  problemLines({ root, problems }).forEach(terminal.err);
  if (problems.length > 0 && !flags.skipMalformed)
    throw new InputError(
      `${problems.length} files in ${root} cannot be evaluated (see above), so nothing was: mend them, or leave them out with --skip-malformed`,
    );
  if (good.length === 0) throw new InputError(`${root} has no samples of the worlds and sizes that were asked for`);
  const groups = groupsOf(good, flags.puzzles ?? Infinity);
  const samples = groups.flatMap(({ puzzles }) => puzzles as readonly StoredPuzzle[]);
  return {
    groups,
    samples,
    imageOf: needImages ? puzzle => images.get(puzzle)! : undefined,
    problems,
    onTrainingSide: samples.filter(({ world, instance }) => splitOf(world, instance) === 'train').length,
  };
}

/** @throws Error if the puzzle is larger than the model's position tables */
function checkFits({ world, instance }: Puzzle, config: ModelConfig, inputs: readonly EvaluationInput[]): void {
  const needed = Math.max(maximumResponseLength(world, instance.size), oracleResponse(world, instance).length);
  if (needed > config.responsePositions)
    throw new Error(
      `responses to this board may need ${needed} tokens, and the model has positions for ${config.responsePositions}`,
    );
  const prompt = symbolicPrompt(world, instance).length;
  if (inputs.includes('symbolic') && prompt > config.promptPositions)
    throw new Error(`its symbols are ${prompt} tokens, and the model has positions for ${config.promptPositions}`);
}

/** One group per world and size, in the order of the samples; at most `limit` of each. */
function groupsOf(samples: readonly StoredPuzzle[], limit: number): PuzzleGroup[] {
  const groups = grouped(samples, ({ world, instance }) => `${world.name} ${instance.size}`);
  return Array.from(groups.values(), members => {
    const { world, instance } = members[0]!;
    const puzzles = members.slice(0, limit);
    return { world, level: instance.size, puzzles, byDifficulty: [puzzles] };
  });
}

/** The result of a response, scored as the published code would. */
export function rescored(puzzle: Puzzle, item: ItemResult, scoring: Scoring): ItemResult {
  if (scoring === 'strict') return item;
  const { world, instance } = puzzle;
  const { actions, verdict } = parseResponse(world, instance, item.response);
  // the benchmark reads whatever is there; the reward needs an answer that came to its end
  if (scoring === 'reward' && (verdict.reason === 'grammar' || verdict.reason === 'no-end')) return item;
  const { success, optimal, reason, progress, parsed } = judgeActions(world, instance, actions, scoring);
  const illegal = !success && reason !== 'unfinished' && reason !== 'unparsed';
  return { ...item, success, optimal, reason, progress, parsed, illegal };
}

/** A stored sample's line of --items. */
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
