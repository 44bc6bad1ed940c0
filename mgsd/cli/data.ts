/** `mgsd-lite data`: puzzles as files, written and checked, and verdicts on answers to them. */
import os from 'node:os';
import path from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { readFile, writeFileAtomic, writeJson } from '../runs/files.js';
import { findFormats, formatsOf } from '../exchange/formats.js';
import { overlapOf, runJobs } from '../exchange/generate.js';
import type { GenerateJob, GenerateReport } from '../exchange/generate.js';
import { readPuzzleFolder, requireEmpty, writeFolder } from '../exchange/puzzle-files.js';
import type { PuzzleFolder, StoredPuzzle } from '../exchange/puzzle-files.js';
import { splitOf } from '../method/split.js';
import type { SplitName } from '../method/split.js';
import { judgeAnswer, SCORINGS } from '../exchange/scoring.js';
import type { Scoring } from '../exchange/scoring.js';
import { createWorldByName, WORLD_NAMES } from '../worlds/registry.js';
import type { WorldName } from '../worlds/registry.js';
import { RENDER_STYLES } from '../worlds/world.js';
import type { RenderStyle, Verdict, World, WorldInstance } from '../worlds/world.js';
import { addLookCommands } from './data-look.js';
import { checkInput, InputError, messageOf } from './errors.js';
import type { CommandContext } from './options.js';
import { addExamples, levelOf, oneOf, seedOf, several, wholeNumber } from './options.js';
import { drawTable } from './results.js';

const splits = ['train', 'test'] as const satisfies readonly SplitName[];
const difficulties = ['balanced', 'natural'] as const;

interface GenerateFlags {
  readonly out: string;
  readonly world?: readonly WorldName[];
  readonly count: number;
  readonly test?: number;
  readonly level?: readonly number[];
  readonly seed: number;
  readonly split: SplitName;
  readonly difficulty: (typeof difficulties)[number];
  readonly style: RenderStyle;
  readonly pixels: number;
  readonly options?: string;
  readonly threads?: number;
  readonly json?: boolean;
}

export function addDataCommand(program: Command, context: CommandContext): void {
  const data = program
    .command('data')
    .summary('puzzles: write them to files, check such files, look at one, count')
    .description('Puzzles as the training draws them. Training and test puzzles share no layout.');

  const generate = data
    .command('generate')
    .summary('write puzzles as images with their text')
    .description(
      "Writes FOLDER/FrozenLake/levelN/image/ID.png and text/ID.txt, the authors' format for stored samples, and a summary in\n" +
        'samples.json. No two puzzles are alike; the same options write the same files, whatever the number of threads.',
    )
    .requiredOption('--out <folder>', 'a new or empty folder')
    .option('--world <name>', `${WORLD_NAMES.join(', ')} (may be repeated; default: all)`, several(oneOf(WORLD_NAMES)))
    .option('--count <n>', 'puzzles of each world and board size', wholeNumber(1, 1_000_000), 100)
    .option(
      '--test <n>',
      'held-out ones as well, so many of each: FOLDER/train and FOLDER/test',
      wholeNumber(1, 1_000_000),
    )
    .option('--level <size>', "board size (may be repeated; default: the world's, as in the paper)", several(levelOf))
    .addOption(new Option('--seed <n>', 'decides the puzzles').argParser(seedOf).default(1))
    .addOption(
      new Option('--split <name>', 'layouts for training or for testing').argParser(oneOf(splits)).default('train'),
    )
    .option(
      '--difficulty <how>',
      'balanced: the difficulties of a world in turn; natural: as they come',
      oneOf(difficulties),
      'balanced',
    )
    .option(
      '--style <look>',
      'training, or the held-out look that no model trains on',
      oneOf(RENDER_STYLES),
      'training',
    )
    .option('--pixels <n>', 'side of the images', wholeNumber(8, 2048), 256)
    .option('--options <json>', 'of the generator of one world, as {"frozenProbability": 0.7}')
    .option('--threads <n>', 'worker threads (default: one per processor)', wholeNumber(1, 256))
    .option('--json', 'the summary as JSON on standard output')
    .action((flags: GenerateFlags) => runGenerate(flags, context));
  addExamples(generate, [
    ['data generate --out puzzles --count 1000 --test 100', 'all worlds and sizes, training and held-out puzzles'],
    [
      'data generate --out test8 --world frozenlake --level 8 --split test',
      'large ones on layouts that no training sees',
    ],
    ['data generate --out shift --split test --style held-out --count 50', 'the same rules, drawn differently'],
  ]);

  const check = data
    .command('check')
    .summary('read folders of samples: what is in them, what is wrong, and which layouts they share')
    .description(
      'Reads every sample as `eval --data` does: a board that can be solved, fields that agree with it, a solution that solves it.\n' +
        'Ends with code 2 if a file is no sample, or if training and test puzzles share a layout.',
    )
    .argument('<folder...>', 'folders of samples')
    .option('--json', 'as JSON on standard output')
    .action((folders: readonly string[], flags: { json?: boolean }) => runCheck(folders, flags, context));
  addExamples(check, [
    ['data check puzzles', 'counts, and the proof that puzzles/train and puzzles/test share no layout'],
    ['data check puzzles/train public-test --json', 'does a public test set share layouts with these?'],
  ]);

  const judge = data
    .command('judge')
    .summary("verdicts on another model's answers")
    .description(
      'FILE has a JSON object on each line: {"id": "...", "answer": "text with <answer>UUR</answer>"}; id is the name of a sample.\n' +
        'Samples without an answer count as failures.',
    )
    .argument('<folder>', 'a folder of samples')
    .requiredOption('--answers <file>', 'what was answered, as JSON lines')
    .option(
      '--scoring <name>',
      `whose verdicts: ${SCORINGS.join(', ')} (the published code's two)`,
      oneOf(SCORINGS),
      'strict',
    )
    .option('--items <file>', 'write the verdict on every sample as JSON lines')
    .option('--json', 'as JSON on standard output')
    .action((folder: string, flags: JudgeFlags) => runJudge(folder, flags, context));
  addExamples(judge, [
    ['data judge puzzles/test --answers answers.jsonl --items verdicts.jsonl', 'what a big model made of the puzzles'],
    ['data judge puzzles/test --answers answers.jsonl --scoring benchmark', 'as the published evaluator scores it'],
  ]);

  addLookCommands(data, context);
}

async function runGenerate(flags: GenerateFlags, { terminal }: CommandContext): Promise<void> {
  const { out, count, test, seed, pixels, style, difficulty } = flags;
  checkInput(() => requireEmpty(out));
  const stored = WORLD_NAMES.filter(name => findFormats<WorldInstance>(createWorldByName(name)) !== undefined);
  const names = [...new Set(flags.world ?? stored)];
  if (flags.options !== undefined && names.length > 1)
    throw new InputError(`--options are those of one world: name it, as in --world ${names[0]!}`);
  const options = flags.options === undefined ? undefined : parseJson(flags.options);
  const sides =
    test === undefined
      ? [{ split: flags.split, count }]
      : ([
          { split: 'train', count },
          { split: 'test', count: test },
        ] as const);
  const jobs = names.flatMap(name => {
    const world = checkInput((): World => createWorldByName(name, options));
    checkInput(() => formatsOf(world));
    return [...new Set(flags.level ?? world.levels)].flatMap(level =>
      sides.map<GenerateJob>(side => ({
        ...side,
        world: name,
        options,
        level,
        seed,
        style,
        pixels,
        balanced: difficulty === 'balanced',
        folder: test === undefined ? '' : side.split,
      })),
    );
  });
  const threads = flags.threads ?? os.availableParallelism();
  const summary = await writeFolder(out, async temporary => {
    const placed = jobs.map(job => ({ ...job, folder: path.join(temporary, job.folder) }));
    const reports = await runJobs(placed, threads).catch((error: unknown) => {
      throw new InputError(messageOf(error), { cause: error });
    });
    const made = summaryOf(reports);
    writeJson(path.join(temporary, 'samples.json'), {
      seed,
      style,
      pixels,
      difficulty,
      options: options ?? {},
      ...made,
    });
    return made;
  });
  if (flags.json) {
    terminal.out(JSON.stringify({ folder: out, ...summary }, null, 2));
    return;
  }
  terminal.out(groupTable(summary.groups, terminal));
  for (const { world, level, split, exhausted, byDifficulty } of summary.groups)
    for (const name of exhausted)
      terminal.out(
        `${world} ${level}x${level}, ${split}: there seem to be only ${byDifficulty[name] ?? 0} puzzles '${name}'; the others make up the number`,
      );
  terminal.out(`${summary.samples} puzzles, ${pixels} x ${pixels} pixels, in ${out}`);
  terminal.out(overlapLine(summary.layouts));
}

interface Group {
  readonly world: string;
  readonly level: number;
  readonly split: string;
  readonly samples: number;
  readonly layouts: number;
  readonly byDifficulty: Readonly<Record<string, number>>;
  readonly exhausted: readonly string[];
}

type Layouts = ReturnType<typeof overlapOf>;

function summaryOf(reports: readonly GenerateReport[]): { samples: number; layouts: Layouts; groups: Group[] } {
  return {
    samples: reports.reduce((sum, { samples }) => sum + samples, 0),
    layouts: overlapOf(reports),
    groups: reports.map(report => ({ ...report, layouts: report.layouts.length })),
  };
}

function groupTable(groups: readonly Group[], terminal: CommandContext['terminal']): string {
  const rows = groups.map(({ world, level, split, samples, layouts, byDifficulty }) => [
    `${world} ${level}x${level}, ${split}`,
    String(samples),
    String(layouts),
    Object.entries(byDifficulty)
      .map(([name, count]) => `${name} ${count}`)
      .join(', '),
  ]);
  return drawTable(terminal, ['puzzles', 'number', 'layouts', 'difficulty'], rows);
}

function overlapLine({ train, test, shared }: Layouts): string {
  return `${train} training and ${test} test layouts, ${shared} of them on both sides`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError(`--options ${text} is not JSON: write it as '{"frozenProbability": 0.7}'`);
  }
}

/** What stands in a folder of samples, as generated ones are reported. */
function reportsOf({ puzzles: samples }: PuzzleFolder): GenerateReport[] {
  const groups = new Map<string, StoredPuzzle[]>();
  for (const sample of samples) {
    const key = `${sample.world.name} ${sample.instance.size} ${sideOf(sample)}`;
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  return [...groups.values()].map(members => {
    const { world, instance } = members[0]!;
    const byDifficulty: Record<string, number> = {};
    for (const member of members) {
      const difficulty = world.difficulty(member.instance);
      byDifficulty[difficulty] = (byDifficulty[difficulty] ?? 0) + 1;
    }
    const layouts = [...new Set(members.map(member => world.layoutKey(member.instance)))];
    return {
      world: world.name,
      level: instance.size,
      split: sideOf(members[0]!),
      samples: members.length,
      byDifficulty,
      exhausted: [],
      layouts,
    };
  });
}

/** A sample that does not say otherwise is a test sample: public test sets do not name their split. */
function sideOf({ split }: StoredPuzzle): SplitName {
  return split === 'train' ? 'train' : 'test';
}

function runCheck(folders: readonly string[], { json }: { json?: boolean }, context: CommandContext): void {
  const { terminal } = context;
  const read = folders.map(folder => checkInput(() => readPuzzleFolder(folder)));
  const reports = read.flatMap(reportsOf);
  const summary = summaryOf(reports);
  const problems = read.flatMap(({ root, problems }) =>
    problems.map(problem => ({ ...problem, path: path.join(root, problem.path) })),
  );
  const notes = read.flatMap(({ root, puzzles }) =>
    puzzles.flatMap(({ textFile, notes }) => notes.map(note => ({ path: path.join(root, textFile), note }))),
  );
  const onTrainingSide = read
    .flatMap(({ puzzles }) => puzzles)
    .filter(sample => sideOf(sample) === 'test' && splitOf(sample.world, sample.instance) === 'train').length;
  if (problems.length > 0 || summary.layouts.shared > 0) context.exitCode = 2;
  if (json) {
    terminal.out(JSON.stringify({ ...summary, testOnTrainingSide: onTrainingSide, problems, notes }, null, 2));
    return;
  }
  for (const { path: file, reason } of problems) terminal.err(`${file}: ${reason}`);
  for (const { path: file, note } of notes) terminal.out(`${file}: note: ${note}`);
  terminal.out(groupTable(summary.groups, terminal));
  terminal.out(`${summary.samples} samples, ${problems.length} files that are none`);
  terminal.out(overlapLine(summary.layouts));
  if (onTrainingSide > 0)
    terminal.out(
      `${onTrainingSide} test samples have a layout that mgsd-lite itself trains on: its own split goes by hash (mgsd/method/split.ts)`,
    );
}

interface JudgeFlags {
  readonly answers: string;
  readonly scoring: Scoring;
  readonly items?: string;
  readonly json?: boolean;
}

function runJudge(folder: string, flags: JudgeFlags, context: CommandContext): void {
  const { terminal } = context;
  const { puzzles: samples, problems } = checkInput(() => readPuzzleFolder(folder));
  const answers = checkInput(() => readAnswers(flags.answers, samples));
  const judged = samples.map(({ id, name, world, instance }) => {
    const answer = answers.get(name);
    const verdict = judgeAnswer(world, instance, answer ?? '', flags.scoring);
    return {
      id,
      name,
      world: world.name,
      level: instance.size,
      answered: answer !== undefined,
      shortest: world.shortestLength(instance),
      ...short(verdict),
    };
  });
  if (flags.items !== undefined) writeFileAtomic(flags.items, judged.map(item => `${JSON.stringify(item)}\n`).join(''));
  const rate = (items: readonly (typeof judged)[number][], value: 'success' | 'optimal' | 'parsed') =>
    items.filter(item => item[value]).length / items.length;
  const names = [...new Set(judged.map(({ world }) => world))];
  const groups = names.map(world => {
    const items = judged.filter(item => item.world === world);
    const progress = items.reduce((sum, item) => sum + item.progress, 0) / items.length;
    return {
      world,
      items: items.length,
      success: rate(items, 'success'),
      optimal: rate(items, 'optimal'),
      parsed: rate(items, 'parsed'),
      progress,
    };
  });
  const mean = (value: 'success' | 'optimal') => groups.reduce((sum, group) => sum + group[value], 0) / groups.length;
  const result = {
    scoring: flags.scoring,
    samples: judged.length,
    answered: answers.size,
    macroSuccess: mean('success'),
    macroOptimal: mean('optimal'),
    worlds: groups,
    problems,
  };
  if (problems.length > 0) context.exitCode = 2;
  if (flags.json) {
    terminal.out(JSON.stringify(result, null, 2));
    return;
  }
  for (const { path: file, reason } of problems) terminal.err(`${path.join(folder, file)}: ${reason}`);
  const percent = (share: number) => (100 * share).toFixed(1);
  const rows = groups.map(group => [
    group.world,
    String(group.items),
    ...[group.success, group.optimal, group.progress, group.parsed].map(percent),
  ]);
  rows.push(['mean of the worlds', String(judged.length), percent(mean('success')), percent(mean('optimal')), '', '']);
  terminal.out(drawTable(terminal, ['answers', 'samples', 'success %', 'optimal %', 'progress %', 'parsed %'], rows));
  terminal.out(`${answers.size} of ${judged.length} samples were answered; verdicts: ${flags.scoring}`);
}

/** A verdict without its path of states. */
function short({ path: _, ...verdict }: Verdict): Omit<Verdict, 'path'> {
  return verdict;
}

/** Answers by the name of their sample. */
function readAnswers(file: string, samples: readonly StoredPuzzle[]): Map<string, string> {
  const named = new Map(samples.map(sample => [sample.name, sample]));
  const byId = new Map<string, StoredPuzzle[]>();
  for (const sample of samples) byId.set(sample.id, [...(byId.get(sample.id) ?? []), sample]);
  const find = (id: string): StoredPuzzle => {
    const found = named.get(id);
    const [first, second] = found ? [found] : (byId.get(id) ?? []);
    if (!first) throw new Error(`"${id}" is no sample of the folder`);
    if (second) throw new Error(`"${id}" may be ${first.name} or ${second.name}: write it like that`);
    return first;
  };
  const answers = new Map<string, string>();
  for (const [i, line] of readFile(file).toString('utf8').split('\n').entries()) {
    if (line.trim() === '') continue;
    checkInput(
      () => {
        const { id, answer } = parseAnswerLine(line);
        const { name } = find(id);
        if (answers.has(name)) throw new Error(`"${id}" was answered before`);
        answers.set(name, answer);
      },
      `${file}, line ${i + 1}`,
    );
  }
  return answers;
}

function parseAnswerLine(line: string): { id: string; answer: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error('this is not JSON');
  }
  const { id, answer } = (value ?? {}) as { id?: unknown; answer?: unknown };
  if (typeof id !== 'string' || typeof answer !== 'string') throw new Error('"id" and "answer" are needed, both texts');
  return { id, answer };
}
