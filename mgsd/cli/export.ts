/** `mgsd-lite export`: the puzzles of a folder as datasets for big models. */
import fs from 'node:fs';
import path from 'node:path';
import { Argument } from 'commander';
import type { Command } from 'commander';
import { writeEasyR1 } from '../exchange/easy-r1.js';
import { writeLlamaFactory } from '../exchange/llama-factory.js';
import type { ExportedPuzzle } from '../exchange/llama-factory.js';
import { decodePng, MAX_PNG_BYTES } from '../pictures/png.js';
import { readFile } from '../runs/files.js';
import { readPuzzleFolder, requireEmpty, writeFolder } from '../exchange/puzzle-files.js';
import { checkInput, InputError } from './errors.js';
import { addExamples } from './options.js';
import type { CommandContext } from './options.js';

const targets = ['llama-factory', 'easy-r1'] as const;
type Target = (typeof targets)[number];

interface ExportFlags {
  readonly data: string;
  readonly out: string;
  readonly stateOnly?: boolean;
  readonly json?: boolean;
}

export function addExportCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('export')
    .summary('datasets for big vision-language models, from the same puzzles')
    .description(
      'llama-factory: stage 1, the perception questions of each image with their answers, as chats with images and dataset_info.json.\n' +
        'easy-r1: stage 2, student prompt, teacher context, answer and image, as train/test .json and .parquet for EasyR1 (verl on Ray).\n' +
        'Prompts are in English; samples whose text says split=train become training rows, all others test rows.',
    )
    .addArgument(new Argument('<format>', 'for which pipeline').choices(targets))
    .requiredOption('--data <folder>', 'stored samples, as `data generate` writes them')
    .requiredOption('--out <folder>', 'a new or empty folder; images are copied into it')
    .option('--state-only', 'easy-r1: do not tell the teacher the reference plan (the paper tells it)')
    .option('--json', 'what was written, as JSON on standard output')
    .action((target: Target, flags: ExportFlags) => runExport(target, flags, context));
  addExamples(command, [
    [
      'data generate --out puzzles --count 1500 --test 100',
      'first the puzzles: all worlds and sizes, training and test',
    ],
    ['export llama-factory --data puzzles --out stage1', 'then put its entry of dataset_info.json into LLaMA-Factory'],
    ['export easy-r1 --data puzzles --out stage2', 'train.parquet and test.parquet for verl'],
  ]);
}

async function runExport(target: Target, flags: ExportFlags, { terminal }: CommandContext): Promise<void> {
  if (flags.stateOnly && target !== 'easy-r1')
    throw new InputError('--state-only is about the teacher of stage 2: llama-factory has none');
  checkInput(() => requireEmpty(flags.out));
  const { root, puzzles, problems } = checkInput(() => readPuzzleFolder(flags.data));
  for (const problem of problems) terminal.err(`${path.join(root, problem.path)}: ${problem.reason}`);
  if (problems.length > 0)
    throw new InputError(`${problems.length} files in ${root} are no samples (see above): mend or remove them`);
  const files = await writeFolder(flags.out, folder => {
    const exported = puzzles.map<ExportedPuzzle>(puzzle => {
      const image = path.posix.join('images', puzzle.imageFile.replace('/image/', '/'));
      const bytes = checkInput(() => readFile(path.join(root, puzzle.imageFile), MAX_PNG_BYTES));
      checkInput(() => decodePng(bytes), path.join(root, puzzle.imageFile));
      fs.mkdirSync(path.join(folder, path.dirname(image)), { recursive: true });
      fs.writeFileSync(path.join(folder, image), bytes);
      return { puzzle, image, split: puzzle.split === 'train' ? 'train' : 'test' };
    });
    return target === 'llama-factory'
      ? [...writeLlamaFactory(folder, exported).map(name => `${name}.json`), 'dataset_info.json']
      : writeEasyR1(folder, exported, !flags.stateOnly);
  });
  const result = { folder: flags.out, format: target, samples: puzzles.length, files };
  terminal.out(
    flags.json ? JSON.stringify(result, null, 2) : `${puzzles.length} samples in ${flags.out}: ${files.join(', ')}`,
  );
}
