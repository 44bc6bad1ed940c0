import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ANS, BOS, EOS, actionOf, cellOf, sizeOf, tokensToText } from '../../../models/vocabulary.js';
import * as samples from '../../../mgsd/method/targets.js';
import { maximumResponseLength, oracleResponse, symbolicPrompt } from '../../../mgsd/method/response.js';
import { packSequences } from '../../../mgsd/method/packing.js';
import type { TrainingExample } from '../../../mgsd/method/packing.js';
import type { InputMode } from '../../../mgsd/method/packing.js';
import { presets } from '../../../mgsd/method/presets.js';
import type { Puzzle } from '../../../mgsd/method/puzzles.js';
import { modelPresets } from '../../../models/index.js';
import { onBoard } from '../../../mgsd/worlds/grid.js';
import { lakeOf } from '../boards.js';
import { anyPuzzle, frozenLake, testRandom } from '../random.js';
import { createMaze } from '../../../mgsd/worlds/maze/maze.js';
import type { World } from '../../../mgsd/worlds/world.js';
import { createDelivery } from '../worlds/delivery-world.js';

const ALWAYS: samples.ResponseNoise = { recapSamples: 1, recapTokens: 1, detourSamples: 1, detourSteps: 0.5 };
const DETOURS: samples.ResponseNoise = { ...ALWAYS, recapSamples: 0 };
const delivery = createDelivery();
const lake = (instance: Puzzle['instance']): Puzzle => ({ world: frozenLake, instance });

describe('training examples', () => {
  test('without noise: inputs are the targets shifted by one, beginning with BOS and ending in EOS', () => {
    fc.assert(
      fc.property(anyPuzzle, fc.nat(), (puzzle, seed) => {
        const example = samples.planExample(lake(puzzle), testRandom(seed), samples.NO_NOISE);
        const { inputs, targets } = example;
        expect(inputs[0]).toBe(BOS);
        for (let t = 1; t < inputs.length; t++) expect(targets[t - 1]).toContain(inputs[t]);
        expect(targets.at(-1)).toEqual([EOS]);
        expect(inputs.length).toBe(oracleResponse(frozenLake, puzzle).length);
        expect(example.weights.every(weight => weight === 1)).toBe(true);
        expect(example.spans).toHaveLength(inputs.length);
      }),
    );
  });

  test('prompt dropout: the state is hidden, the recap is free of noise and does not count, the plan does', () => {
    fc.assert(
      fc.property(anyPuzzle, fc.nat(), (puzzle, seed) => {
        const example = samples.planExample(lake(puzzle), testRandom(seed), { ...ALWAYS, detourSamples: 0 }, 1);
        const recap = frozenLake.recap(puzzle);
        expect(example.shows).toBe('nothing');
        expect(Array.from(example.inputs.slice(1, recap.length + 2))).toEqual([...recap, ANS]);
        expect(Array.from(example.weights)).toEqual(example.targets.map((_, t) => (t <= recap.length ? 0 : 1)));
        const rowsOf = (shown: TrainingExample, input: InputMode) =>
          packSequences([shown], input, modelPresets.tiny).tokens.length;
        const { shows: _, ...open } = example;
        expect(rowsOf(open, 'symbolic') - rowsOf(example, 'symbolic')).toBe(
          symbolicPrompt(frozenLake, puzzle).length - 2,
        );
        expect(rowsOf(example, 'image')).toBeGreaterThan(36);
      }),
    );
  });

  test('prompt dropout by world: a world that is not named keeps its prompts', () => {
    const hidden = (world: World, promptDropout: Record<string, number>) => {
      const random = testRandom(8);
      const instance = world.generate(random, 3);
      const made = Array.from({ length: 400 }, () =>
        samples.planExample({ world, instance }, random, samples.NO_NOISE, promptDropout),
      );
      return made.filter(({ shows }) => shows === 'nothing').length / made.length;
    };
    const maze = createMaze();
    expect(hidden(maze, { maze: 1, frozenlake: 0 })).toBe(1);
    expect(hidden(frozenLake, { maze: 1 })).toBe(0);
    expect(Math.abs(hidden(maze, { maze: 0.3, frozenlake: 1 }) - 0.3)).toBeLessThan(0.1);
  });

  test('recap noise is in the inputs only, keeps the kind of each token, and the cells on the board', () => {
    fc.assert(
      fc.property(anyPuzzle, fc.nat(), (puzzle, seed) => {
        const noise = { ...ALWAYS, detourSamples: 0 };
        const { inputs, targets } = samples.planExample(lake(puzzle), testRandom(seed), noise);
        const recap = frozenLake.recap(puzzle);
        expect(targets.slice(0, recap.length + 1)).toEqual([...recap, ANS].map(token => [token]));
        expect(inputs[recap.length + 1]).toBe(ANS);
        recap.forEach((token, i) => {
          const input = inputs[i + 1]!;
          expect(sizeOf(input) >= 0).toBe(sizeOf(token) >= 0);
          if (cellOf(token) >= 0) expect(onBoard(puzzle.size, cellOf(input))).toBe(true);
        });
      }),
    );
  });

  test('noise is as frequent as asked: about 15 % of the recap tokens of about 30 % of the samples', () => {
    const random = testRandom(4);
    const puzzle = frozenLake.generate(random, 8);
    const recap = frozenLake.recap(puzzle);
    let changed = 0;
    const count = 4000;
    for (let i = 0; i < count; i++) {
      const { inputs } = samples.planExample(lake(puzzle), random, presets.tiny.stage0.noise);
      changed += recap.filter((token, t) => token !== inputs[t + 1]).length;
    }
    // A few replacements hit the true token again, so slightly less than 0.3 * 0.15.
    expect(changed / (count * recap.length)).toBeGreaterThan(0.036);
    expect(changed / (count * recap.length)).toBeLessThan(0.049);
  });

  test('every detour ends at the goal within the limit, and each target is optimal in the state reached', () => {
    const fits = (instance: { size: number }, limit: number, example: TrainingExample): void => {
      expect(example.inputs.length, `size ${instance.size}`).toBeLessThanOrEqual(limit);
      expect(example.targets.at(-1)).toEqual([EOS]);
    };
    let wandered = 0;
    fc.assert(
      fc.property(anyPuzzle, fc.nat(), (puzzle, seed) => {
        const example = samples.planExample(lake(puzzle), testRandom(seed), DETOURS);
        fits(puzzle, maximumResponseLength(frozenLake, puzzle.size), example);
        const actionPlaces = frozenLake.recap(puzzle).length + 1;
        let state = puzzle.start;
        for (let t = actionPlaces; t < example.inputs.length - 1; t += 2) {
          expect(example.targets[t]!.map(actionOf)).toEqual(frozenLake.optimalActions(puzzle, state));
          const written = example.inputs[t + 1]!;
          if (!example.targets[t]!.includes(written)) wandered++;
          state = frozenLake.step(puzzle, state, actionOf(written) as 0).next;
          expect(example.targets[t + 1]).toEqual([frozenLake.cellAfter(puzzle, state)]);
        }
        expect(state).toBe(puzzle.goal);
        const other = delivery.generate(testRandom(seed), 3);
        fits(
          other,
          maximumResponseLength(delivery, 3),
          samples.planExample({ world: delivery, instance: other }, testRandom(seed), DETOURS),
        );
      }),
    );
    expect(wandered).toBeGreaterThan(50);
  });

  test('all optimal plans are seen', () => {
    const puzzle = lakeOf(['SF', 'FG']);
    const random = testRandom(1);
    const seen = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const { inputs } = samples.planExample(lake(puzzle), random, samples.NO_NOISE);
      seen.add(tokensToText(inputs.subarray(5)));
    }
    expect([...seen].sort()).toEqual(['D (1,0) R (1,1)', 'R (0,1) D (1,1)']);
  });

  test('the recap alone is the prefix of the plan example', () => {
    const puzzle = lakeOf(['SH', 'FG']);
    const example = samples.recapExample(lake(puzzle));
    expect(tokensToText(example.inputs)).toBe('BOS size:2 (0,0) (1,1) (0,1)');
    expect(tokensToText(example.targets.flat())).toBe('size:2 (0,0) (1,1) (0,1) ANS');
    expect(example.spans.join('')).toBe('11111');
    const plan = samples.planExample(lake(puzzle), testRandom(1), samples.NO_NOISE);
    expect(plan.inputs.subarray(0, 5)).toEqual(example.inputs);
  });

  test('a sampled response is relabelled by the oracle and weighted by the mask', () => {
    const puzzle = lakeOf(['SFF', 'FHF', 'FFG']);
    const tokens = [...frozenLake.recap(puzzle), ANS, ...[30, 65, 29, 73, 30]]; // R (0,1) D (1,1): into the hole, R
    const example = samples.relabelledExample(lake(puzzle), tokens);
    expect(Array.from(example.weights)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    expect(tokensToText(example.targets.slice(5).flat())).toBe('D R (0,1) R (0,1) R');
    const unmasked = samples.relabelledExample(lake(puzzle), tokens, false);
    expect(unmasked.weights.every(weight => weight === 1)).toBe(true);
  });

  test('the same random numbers give the same example', () => {
    fc.assert(
      fc.property(anyPuzzle, fc.nat(), (puzzle, seed) => {
        const make = () => samples.planExample(lake(puzzle), testRandom(seed), ALWAYS);
        expect(make()).toEqual(make());
      }),
    );
  });
});
