/** `mgsd-lite data check`: what folders of samples hold, what is wrong with them, and which layouts they share. */
import path from 'node:path';
import { grouped } from '../../evaluation/breakdown.js';
import { countPuzzles } from '../../exchange/generate.js';
import type { GenerateReport } from '../../exchange/generate.js';
import { checkImages, readPuzzleFolder } from '../../exchange/puzzle-files.js';
import type { StoredPuzzle } from '../../exchange/puzzle-files.js';
import { splitOf } from '../../method/split.js';
import { defineCommand } from '../command.js';
import { checkInput, exitCodes } from '../errors.js';
import { jsonOption } from '../options.js';
import { problemLines, sideOf } from '../stored-puzzles.js';
import { countsOf, countsTable, overlapLine } from './counts.js';

export const checkCommand = defineCommand({
  name: 'check',
  summary: 'read folders of samples: what is in them, what is wrong, and which layouts they share',
  description:
    'Reads every sample as `eval --data` does: a board that can be solved, fields that agree with it, a solution that solves it,\n' +
    'a square image that is whole. Ends with code 2 if a file cannot be used, or if training and test puzzles share a layout.',
  argument: ['<folder...>', 'folders of samples'],
  options: { json: jsonOption },
  examples: [
    ['data check puzzles', 'counts, and the proof that puzzles/train and puzzles/test share no layout'],
    ['data check puzzles/train public-test --json', 'does a public test set share layouts with these?'],
  ],
  run({ json }, context, folders: readonly string[]) {
    const { terminal } = context;
    const read = folders.map(name => {
      const folder = checkInput(() => readPuzzleFolder(name));
      const { missing, problems } = checkImages(folder);
      return { ...folder, problems: [...folder.problems, ...problems], missing };
    });
    const missingImages = read.reduce((sum, { missing }) => sum + missing, 0);
    const counts = countsOf(read.flatMap(({ puzzles }) => reportsOf(puzzles)));
    const problems = read.flatMap(({ root, problems }) =>
      problems.map(problem => ({ ...problem, path: path.join(root, problem.path) })),
    );
    const notes = read.flatMap(({ root, puzzles }) =>
      puzzles.flatMap(({ textFile, notes }) => notes.map(note => ({ path: path.join(root, textFile), note }))),
    );
    const testOnTrainingSide = read
      .flatMap(({ puzzles }) => puzzles)
      .filter(sample => sideOf(sample) === 'test' && splitOf(sample.world, sample.instance) === 'train').length;
    if (problems.length > 0 || counts.layouts.shared > 0) context.exitCode = exitCodes.input;
    if (!json) read.flatMap(problemLines).forEach(terminal.err);
    const lines = () => [
      ...notes.map(({ path: file, note }) => `${file}: note: ${note}`),
      ...countsTable(counts, terminal),
      `${counts.samples} samples, ${problems.length} files that cannot be used`,
      ...(missingImages > 0 ? [`without an image, which export and eval --images stored want: ${missingImages}`] : []),
      overlapLine(counts),
      ...(testOnTrainingSide > 0
        ? [
            `${testOnTrainingSide} test samples have a layout that mgsd-lite itself trains on: its own split goes by hash (mgsd/method/split.ts)`,
          ]
        : []),
    ];
    return { data: { ...counts, testOnTrainingSide, problems, missingImages, notes }, lines };
  },
});

/** What there is of each world, board size and side. */
function reportsOf(samples: readonly StoredPuzzle[]): GenerateReport[] {
  const groups = grouped(samples, sample => `${sample.world.name} ${sample.instance.size} ${sideOf(sample)}`);
  return [...groups.values()].map(members => {
    const first = members[0]!;
    const instances = members.map(({ instance }) => instance);
    return countPuzzles(first.world, first.instance.size, sideOf(first), instances);
  });
}
