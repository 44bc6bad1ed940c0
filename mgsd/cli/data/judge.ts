/** `mgsd-lite data judge`: verdicts on another model's answers. */
import { z } from 'zod';
import { grouped } from '../../evaluation/breakdown.js';
import { readPuzzleFolder } from '../../exchange/puzzle-files.js';
import type { StoredPuzzle } from '../../exchange/puzzle-files.js';
import { judgeAnswer } from '../../exchange/scoring.js';
import { parseJsonLine } from '../../runs/file-error.js';
import { readFile, writeFileAtomic } from '../../runs/files.js';
import { defineCommand } from '../command.js';
import { checkInput, exitCodes, requireOtherFile } from '../errors.js';
import { jsonOption, option, required, scoringOption } from '../options.js';
import { drawTable, percent } from '../results.js';
import { problemLines } from '../stored-puzzles.js';

export const judgeCommand = defineCommand({
  name: 'judge',
  summary: "verdicts on another model's answers",
  description:
    'FILE has a JSON object on each line: {"id": "...", "answer": "text with <answer>UUR</answer>"}; id is the name of a sample.\n' +
    'Samples without an answer count as failures.',
  argument: ['<folder>', 'a folder of samples'],
  options: {
    answers: required('--answers <file>', 'what was answered, as JSON lines'),
    scoring: scoringOption,
    items: option('--items <file>', 'write the verdict on every sample as JSON lines'),
    json: jsonOption,
  },
  examples: [
    ['data judge puzzles/test --answers answers.jsonl --items verdicts.jsonl', 'what a big model made of the puzzles'],
    ['data judge puzzles/test --answers answers.jsonl --scoring benchmark', 'as the published evaluator scores it'],
  ],
  run({ answers: answersFile, scoring, items, json }, context, folder: string) {
    const { terminal } = context;
    requireOtherFile([items], answersFile);
    const read = checkInput(() => readPuzzleFolder(folder));
    const { puzzles, problems } = read;
    const answers = checkInput(() => readAnswers(answersFile, puzzles));
    const judged = puzzles.map(({ id, name, world, instance }) => {
      const answer = answers.get(name);
      const { path: _, ...verdict } = judgeAnswer(world, instance, answer ?? '', scoring);
      const shortest = world.shortestLength(instance);
      return {
        id,
        name,
        world: world.name,
        level: instance.size,
        answered: answer !== undefined,
        shortest,
        ...verdict,
      };
    });
    if (items !== undefined) writeFileAtomic(items, judged.map(item => `${JSON.stringify(item)}\n`).join(''));
    const worlds = Array.from(
      grouped(judged, ({ world }) => world),
      ([world, own]) => {
        const mean = (name: 'success' | 'optimal' | 'parsed' | 'progress') =>
          own.reduce((sum, item) => sum + Number(item[name]), 0) / own.length;
        const [success, optimal] = [mean('success'), mean('optimal')];
        return { world, items: own.length, success, optimal, parsed: mean('parsed'), progress: mean('progress') };
      },
    );
    const macro = (name: 'success' | 'optimal') => worlds.reduce((sum, world) => sum + world[name], 0) / worlds.length;
    const [macroSuccess, macroOptimal] = [macro('success'), macro('optimal')];
    const [samples, answered] = [judged.length, answers.size];
    if (problems.length > 0) context.exitCode = exitCodes.input;
    if (!json) problemLines(read).forEach(terminal.err);
    const lines = () => {
      const rows = worlds.map(({ world, items, success, optimal, progress, parsed }) => [
        world,
        String(items),
        ...[success, optimal, progress, parsed].map(percent),
      ]);
      rows.push(['mean of the worlds', String(samples), percent(macroSuccess), percent(macroOptimal), '', '']);
      const head = ['answers', 'samples', 'success %', 'optimal %', 'progress %', 'parsed %'];
      return [
        ...drawTable(terminal, head, rows),
        `${answered} of ${samples} samples were answered; verdicts: ${scoring}`,
      ];
    };
    return { data: { scoring, samples, answered, macroSuccess, macroOptimal, worlds, problems }, lines };
  },
});

const answerSchema = z.object({ id: z.string(), answer: z.string() });

/** Answers by the name of their sample. */
function readAnswers(file: string, samples: readonly StoredPuzzle[]): Map<string, string> {
  const answers = new Map<string, string>();
  const byName = grouped(samples, ({ name }) => name);
  const byId = grouped(samples, ({ id }) => id);
  const nameOf = (id: string): string => {
    const [first, second] = byName.get(id) ?? byId.get(id) ?? [];
    if (!first) throw new Error(`"${id}" is no sample of the folder`);
    if (second) throw new Error(`"${id}" may be ${first.name} or ${second.name}: write it like that`);
    return first.name;
  };
  const lines = readFile(file).toString('utf8').split('\n');
  lines.forEach((line, i) => {
    if (line.trim() === '') return;
    const value = parseJsonLine(line, i + 1, file);
    checkInput(
      () => {
        const { id, answer } = answerOf(value);
        const name = nameOf(id);
        if (answers.has(name)) throw new Error(`"${id}" was answered before`);
        answers.set(name, answer);
      },
      `${file}, line ${i + 1}`,
    );
  });
  return answers;
}

function answerOf(value: unknown): z.infer<typeof answerSchema> {
  const { success, data } = answerSchema.safeParse(value);
  if (!success) throw new Error('"id" and "answer" are needed, both texts');
  return data;
}
