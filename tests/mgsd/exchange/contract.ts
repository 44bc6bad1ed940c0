/** What must hold for the formats of any world that has some, as tests to be run on each of them. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describe as describeState, findFormats, formatsOf } from '../../../mgsd/exchange/formats.js';
import { parsePuzzleText, puzzleText, readPuzzle } from '../../../mgsd/exchange/puzzle-text.js';
import { judgeAnswer } from '../../../mgsd/exchange/scoring.js';
import { createWorldByName, WORLD_NAMES } from '../../../mgsd/worlds/registry.js';
import type { World, WorldInstance } from '../../../mgsd/worlds/world.js';
import { puzzlesOf } from '../worlds/contract.js';

/** Worlds whose puzzles can be stored. */
export const storedWorlds = WORLD_NAMES.filter(name => findFormats(createWorldByName(name) as World) !== undefined);

const origin = { split: 'test', index: 7, seed: 1 };

export function testFormats<I extends WorldInstance>(world: World<I>): void {
  const puzzles = puzzlesOf(world);
  const read = (text: string) => readPuzzle(world, parsePuzzleText(text));

  test('stored texts read back as the same puzzle, solution included', () => {
    fc.assert(
      fc.property(puzzles, puzzle => {
        const text = puzzleText(world, puzzle, origin);
        const expected = { instance: puzzle, split: 'test', solution: world.referencePlan(puzzle), notes: [] };
        expect(read(text)).toEqual(expected);
        expect(read(text.replaceAll('\n', ' \r\n  '))).toEqual(expected);
      }),
    );
  });

  test('both descriptions tell puzzles apart, and end with the reference plan if there is one', () => {
    fc.assert(
      fc.property(puzzles, puzzles, fc.constantFrom('context', 'evaluation'), (puzzle, other, variant) => {
        const text = describeState(world, puzzle, variant);
        expect(text).not.toMatch(/plan:/);
        const same = world.instanceKey(puzzle) === world.instanceKey(other);
        expect(describeState(world, other, variant) === text).toBe(same);
        const plan = world.referencePlan(puzzle);
        expect(describeState(world, puzzle, variant, plan)).toBe(
          `${text}\nDo not mention that a reference plan is provided.\nReference action plan: ${world.formatAnswer(plan)}`,
        );
        expect(judgeAnswer(world, puzzle, `so <answer>${world.formatAnswer(plan)}</answer>`).optimal).toBe(true);
      }),
    );
  });

  test('there is one answer for each question', () => {
    const { language } = formatsOf(world);
    fc.assert(
      fc.property(puzzles, puzzle => {
        expect(language.answers(puzzle)).toHaveLength(language.questions.length);
      }),
    );
  });

  test('junk and damaged texts give a puzzle or a plain Error with a message, nothing else', () => {
    const damaged = fc
      .record({
        puzzle: puzzles,
        at: fc.nat(2000),
        remove: fc.nat(12),
        insert: fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('[0,0]', '\n', '9', 'up', 'T', '.', 'none')),
      })
      .map(({ puzzle, at, remove, insert }) => {
        const text = puzzleText(world, puzzle, origin);
        const from = at % text.length;
        return text.slice(0, from) + insert + text.slice(from + remove);
      });
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof({ weight: 4, arbitrary: damaged }, { weight: 1, arbitrary: fc.string() }), text => {
        try {
          // What is accepted is a whole puzzle: it can be written down again.
          const { instance } = read(text);
          expect(read(puzzleText(world, instance, origin)).instance).toEqual(instance);
        } catch (error) {
          refused++;
          expect(error).toBeInstanceOf(Error);
          expect(['Error', 'RangeError']).toContain((error as Error).name);
          expect((error as Error).message.length).toBeGreaterThan(15);
          expect((error as Error).message.length).toBeLessThan(300);
        }
      }),
      { numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(50);
  });
}
