import { describe, expect, it } from 'vitest';
import { Random } from '../../../core/index.js';
import { resolveConfig } from '../../../mgsd/method/config.js';
import { drawPuzzles, trainingGroups } from '../../../mgsd/method/puzzles.js';
import { tokenWeights } from '../../../mgsd/method/packing.js';
import type { LossAverage } from '../../../mgsd/method/packing.js';
import { SPAN_RECAP } from '../../../mgsd/method/response.js';
import { NO_NOISE, planExample } from '../../../mgsd/method/targets.js';

const config = resolveConfig('tiny', {
  tasks: [
    { world: 'frozenlake', levels: [3], pool: { '3': 10 } },
    { world: 'maze', levels: [4], pool: { '4': 10 } },
  ],
});
const random = new Random(4);
const puzzles = drawPuzzles(trainingGroups(config), random, 7); // four boards of one world, three of the other
const examples = puzzles.map(puzzle => planExample(puzzle, random, NO_NOISE));
const isLake = puzzles.map(({ world }) => world.name === 'frozenlake');
const sum = (values: Iterable<number>) => Array.from(values).reduce((a, b) => a + b, 0);
/** What the tokens of FrozenLake, and those of Maze, weigh. */
const masses = (weights: readonly Float64Array[]) =>
  [true, false].map(lake => sum(weights.flatMap((values, i) => (isLake[i] === lake ? Array.from(values) : []))));
/** Weights of the examples' tokens, from these masks. */
function weightsOf(masks: readonly Float32Array[], average: LossAverage): Float64Array[] {
  const flat = tokenWeights(
    examples.map((example, i) => ({ ...example, weights: masks[i]! })),
    average,
    1000,
  );
  let end = 0;
  return masks.map(({ length }) => flat.subarray(end, (end += length)));
}

describe('a loss over several worlds', () => {
  it('counts worlds alike however long their responses are, or tokens alike', () => {
    const ones = examples.map(({ weights }) => weights);
    const [lake = 0, maze = 0] = masses(weightsOf(ones, 'world'));
    expect(lake).toBeCloseTo(0.5, 12);
    expect(maze).toBeCloseTo(0.5, 12);
    const byToken = weightsOf(ones, 'token');
    expect(new Set(byToken.flatMap(weights => Array.from(weights))).size).toBe(1);
    expect(sum(masses(byToken))).toBeCloseTo(1, 12);
    expect(masses(byToken)[1]).toBeGreaterThan(0.6); // mazes take more words
  });

  it('is that of the others where a world has no token that counts', () => {
    const masked = examples.map(({ weights }, i) => (isLake[i] ? weights : weights.map(() => 0)));
    expect(masses(weightsOf(masked, 'world'))).toEqual([expect.closeTo(1, 12), 0]);
    const nothing = examples.map(({ weights }) => weights.map(() => 0));
    expect(masses(weightsOf(nothing, 'world'))).toEqual([0, 0]);
  });

  it('counts worlds alike however much of their responses is masked', () => {
    const masks = examples.map(({ spans }) => Float32Array.from(spans, span => (span === SPAN_RECAP ? 0 : 1)));
    const weights = weightsOf(masks, 'world');
    const [lake = 0, maze = 0] = masses(weights);
    expect(lake).toBeCloseTo(0.5, 12);
    expect(maze).toBeCloseTo(0.5, 12);
    weights.forEach((values, i) => {
      values.forEach((w, t) => {
        expect(w === 0).toBe(examples[i]!.spans[t] === SPAN_RECAP);
      });
    });
  });
});
