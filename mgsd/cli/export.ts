/** `mgsd-lite export`: the puzzles of a folder as datasets for big models. */
import path from 'node:path';
import { writeEasyR1 } from '../exchange/easy-r1.js';
import { writeLlamaFactory } from '../exchange/llama-factory.js';
import type { ExportedPuzzle } from '../exchange/llama-factory.js';
import { lookOf, readPuzzleFolder, requireEmpty, writeFolder } from '../exchange/puzzle-files.js';
import { decodePng, MAX_PNG_BYTES } from '../pictures/png.js';
import { readFile, writeNewFile } from '../runs/files.js';
import { defineCommand } from './command.js';
import { checkInput, InputError } from './errors.js';
import { jsonOption, required, toggle } from './options.js';
import { problemLines, sideOf } from './stored-puzzles.js';

export const exportCommand = defineCommand({
  name: 'export',
  summary: 'datasets for big vision-language models, from the same puzzles',
  description:
    'llama-factory: stage 1, the perception questions of each image with their answers, as chats with images and dataset_info.json.\n' +
    'easy-r1: stage 2, student prompt, teacher context, answer and image, as train/test .json and .parquet for EasyR1 (verl on Ray).\n' +
    'Prompts are in English; samples whose text says split=train become training rows, all others test rows.',
  argument: ['<format>', 'for which pipeline', ['llama-factory', 'easy-r1']],
  options: {
    data: required('--data <folder>', 'stored samples, as `data generate` writes them'),
    out: required('--out <folder>', 'a new or empty folder; images are copied into it'),
    stateOnly: toggle('--state-only', 'easy-r1: do not tell the teacher the reference plan (the paper tells it)'),
    json: jsonOption,
  },
  examples: [
    ['data generate --out puzzles --count 1500 --test 100', 'first the puzzles: all worlds, training and test'],
    ['export llama-factory --data puzzles --out stage1', 'then put its entry of dataset_info.json into LLaMA-Factory'],
    ['export easy-r1 --data puzzles --out stage2', 'train.parquet and test.parquet for verl'],
  ],
  async run({ data, out, stateOnly }, { terminal }, format: string) {
    if (stateOnly && format !== 'easy-r1')
      throw new InputError('--state-only is about the teacher of stage 2: llama-factory has none');
    checkInput(() => requireEmpty(out));
    const read = checkInput(() => readPuzzleFolder(data));
    const { root, puzzles, problems } = read;
    problemLines(read).forEach(terminal.err);
    if (problems.length > 0)
      throw new InputError(`${problems.length} files in ${root} are no samples (see above): mend or remove them`);
    let otherLooks = 0;
    const files = await writeFolder(out, folder => {
      const exported = puzzles.map<ExportedPuzzle>(puzzle => {
        const image = path.posix.join('images', puzzle.imageFile.replace('/image/', '/'));
        const source = path.posix.join('texts', puzzle.textFile.replace('/text/', '/'));
        const picture = path.join(root, puzzle.imageFile);
        const bytes = checkInput(() => readFile(picture, MAX_PNG_BYTES));
        const look = lookOf(
          puzzle,
          checkInput(() => decodePng(bytes), picture),
        );
        if (look === 'other') otherLooks++;
        writeNewFile(path.join(folder, image), bytes);
        if (format === 'llama-factory') writeNewFile(path.join(folder, source), puzzle.text);
        return { puzzle, image, source, look, split: sideOf(puzzle) };
      });
      return format === 'easy-r1'
        ? writeEasyR1(folder, exported, !stateOnly)
        : [...writeLlamaFactory(folder, exported).map(name => `${name}.json`), 'dataset_info.json'];
    });
    const samples = puzzles.length;
    const looks =
      otherLooks > 0
        ? [`${otherLooks} pictures have neither the training look nor the held-out one: their prompts name no colours`]
        : [];
    const lines = () => [`${samples} samples in ${out}: ${files.join(', ')}`, ...looks];
    return { data: { folder: out, format, samples, files, otherLooks }, lines };
  },
});
