/** `mgsd-lite data show`: one puzzle in every form. */
import { modelPresets } from '../../../models/index.js';
import { tokensToText } from '../../../models/vocabulary.js';
import { describe, findFormats } from '../../exchange/formats.js';
import type { Puzzle } from '../../method/puzzles.js';
import { oracleResponse, symbolicPrompt } from '../../method/response.js';
import { boardText } from '../../pictures/draw.js';
import { encodePng } from '../../pictures/png.js';
import { writeFileAtomic } from '../../runs/files.js';
import type { Action } from '../../worlds/grid.js';
import { boardLines } from '../boards.js';
import { defineCommand } from '../command.js';
import { jsonOption, option, pixelsOf, puzzleOptions, splitOf } from '../options.js';
import { generatedPuzzle, renderedPuzzle } from '../puzzle-choice.js';
import { percent } from '../results.js';

/** How many optimal plans are listed for people and for programs; large empty boards have thousands. */
const plansShown = { text: 24, json: 10_000 };

export const showCommand = defineCommand({
  name: 'show',
  summary: 'one puzzle in every form',
  description: 'The board, the state as text and as tokens, what the oracle writes, and all optimal plans.',
  options: {
    ...puzzleOptions,
    split: option('--split <name>', 'layouts for training or for testing', splitOf, 'test'),
    png: option('--png <file>', 'draw it as a picture'),
    pixels: option('--pixels <n>', 'side of the picture', pixelsOf, modelPresets.tiny.imageSize),
    json: jsonOption,
  },
  examples: [
    ['data show --level 5 --seed 3', 'another board, larger'],
    ['data show --png puzzle.png && mgsd-lite plan puzzle.png', 'an image for the planner'],
  ],
  run(flags, { terminal }) {
    const { level, seed, split, png, pixels } = flags;
    const puzzle = generatedPuzzle(flags, split);
    const { world, instance } = puzzle;
    if (png !== undefined) writeFileAtomic(png, encodePng(renderedPuzzle(puzzle, pixels)));
    const hasText = findFormats(world) !== undefined;
    const data = {
      key: world.instanceKey(instance),
      layout: world.layoutKey(instance),
      split,
      board: boardText(world, instance),
      text: hasText ? describe(world, instance, 'evaluation') : null,
      context: hasText ? describe(world, instance, 'context') : null,
      difficulty: world.difficulty(instance),
      prompt: tokensToText(symbolicPrompt(world, instance)),
      response: tokensToText(oracleResponse(world, instance)),
      shortestLength: world.shortestLength(instance),
      optimalPlans: optimalPlans(puzzle, plansShown.json),
      optimalPlanCount: optimalPlanCount(puzzle),
      straightAheadSuccess: world.straightAheadSuccess(instance),
      needsDetour: world.needsDetour(instance),
    };
    const lines = () => {
      const section = (title: string, ...body: string[]) => [terminal.colours.bold(title), ...body, ''];
      const plans = data.optimalPlans.slice(0, plansShown.text);
      const more = data.optimalPlanCount - plans.length;
      return [
        ...section(
          `${world.title} ${level}x${level}, ${split} puzzle ${seed}`,
          ...boardLines(terminal, world, instance),
        ),
        ...(data.text === null ? [] : section('as text', ...data.text.split('\n'))),
        ...section('prompt in symbols', data.prompt),
        ...section('response of the oracle', `BOS ${data.response}`),
        ...section('optimal plans', `${plans.join(' ')}${more > 0 ? ` and ${more} more` : ''}`),
        `walking straight ahead, obstacles ignored, succeeds in ${percent(data.straightAheadSuccess)} %`,
        ...(png === undefined ? [] : [`drawn in ${png}`]),
      ];
    };
    return { data, lines };
  },
});

/** Optimal plans in the order of the actions, at most `limit`. */
function optimalPlans({ world, instance }: Puzzle, limit: number): string[] {
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
function optimalPlanCount({ world, instance }: Puzzle): number {
  const known = new Map<number, number>();
  const count = (state: number): number => {
    if (world.isGoal(instance, state)) return 1;
    const next = world.optimalActions(instance, state).map(action => world.step(instance, state, action).next);
    const plans = known.get(state) ?? next.reduce((sum, after) => sum + count(after), 0);
    known.set(state, plans);
    return plans;
  };
  return count(world.start(instance));
}
