/** What must hold for the puzzles of any world, as tests to be run on each of them. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cellOf, maskOf, sizeOf } from '../../../models/vocabulary.js';
import { instancePool, splitOf } from '../../../mgsd/method/split.js';
import * as trace from '../../../mgsd/method/response.js';
import { NO_NOISE, planExample, type ResponseNoise } from '../../../mgsd/method/targets.js';
import { DROP, PICK, onBoard, type Action } from '../../../mgsd/worlds/grid.js';
import {
  RENDER_STYLES,
  type PlanState,
  type RenderStyle,
  type World,
  type WorldInstance,
} from '../../../mgsd/worlds/world.js';
import { testRandom } from '../random.js';

const ALWAYS: ResponseNoise = { recapSamples: 1, recapTokens: 0.5, detourSamples: 1, detourSteps: 0.5 };

/** Puzzles of all of the world's levels. */
export function puzzlesOf<I extends WorldInstance>(world: World<I>): fc.Arbitrary<I> {
  return fc
    .record({ seed: fc.nat(), level: fc.constantFrom(...world.levels) })
    .map(({ seed, level }) => world.generate(testRandom(seed), level));
}

/** States that can be reached from the start without a fatal action. */
export function reachableStates<I extends WorldInstance>(world: World<I>, instance: I): PlanState[] {
  const states = new Set([world.start(instance)]);
  for (const state of states) {
    if (world.isGoal(instance, state)) continue;
    for (const action of world.actions) {
      const step = world.step(instance, state, action);
      if (step.verdict !== 'fatal') states.add(step.next);
    }
  }
  return [...states];
}

export function testExamples<I extends WorldInstance>(world: World<I>): void {
  const puzzles = puzzlesOf(world);

  test('oracle responses parse to exact recaps and optimal plans, and fit the limits', () => {
    fc.assert(
      fc.property(puzzles, puzzle => {
        const tokens = trace.oracleResponse(world, puzzle);
        const parsed = trace.parseResponse(world, puzzle, tokens);
        expect(parsed).toMatchObject({ recapExact: true, cellsExact: true, endOfSequence: true, fatalIndex: -1 });
        expect(parsed.verdict).toMatchObject({ success: true, optimal: true, progress: 1, reason: 'goal' });
        expect(parsed.walk.sound.every(value => value === 1)).toBe(true);
        parsed.walk.targets.forEach((set, t) => expect(set).toContain(tokens[t]));
        const limit = trace.maximumResponseLength(world, puzzle.size);
        trace.assertOracleFits(world, puzzle, limit);
        expect(trace.symbolicPrompt(world, puzzle, 'plan', world.referencePlan(puzzle)).length).toBeLessThanOrEqual(
          trace.maximumPromptLength(world, puzzle.size, true),
        );
      }),
    );
  });

  test('detours and noise stay within the limits, keep the kinds of tokens, and end at the goal', () => {
    fc.assert(
      fc.property(puzzles, fc.nat(), (puzzle, seed) => {
        const limit = trace.maximumResponseLength(world, puzzle.size);
        const noisy = planExample({ world, instance: puzzle }, testRandom(seed), ALWAYS);
        const clean = planExample({ world, instance: puzzle }, testRandom(seed), NO_NOISE);
        for (const { inputs } of [noisy, clean]) expect(inputs.length).toBeLessThanOrEqual(limit);
        world.recap(puzzle).forEach((token, i) => {
          const input = noisy.inputs[i + 1]!;
          expect([sizeOf, cellOf, maskOf].map(kind => kind(input) >= 0)).toEqual(
            [sizeOf, cellOf, maskOf].map(kind => kind(token) >= 0),
          );
          if (cellOf(input) >= 0) expect(onBoard(puzzle.size, cellOf(input))).toBe(true);
        });
      }),
    );
  });

  test('the mask ends behind the first fatal action, and the oracle goes on from the unchanged state', () => {
    fc.assert(
      fc.property(puzzles, puzzle => {
        const start = world.start(puzzle);
        const fatal = world.actions.find(action => world.step(puzzle, start, action).verdict === 'fatal');
        fc.pre(fatal !== undefined);
        const tokens = trace.oracleResponse(world, puzzle, [fatal, ...world.referencePlan(puzzle)]);
        const parsed = trace.parseResponse(world, puzzle, tokens);
        const at = world.recap(puzzle).length + 1;
        expect(parsed.fatalIndex).toBe(at);
        expect(parsed.verdict).toMatchObject({ success: false, steps: 1, progress: 0 });
        expect(trace.responseMask(parsed.walk).join('')).toBe('1'.repeat(at + 1) + '0'.repeat(tokens.length - at - 1));
        expect(parsed.walk.targets[at + 1]).toEqual([world.cellAfter(puzzle, start)]);
        expect(parsed.walk.targets[at + 2]).toEqual(parsed.walk.targets[at]);
        expect(parsed.walk.targets.at(-1)).toEqual([2]); // EOS: the rest of the plan did lead to the goal
      }),
    );
  });

  test('PICK and DROP leave the cell as it is', () => {
    fc.assert(
      fc.property(puzzles, puzzle => {
        for (const state of reachableStates(world, puzzle)) {
          if (world.isGoal(puzzle, state)) continue;
          for (const action of [PICK, DROP] as const) {
            if (!world.actions.includes(action)) continue;
            const { next } = world.step(puzzle, state, action);
            expect(world.cellAfter(puzzle, next)).toBe(world.cellAfter(puzzle, state));
          }
        }
      }),
      { numRuns: 20 },
    );
  });
}

export function testPlans<I extends WorldInstance>(world: World<I>): void {
  const puzzles = puzzlesOf(world);

  test('plans and limits: any plan of optimal actions is optimal, and no shorter than the limit says', () => {
    fc.assert(
      fc.property(puzzles, fc.nat(), (puzzle, seed) => {
        const random = testRandom(seed);
        const shortest = world.shortestLength(puzzle);
        expect(shortest).toBeGreaterThanOrEqual(1);
        expect(shortest).toBeLessThanOrEqual(world.maximumPlanLength(puzzle.size));
        expect(world.recap(puzzle).length).toBeLessThanOrEqual(world.maximumRecapLength(puzzle.size));
        expect(world.judge(puzzle, world.referencePlan(puzzle)).optimal).toBe(true);
        const plan: Action[] = [];
        for (let state = world.start(puzzle); !world.isGoal(puzzle, state);) {
          const actions = world.optimalActions(puzzle, state);
          plan.push(actions[random.integer(actions.length)]!);
          state = world.step(puzzle, state, plan.at(-1)!).next;
        }
        expect(world.judge(puzzle, plan)).toMatchObject({ optimal: true, length: shortest, progress: 1 });
        const longer = world.judge(puzzle, [...plan, 0]);
        expect(longer).toMatchObject({ success: true, optimal: false, steps: shortest });
      }),
    );
  });

  test('walking straight ahead always ends, and its exact chance agrees with drawn walks', () => {
    const random = testRandom(3);
    let expected = 0;
    let solved = 0;
    const pool = Array.from({ length: 200 }, (_, i) => world.generate(random, world.levels[i % world.levels.length]!));
    for (const puzzle of pool) {
      expected += world.straightAheadSuccess(puzzle);
      for (let walk = 0; walk < 20; walk++) {
        let state = world.start(puzzle);
        let steps = 0;
        while (!world.isGoal(puzzle, state)) {
          const actions = world.straightAhead(puzzle, state);
          const step = world.step(puzzle, state, actions[random.integer(actions.length)]!);
          expect(++steps).toBeLessThan(40);
          if (step.verdict === 'fatal') break;
          state = step.next;
        }
        if (world.isGoal(puzzle, state)) solved++;
        if (world.isGoal(puzzle, state)) expect(world.needsDetour(puzzle)).toBe(false);
      }
    }
    expect(solved / (20 * pool.length)).toBeCloseTo(expected / pool.length, 1);
    expect(pool.filter(puzzle => world.needsDetour(puzzle)).length).toBeGreaterThan(5);
  });

  test('asked for a difficulty, the generator returns it; an unknown one is refused', () => {
    const random = testRandom(1);
    for (const level of world.levels)
      for (const difficulty of world.difficulties)
        for (let i = 0; i < 10; i++)
          expect(world.difficulty(world.generate(random, level, difficulty))).toBe(difficulty);
    expect(() => world.generate(random, world.levels[0]!, 'brutal')).toThrow(/no difficulty 'brutal'/);
  });

  test('puzzles are plain data', () => {
    fc.assert(
      fc.property(puzzles, puzzle => {
        expect(structuredClone(puzzle)).toEqual(puzzle);
        expect(JSON.parse(JSON.stringify(puzzle))).toEqual(puzzle);
      }),
    );
  });

  test('the same seed makes the same puzzles', () => {
    const draw = (): string[] => {
      const random = testRandom(7);
      return Array.from({ length: 50 }, (_, i) =>
        world.instanceKey(world.generate(random, world.levels[i % world.levels.length]!)),
      );
    };
    expect(draw()).toEqual(draw());
    expect(new Set(draw()).size).toBeGreaterThan(40);
  });

  test('both sides of the split have puzzles of every level, and share no layout, turned ones included', () => {
    for (const level of world.levels) {
      const pool = (split: 'train' | 'test', count: number): I[] =>
        instancePool(world, level, testRandom(level), { split, count });
      const [train, held] = [pool('train', 400), pool('test', 200)];
      const layouts = new Set(train.map(puzzle => world.layoutKey(puzzle)));
      expect(held.every(puzzle => splitOf(world, puzzle) === 'test')).toBe(true);
      expect(held.some(puzzle => layouts.has(world.layoutKey(puzzle)))).toBe(false);
      expect(new Set([...train, ...held].map(puzzle => world.instanceKey(puzzle))).size).toBe(600);
    }
  });
}

export function testImages<I extends WorldInstance>(world: World<I>): void {
  const puzzles = puzzlesOf(world);

  test('rendering is deterministic, fills (pixels, pixels, 3), and tells different puzzles apart', () => {
    fc.assert(
      fc.property(
        puzzles,
        puzzles,
        fc.constantFrom(48, 50),
        fc.constantFrom(...RENDER_STYLES),
        (puzzle, other, pixels, style) => {
          const image = world.render(puzzle, pixels, style);
          expect(image).toHaveLength(pixels * pixels * 3);
          world.render(other, pixels, style); // painters keep nothing of other images
          expect(Buffer.from(world.render(structuredClone(puzzle), pixels, style)).equals(image)).toBe(true);
          const same = world.instanceKey(puzzle) === world.instanceKey(other);
          expect(Buffer.from(world.render(other, pixels, style)).equals(image)).toBe(same);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('there are a training and a held-out style, and they differ clearly', () => {
    const random = testRandom(5);
    for (let i = 0; i < 10; i++) {
      const puzzle = world.generate(random, world.levels[i % world.levels.length]!);
      const [known, other] = [world.render(puzzle, 48), world.render(puzzle, 48, 'held-out')];
      expect(Buffer.from(world.render(puzzle, 48, 'training')).equals(known)).toBe(true);
      const difference = known.reduce((sum, value, at) => sum + Math.abs(value - other[at]!), 0) / known.length;
      expect(difference).toBeGreaterThan(10);
    }
    const puzzle = world.generate(random, world.levels[0]!);
    expect(() => world.render(puzzle, 48, 'neon' as RenderStyle)).toThrow(/no style 'neon'.*training, held-out/);
    expect(() => world.render(puzzle, 2)).toThrow(/2 pixels cannot show/);
  });
}
