import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ANS, EOS, VOCABULARY_SIZE, tokensToText } from '../../../models/vocabulary.js';
import * as trace from '../../../mgsd/method/response.js';
import { DROP, PICK, type Action } from '../../../mgsd/worlds/grid.js';
import type { World, WorldInstance } from '../../../mgsd/worlds/world.js';
import { lakeOf } from '../boards.js';
import { anyPuzzle, frozenLake, testRandom } from '../random.js';
import { createDelivery } from '../worlds/delivery-world.js';
import { textToTokens } from '../tokens.js';

const delivery = createDelivery();
const puzzle = lakeOf(['SFF', 'FHF', 'FFG']);
const RECAP = 'size:3 (0,0) (2,2) (1,1)';

const parse = (text: string): trace.ParsedResponse => trace.parseResponse(frozenLake, puzzle, textToTokens(text));
const sound = (text: string): string => parse(text).walk.sound.join('');

/** Oracle responses of a world parse to exact recaps and optimal plans, and fit the limits. */
function checkOracle<I extends WorldInstance>(world: World<I>, instance: I): void {
  const tokens = trace.oracleResponse(world, instance);
  const parsed = trace.parseResponse(world, instance, tokens);
  expect(parsed).toMatchObject({ recapExact: true, cellsExact: true, endOfSequence: true, fatalIndex: -1 });
  expect(parsed.grammar.ok).toBe(true);
  expect(parsed.verdict).toMatchObject({ success: true, optimal: true, reason: 'goal' });
  expect(parsed.walk.sound.every(value => value === 1)).toBe(true);
  parsed.walk.targets.forEach((set, t) => expect(set).toContain(tokens[t]));
  const limit = trace.maximumResponseLength(world, instance.size);
  expect(tokens.length).toBeLessThanOrEqual(limit);
  expect(() => trace.assertOracleFits(world, instance, limit)).not.toThrow();
  expect(() => trace.assertOracleFits(world, instance, tokens.length - 1)).toThrow(/needs \d+ tokens/);
}

describe('prompts', () => {
  test('symbolic, image and privileged prompts', () => {
    expect(tokensToText(trace.symbolicPrompt(frozenLake, puzzle))).toBe(`task:frozenlake mode:plan ${RECAP}`);
    expect(tokensToText(trace.symbolicPrompt(frozenLake, puzzle, 'perceive', [2, 1]))).toBe(
      `task:frozenlake mode:perceive ${RECAP} PLAN R D`,
    );
    expect(tokensToText(trace.imagePrompt(frozenLake, 3))).toBe('task:frozenlake mode:plan IMG IMG IMG');
    expect(trace.maximumPromptLength(frozenLake, 5)).toBe(2 + 15);
    expect(trace.maximumPromptLength(frozenLake, 5, true)).toBe(2 + 15 + 1 + 16);
  });
});

describe('oracle responses', () => {
  test('are written as documented', () => {
    expect(tokensToText(trace.oracleResponse(frozenLake, puzzle))).toBe(
      `${RECAP} ANS D (1,0) D (2,0) R (2,1) R (2,2) EOS`,
    );
  });

  test('of FrozenLake parse to exact recaps and optimal plans within the limits', () => {
    fc.assert(fc.property(anyPuzzle, instance => checkOracle(frozenLake, instance)));
  });

  test('of a world with PICK, DROP and masks do so too; the cell after PICK is the unchanged cell', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(3, 4), (seed, level) => {
        const instance = delivery.generate(testRandom(seed), level);
        checkOracle(delivery, instance);
        const { actions, cells } = trace.parseResponse(delivery, instance, trace.oracleResponse(delivery, instance));
        expect(actions.filter(action => action >= PICK)).toEqual([PICK, DROP]);
        const at = actions.indexOf(PICK);
        expect(cells[at]).toBe(at === 0 ? delivery.cellAfter(instance, instance.agent) : cells[at - 1]);
      }),
    );
  });
});

describe('reading responses', () => {
  test('a plan with everything right', () => {
    const parsed = parse(`${RECAP} ANS R (0,1) R (0,2) D (1,2) D (2,2) EOS`);
    expect(parsed).toMatchObject({ recapExact: true, cellsExact: true, endOfSequence: true });
    expect(parsed.actions).toEqual([2, 2, 1, 1]);
    expect(parsed.verdict).toMatchObject({ success: true, optimal: true, length: 4 });
  });

  test.each([
    ['no end of sequence', `${RECAP} ANS R (0,1) R (0,2) D (1,2) D (2,2)`, { success: false, reason: 'no-end' }],
    ['cut in the recap', 'size:3 (0,0)', { success: false, reason: 'no-end' }],
    ['nothing at all', '', { success: false, reason: 'no-end' }],
    ['no answer', `${RECAP} EOS`, { success: false, reason: 'grammar' }],
    ['empty plan', `${RECAP} ANS EOS`, { success: false, parsed: false, reason: 'unparsed' }],
    ['cell missing', `${RECAP} ANS R R (0,1) EOS`, { success: false, reason: 'grammar' }],
    ['ends in a cell', `${RECAP} ANS R EOS`, { success: false, reason: 'grammar' }],
    ['action of another world', `${RECAP} ANS PICK (0,0) EOS`, { success: false, reason: 'grammar' }],
    ['recap too long', `${RECAP}${' (0,0)'.repeat(7)} ANS EOS`, { success: false, reason: 'grammar' }],
    ['hole', `${RECAP} ANS R (0,1) D (1,1) R (1,2) D (2,2) EOS`, { success: false, reason: 'hole', steps: 2 }],
    ['off the board', `${RECAP} ANS U (0,0) EOS`, { success: false, reason: 'off-board' }],
    ['stops short', `${RECAP} ANS R (0,1) EOS`, { success: false, reason: 'unfinished' }],
    [
      'actions after the goal keep success, not optimality',
      `${RECAP} ANS R (0,1) R (0,2) D (1,2) D (2,2) U (2,2) EOS`,
      { success: true, optimal: false, length: 5, reason: 'goal' },
    ],
    [
      'a wrong cell alone does not fail the plan',
      `${RECAP} ANS R (2,0) R (0,2) D (1,2) D (2,2) EOS`,
      { success: true, optimal: true, reason: 'goal' },
    ],
    [
      'nothing after EOS is read',
      `${RECAP} ANS R (0,1) R (0,2) D (1,2) D (2,2) EOS U BOS`,
      { success: true, optimal: true, length: 4 },
    ],
  ])('%s', (_, text, verdict) => {
    expect(parse(text).verdict).toMatchObject(verdict);
  });

  test('a wrong recap is told from the true one', () => {
    expect(parse('size:3 (0,0) (2,2) ANS EOS').recapExact).toBe(false);
    expect(parse('size:3 (0,0) (2,2) (1,2) ANS EOS').recapExact).toBe(false);
    expect(parse(RECAP).recapExact).toBe(false); // not closed
  });

  test('a grammar break says where and what', () => {
    const { grammar } = parse(`${RECAP} ANS R size:3 EOS`);
    expect(grammar).toEqual({ ok: false, position: 6, reason: 'size:3 in the place of a cell' });
  });

  test('junk never throws, never succeeds without EOS, and stays within 1 to 6 targets', () => {
    const token = fc.oneof(fc.integer({ min: 0, max: VOCABULARY_SIZE - 1 }), fc.constantFrom(ANS, EOS, 28, 29, 30, 31));
    const odd = fc.oneof(
      { weight: 50, arbitrary: token },
      { weight: 1, arbitrary: fc.constantFrom(-1, 999, NaN, 0.5) },
    );
    fc.assert(
      fc.property(anyPuzzle, fc.array(odd, { maxLength: 60 }), (instance, tokens) => {
        const answer = [...trace.oracleResponse(frozenLake, instance).slice(0, 6), ...tokens];
        for (const response of [tokens, answer]) {
          const parsed = trace.parseResponse(frozenLake, instance, response);
          if (!response.includes(EOS)) expect(parsed.verdict.success).toBe(false);
          for (const set of parsed.walk.targets) {
            expect(set.length).toBeGreaterThanOrEqual(1);
            expect(set.length).toBeLessThanOrEqual(trace.MAXIMUM_TARGETS);
          }
          // Soundness is lost once and for all.
          expect(parsed.walk.sound.join('')).toMatch(/^1*0*$/);
        }
      }),
    );
  });
});

describe('the oracle at every position, and the mask', () => {
  const targets = (text: string): string[] => parse(text).walk.targets.map(set => tokensToText(set));

  test('in the recap the true token by its number, whatever stands before; then ANS', () => {
    expect(targets('size:5 (0,1) (2,2) (1,1) (3,3) ANS R')).toEqual([
      ...['size:3', '(0,0)', '(2,2)', '(1,1)', 'ANS', 'ANS', 'D R'],
    ]);
  });

  test('actions from the state reached, cells as they are, EOS at the goal', () => {
    expect(targets(`${RECAP} ANS R (0,1) L (0,0) D (1,0) D (2,0) R (2,1) R (2,2) EOS`).slice(5)).toEqual([
      ...['D R', '(0,1)', 'R', '(0,0)', 'D R', '(1,0)', 'D', '(2,0)', 'R', '(2,1)', 'R', '(2,2)', 'EOS'],
    ]);
  });

  test('a fatal action leaves the state as it was', () => {
    expect(targets(`${RECAP} ANS R (0,1) D (1,1) R (0,2) D`).slice(5)).toEqual([
      ...['D R', '(0,1)', 'R', '(0,1)', 'R', '(0,2)', 'D'],
    ]);
  });

  test('spans name what is due', () => {
    expect(parse(`${RECAP} ANS R (0,1) R (0,2) EOS`).walk.spans.join('')).toBe('1111123232');
  });

  test.each([
    ['all sound', `${RECAP} ANS R (0,1) R (0,2) D (1,2) D (2,2) EOS`, '11111111111111'],
    ['after the fatal action', `${RECAP} ANS R (0,1) D (1,1) R`, '1111111' + '1' + '00'],
    ['after the first wrong cell', `${RECAP} ANS R (0,2) R (0,2)`, '1111111' + '00'],
    ['after a grammar break', `${RECAP} ANS R D R`, '1111111' + '0'],
    ['a break in the recap', `size:3 BOS (0,0) ANS`, '1100'],
    ['one token after arrival', `${RECAP} ANS R (0,1) R (0,2) D (1,2) D (2,2) U (2,2) EOS`, '11111111111111' + '00'],
    ['a wrong recap is not masked', `size:4 (0,1) ANS R (0,1)`, '11111'],
    ['after EOS', `${RECAP} ANS EOS R (0,1)`, '11111100'],
  ])('%s', (_, text, expected) => {
    expect(sound(text)).toBe(expected);
    expect(trace.responseMask(parse(text).walk).join('')).toBe(expected);
  });

  test('the reference behaviour masks only what follows EOS', () => {
    const mask = (text: string): string => trace.responseMask(parse(text).walk, false).join('');
    expect(mask(`${RECAP} ANS R (0,1) D (1,1) EOS R`)).toBe('1111111111' + '0');
    expect(mask(`${RECAP} ANS R D R`)).toBe('11111111');
  });

  test('targets after any legal or illegal walk lead to the goal', () => {
    fc.assert(
      fc.property(anyPuzzle, fc.array(fc.constantFrom<Action>(0, 1, 2, 3), { maxLength: 8 }), (instance, walk) => {
        const tokens = trace.oracleResponse(frozenLake, instance, walk).slice(0, -1);
        for (let i = 0; i < 80; i++) {
          const { targets } = trace.walkResponse(frozenLake, instance, [...tokens, EOS]);
          const next = targets.at(-1)!.at(-1)!;
          tokens.push(next);
          if (next === EOS) break;
        }
        const { walk: read } = trace.parseResponse(frozenLake, instance, tokens);
        expect(read.arrivalIndex).toBeGreaterThan(0);
        expect(tokens.at(-1)).toBe(EOS);
      }),
    );
  });
});
