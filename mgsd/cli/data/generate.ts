/** `mgsd-lite data generate`: puzzles as images with their text. */
import os from 'node:os';
import path from 'node:path';
import { parseStrictJson } from '../../../models/index.js';
import { findFormats, formatsOf } from '../../exchange/formats.js';
import { runJobs } from '../../exchange/generate.js';
import type { GenerateJob } from '../../exchange/generate.js';
import { requireEmpty, writeFolder } from '../../exchange/puzzle-files.js';
import { writeJson } from '../../runs/files.js';
import { createWorldByName, WORLD_NAMES } from '../../worlds/registry.js';
import type { World, WorldInstance } from '../../worlds/world.js';
import { defineCommand } from '../command.js';
import { checkInput, InputError, messageOf } from '../errors.js';
import { jsonOption, levelOf, oneOf, option, pixelsOf, repeated, required, seedOf } from '../options.js';
import { splitOf, styleOption, threadsOption, wholeNumber, worldOf } from '../options.js';
import type { Flags } from '../options.js';
import { countsOf, countsTable, overlapLine } from './counts.js';

const countOf = wholeNumber(1, 1_000_000);
const difficultyOf = oneOf(['balanced', 'natural']);

const options = {
  out: required('--out <folder>', 'a new or empty folder'),
  world: repeated('--world <name>', 'which world (default: all)', worldOf),
  count: option('--count <n>', 'puzzles of each world and board size', countOf, 100),
  test: option('--test <n>', 'held-out ones of each as well: FOLDER/train and FOLDER/test', countOf),
  level: repeated('--level <size>', "board size (default: the world's, as in the paper)", levelOf),
  seed: option('--seed <n>', 'decides the puzzles', seedOf, 1),
  split: option('--split <name>', 'layouts for training or for testing', splitOf, 'train'),
  difficulty: option('--difficulty <how>', 'balanced: in turn; natural: as they come', difficultyOf, 'balanced'),
  style: styleOption,
  pixels: option('--pixels <n>', 'side of the images', pixelsOf, 256),
  options: option('--options <json>', 'of one world\'s generator, as {"frozenProbability": 0.7}', parseOptions),
  threads: threadsOption,
  json: jsonOption,
};

export const generateCommand = defineCommand({
  name: 'generate',
  summary: 'write puzzles as images with their text',
  description:
    "Writes FOLDER/FrozenLake/levelN/image/ID.png and text/ID.txt, the authors' format for stored samples, and a summary in\n" +
    'samples.json. No two puzzles are alike; the same options write the same files, whatever the number of threads.',
  options,
  examples: [
    ['data generate --out puzzles --count 1000 --test 100', 'all worlds and sizes, training and held-out puzzles'],
    ['data generate --out test8 --world frozenlake --level 8 --split test', 'large ones on layouts no training sees'],
    ['data generate --out shift --split test --style held-out --count 50', 'the same rules, drawn differently'],
  ],
  async run(flags, { terminal }) {
    const { out, seed, style, pixels, difficulty, threads = os.availableParallelism() } = flags;
    checkInput(() => requireEmpty(out));
    const jobs = jobsOf(flags);
    const counts = await writeFolder(out, async temporary => {
      const placed = jobs.map(job => ({ ...job, folder: path.join(temporary, job.folder) }));
      const reports = await runJobs(placed, threads).catch((error: unknown) => {
        throw new InputError(messageOf(error), { cause: error });
      });
      const counts = countsOf(reports);
      const summary = { seed, style, pixels, difficulty, options: flags.options ?? {}, ...counts };
      writeJson(path.join(temporary, 'samples.json'), summary);
      return counts;
    });
    const exhausted = counts.groups.flatMap(({ world, level, split, exhausted, byDifficulty }) =>
      exhausted.map(
        name =>
          `${world} ${level}x${level}, ${split}: there seem to be only ${byDifficulty[name] ?? 0} puzzles '${name}'; the others make up the number`,
      ),
    );
    const total = `${counts.samples} puzzles, ${pixels} x ${pixels} pixels, in ${out}`;
    const lines = () => [...countsTable(counts, terminal), ...exhausted, total, overlapLine(counts)];
    return { data: { folder: out, ...counts }, lines };
  },
});

function parseOptions(text: string): unknown {
  try {
    return parseStrictJson(text);
  } catch (error) {
    throw new InputError(
      `--options ${text} is not valid JSON (${messageOf(error)}): write it as '{"frozenProbability": 0.7}'`,
    );
  }
}

/** One job for each world, board size and side of the split. */
function jobsOf(flags: Flags<typeof options>): GenerateJob[] {
  const { count, test, seed, style, pixels, options } = flags;
  const stored = WORLD_NAMES.filter(name => findFormats<WorldInstance>(createWorldByName(name)) !== undefined);
  const names = [...new Set(flags.world ?? stored)];
  if (options !== undefined && names.length > 1)
    throw new InputError(`--options are those of one world: name it, as in --world ${names[0]!}`);
  const sides: readonly Pick<GenerateJob, 'split' | 'count' | 'folder'>[] =
    test === undefined
      ? [{ split: flags.split, count, folder: '' }]
      : [
          { split: 'train', count, folder: 'train' },
          { split: 'test', count: test, folder: 'test' },
        ];
  const balanced = flags.difficulty === 'balanced';
  return names.flatMap(name => {
    const world = checkInput((): World => createWorldByName(name, options));
    checkInput(() => formatsOf(world));
    const levels = [...new Set(flags.level ?? world.levels)];
    return levels.flatMap(level =>
      sides.map(side => ({ ...side, world: name, options, level, seed, style, pixels, balanced })),
    );
  });
}
