/** `mgsd-lite data stats`: what a run trains and is tested on, counted. */
import { heldOutGroups, trainingGroups } from '../../method/puzzles.js';
import type { PuzzleGroup } from '../../method/puzzles.js';
import type { SplitName } from '../../method/split.js';
import type { FrozenLakeInstance } from '../../worlds/frozenlake/rules.js';
import { defineCommand } from '../command.js';
import { checkInput } from '../errors.js';
import { configOptions, jsonOption, runSeedOption } from '../options.js';
import { drawTable, percent } from '../results.js';
import { configFrom } from '../run-choice.js';

export const statsCommand = defineCommand({
  name: 'stats',
  summary: "statistics of a run's puzzles",
  description:
    'Per board size: how many puzzles, holes and moves, how many need a detour, and how far walking straight ahead gets.',
  options: { ...configOptions, seed: runSeedOption, json: jsonOption },
  examples: [
    ['data stats', 'the puzzles of the default preset'],
    ['data stats --set tasks.0.options.frozenProbability=0.6 --json', 'with more holes, for a program'],
  ],
  run(flags, { terminal }) {
    const config = configFrom(flags);
    const stats = checkInput(() => [
      ...trainingGroups(config).map(group => statsOf(group, 'train')),
      ...heldOutGroups(config).map(group => statsOf(group, 'test')),
    ]);
    const counted = ['number', 'layouts', 'holes', 'max', 'moves', 'p95', 'max'];
    const head = ['puzzles', ...counted, 'need a detour %', 'straight ahead %'];
    const rows = stats.map(({ split, world, level, holes, moves, ...group }) => [
      `${world} ${level}x${level}, ${split}`,
      ...[group.puzzles, group.layouts].map(String),
      holes?.mean.toFixed(2) ?? '–',
      String(holes?.max ?? '–'),
      moves.mean.toFixed(2),
      ...[moves.p95, moves.max].map(String),
      ...[group.needsDetour, group.straightAheadSuccess].map(percent),
    ]);
    const legend =
      'straight ahead: success of a walk that knows where things are but not what is in the way; 0 where a detour is needed';
    return { data: stats, lines: () => [...drawTable(terminal, head, rows), legend] };
  },
});

/** What there is in a group; `holes` for FrozenLake only, `byMoves` by the length of the shortest plan. */
function statsOf({ world, level, puzzles }: PuzzleGroup, split: SplitName) {
  const instances = puzzles.map(({ instance }) => instance);
  const moves = instances.map(instance => world.shortestLength(instance));
  const byMoves: Record<string, number> = {};
  for (const length of moves) byMoves[length] = (byMoves[length] ?? 0) + 1;
  const holes = () => instances.map(instance => (instance as FrozenLakeInstance).holes.length);
  return {
    split,
    world: world.name,
    level,
    puzzles: puzzles.length,
    layouts: new Set(instances.map(instance => world.layoutKey(instance))).size,
    holes: world.name === 'frozenlake' ? spread(holes()) : null,
    moves: spread(moves),
    byMoves,
    needsDetour: mean(instances.map(instance => Number(world.needsDetour(instance)))),
    straightAheadSuccess: mean(instances.map(instance => world.straightAheadSuccess(instance))),
  };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function spread(values: readonly number[]): { mean: number; p95: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const p95 = sorted[Math.min(sorted.length - 1, Math.floor(0.95 * sorted.length))]!;
  return { mean: mean(values), p95, max: sorted.at(-1)! };
}
