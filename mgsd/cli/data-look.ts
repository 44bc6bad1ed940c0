/** `mgsd-lite data show` and `data stats`: one sample in every form, and statistics of a run's puzzles. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { Random } from '../../core/index.js';
import { modelPresets } from '../../models/index.js';
import type { PresetName } from '../../models/index.js';
import { tokensToText } from '../../models/vocabulary.js';
import { boardText } from '../pictures/draw.js';
import { writeFileAtomic } from '../runs/files.js';
import { encodePng } from '../pictures/png.js';
import { describe, findFormats } from '../exchange/formats.js';
import { heldOutGroups, streams, trainingGroups } from '../method/puzzles.js';
import type { Puzzle, PuzzleGroup } from '../method/puzzles.js';
import { instancePool } from '../method/split.js';
import type { SplitName } from '../method/split.js';
import { oracleResponse, symbolicPrompt } from '../method/response.js';
import type { FrozenLakeInstance } from '../worlds/frozenlake/rules.js';
import type { Action } from '../worlds/grid.js';
import { createWorldByName, WORLD_NAMES } from '../worlds/registry.js';
import type { WorldName } from '../worlds/registry.js';
import type { World, WorldInstance } from '../worlds/world.js';
import { checkInput } from './errors.js';
import type { CommandContext } from './options.js';
import { addExamples, levelOf, oneOf, seedOf, several, wholeNumber } from './options.js';
import { boardColours } from './plan.js';
import { drawTable } from './results.js';
import { configFrom } from './run-choice.js';
import type { ConfigFlags } from './run-choice.js';

const splits = ['train', 'test'] as const satisfies readonly SplitName[];

/** Optimal plans that `show` lists at most, for people and for programs; large empty boards have thousands. */
const plansShown = { text: 24, json: 10_000 };

interface ShowFlags {
  readonly world: WorldName;
  readonly level: number;
  readonly seed: number;
  readonly split: SplitName;
  readonly png?: string;
  readonly pixels: number;
  readonly json?: boolean;
}

export function addLookCommands(data: Command, context: CommandContext): void {
  const show = data
    .command('show')
    .summary('one sample in every form')
    .description('The board, the state as text and as tokens, what the oracle writes, and all optimal plans.')
    .option('--world <name>', WORLD_NAMES.join(', '), oneOf(WORLD_NAMES), 'frozenlake')
    .option('--level <size>', 'board size', levelOf, 4)
    .addOption(new Option('--seed <n>', 'decides the puzzle').argParser(seedOf).default(1))

    .addOption(
      new Option('--split <name>', 'layouts for training or for testing').argParser(oneOf(splits)).default('test'),
    )
    .option('--png <file>', 'draw it as a picture')
    .option(
      '--pixels <n>',
      "side of the picture (default: the tiny model's image size)",
      wholeNumber(8, 2048),
      modelPresets.tiny.imageSize,
    )
    .option('--json', 'as JSON on standard output')
    .action((flags: ShowFlags) => runShow(flags, context));
  addExamples(show, [
    ['data show --level 5 --seed 3', 'another board, larger'],
    ['data show --png puzzle.png && mgsd-lite plan puzzle.png', 'an image for the planner'],
  ]);

  const stats = data
    .command('stats')
    .summary("statistics of a run's puzzles")
    .description(
      'Per board size: how many puzzles, holes and moves, how many need a detour, and how far walking straight ahead gets.',
    )
    .addOption(new Option('--preset <name>', 'which puzzles (default: tiny)').choices(Object.keys(modelPresets)))
    .option('--config <file>', 'JSON with what differs from the preset')
    .option('--set <path=value>', 'one setting (may be repeated)', several(String))
    .option('--seed <n>', 'seed of the run', seedOf)
    .option('--json', 'as JSON on standard output')
    .action((flags: StatsFlags) => runStats(flags, context));
  addExamples(stats, [
    ['data stats', 'the puzzles of the tiny preset'],
    ['data stats --set tasks.0.options.frozenProbability=0.6 --json', 'with more holes, for a program'],
  ]);
}

function runShow(
  { world: name, level, seed, split, png, pixels, json }: ShowFlags,
  { terminal }: CommandContext,
): void {
  const world: World = createWorldByName(name);
  // The same puzzle as `plan` generates for this seed and size.
  const random = new Random(seed, split === 'test' ? streams.test : streams.pools, level);
  const [instance] = checkInput(() => instancePool(world, level, random, { split, count: 1 }));
  const puzzle: Puzzle = { world, instance: instance! };
  if (png !== undefined) writePicture(png, puzzle, pixels);
  const plans = optimalPlans(world, puzzle.instance, json ? plansShown.json : plansShown.text);
  const hasText = findFormats(world) !== undefined;
  const planCount = countOptimalPlans(world, puzzle.instance);
  const sample = {
    key: world.instanceKey(puzzle.instance),
    layout: world.layoutKey(puzzle.instance),
    split,
    board: boardText(world, puzzle.instance),
    text: hasText ? describe(world, puzzle.instance, 'evaluation') : null,
    context: hasText ? describe(world, puzzle.instance, 'context') : null,
    difficulty: world.difficulty(puzzle.instance),
    prompt: tokensToText(symbolicPrompt(world, puzzle.instance)),
    response: tokensToText(oracleResponse(world, puzzle.instance)),
    shortestLength: world.shortestLength(puzzle.instance),
    optimalPlans: plans,
    optimalPlanCount: planCount,
    straightAheadSuccess: world.straightAheadSuccess(puzzle.instance),
    needsDetour: world.needsDetour(puzzle.instance),
  };
  if (json) {
    terminal.out(JSON.stringify(sample, null, 2));
    return;
  }
  const { bold, isColorSupported } = terminal.colours;
  const colours = isColorSupported ? boardColours(terminal) : undefined;
  const section = (title: string, body: string) => terminal.out(`${bold(title)}\n${body}\n`);
  section(
    `${world.title} ${level}x${level}, ${split} puzzle ${seed}`,
    boardText(world, puzzle.instance, [], colours).join('\n'),
  );
  if (sample.text !== null) section('as text', sample.text);
  section('prompt in symbols', sample.prompt);
  section('response of the oracle', `BOS ${sample.response}`);
  const more = planCount > plans.length ? ` and ${planCount - plans.length} more` : '';
  section('optimal plans', `${plans.join(' ')}${more}`);
  terminal.out(`walking straight ahead, obstacles ignored, succeeds in ${percent(sample.straightAheadSuccess)} %`);
  if (png !== undefined) terminal.out(`drawn in ${png}`);
}

/** Optimal plans in the order of the actions, at most `limit`. */
function optimalPlans(world: World, instance: WorldInstance, limit: number): string[] {
  const found: string[] = [];
  const walk = (state: number, plan: readonly Action[]): void => {
    if (found.length >= limit) return;
    if (world.isGoal(instance, state)) found.push(world.formatAnswer(plan));
    for (const action of world.optimalActions(instance, state))
      walk(world.step(instance, state, action).next, [...plan, action]);
  };
  walk(world.start(instance), []);
  return found;
}

/** How many optimal plans there are. */
function countOptimalPlans(world: World, instance: WorldInstance): number {
  const known = new Map<number, number>();
  const count = (state: number): number => {
    if (world.isGoal(instance, state)) return 1;
    const before = known.get(state);
    if (before !== undefined) return before;
    let sum = 0;
    for (const action of world.optimalActions(instance, state)) sum += count(world.step(instance, state, action).next);
    known.set(state, sum);
    return sum;
  };
  return count(world.start(instance));
}

type StatsFlags = Omit<ConfigFlags, 'preset'> & { readonly preset?: PresetName; readonly json?: boolean };

interface GroupStats {
  readonly split: SplitName;
  readonly world: string;
  readonly level: number;
  readonly puzzles: number;
  readonly layouts: number;
  /** FrozenLake only. */
  readonly holes: Spread | null;
  readonly moves: Spread;
  /** Puzzles by the length of their shortest plan. */
  readonly byMoves: Readonly<Record<string, number>>;
  readonly needsDetour: number;
  readonly straightAheadSuccess: number;
}

interface Spread {
  readonly mean: number;
  readonly p95: number;
  readonly max: number;
}

function runStats({ json, ...flags }: StatsFlags, { terminal }: CommandContext): void {
  const config = configFrom(flags);
  const stats = checkInput(() => [
    ...trainingGroups(config).map(group => statsOf(group, 'train')),
    ...heldOutGroups(config).map(group => statsOf(group, 'test')),
  ]);
  if (json) {
    terminal.out(JSON.stringify(stats, null, 2));
    return;
  }
  const head = [
    'puzzles',
    'number',
    'layouts',
    'holes',
    'max',
    'moves',
    'p95',
    'max',
    'need a detour %',
    'straight ahead %',
  ];
  const rows = stats.map(
    ({ split, world, level, puzzles, layouts, holes, moves, needsDetour, straightAheadSuccess }) => [
      `${world} ${level}x${level}, ${split}`,
      ...[puzzles, layouts].map(String),
      holes?.mean.toFixed(2) ?? '–',
      String(holes?.max ?? '–'),
      moves.mean.toFixed(2),
      ...[moves.p95, moves.max].map(String),
      percent(needsDetour),
      percent(straightAheadSuccess),
    ],
  );
  terminal.out(drawTable(terminal, head, rows));
  terminal.out(
    'straight ahead: success of whoever knows where things are but not what is in the way; 0 where a detour is needed',
  );
}

function statsOf({ world, level, puzzles }: PuzzleGroup, split: SplitName): GroupStats {
  const mean = (value: (instance: WorldInstance) => number) =>
    puzzles.reduce((sum, { instance }) => sum + value(instance), 0) / puzzles.length;
  const byMoves: Record<string, number> = {};
  for (const { instance } of puzzles) {
    const moves = world.shortestLength(instance);
    byMoves[moves] = (byMoves[moves] ?? 0) + 1;
  }
  return {
    split,
    world: world.name,
    level,
    puzzles: puzzles.length,
    layouts: new Set(puzzles.map(({ instance }) => world.layoutKey(instance))).size,
    holes:
      world.name === 'frozenlake'
        ? spread(puzzles.map(({ instance }) => (instance as FrozenLakeInstance).holes.length))
        : null,
    moves: spread(puzzles.map(({ instance }) => world.shortestLength(instance))),
    byMoves,
    needsDetour: mean(instance => Number(world.needsDetour(instance))),
    straightAheadSuccess: mean(instance => world.straightAheadSuccess(instance)),
  };
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    p95: sorted[Math.min(sorted.length - 1, Math.floor(0.95 * sorted.length))]!,
    max: sorted.at(-1)!,
  };
}

const percent = (share: number) => (100 * share).toFixed(1);

/** A picture of a puzzle as a file. */
function writePicture(file: string, { world, instance }: Puzzle, pixels: number): void {
  writeFileAtomic(file, encodePng({ width: pixels, height: pixels, data: world.render(instance, pixels) }));
}
