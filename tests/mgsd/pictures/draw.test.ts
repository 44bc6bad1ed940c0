import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boardPicture, boardText, enlarge, pathOf, readBoard, sideBySide } from '../../../mgsd/pictures/draw.js';
import { readPlan } from '../../../mgsd/evaluation/planner.js';
import { oracleResponse } from '../../../mgsd/method/response.js';
import { DOWN, LEFT, PICK, RIGHT, UP } from '../../../mgsd/worlds/grid.js';
import { createWorldByName, WORLD_NAMES } from '../../../mgsd/worlds/registry.js';
import type { World } from '../../../mgsd/worlds/world.js';
import { ANS, BOS, EOS, IMG, PAD } from '../../../models/vocabulary.js';
import { lakeOf, mazeOf } from '../boards.js';
import { Random } from '../../../core/index.js';
import { textToTokens } from '../tokens.js';

const lake: World = createWorldByName('frozenlake');
// S . .
// H . .
// . . G
const board = lakeOf(['SFF', 'HFF', 'FFG']);

describe('a board as text', () => {
  it('shows letters, and the way from every cell of a path', () => {
    expect(boardText(lake, board)).toEqual(['S . .', 'H . .', '. . G']);
    const path = pathOf(lake, board, [RIGHT, DOWN, RIGHT, DOWN]);
    expect(boardText(lake, board, path)).toEqual(['S v .', 'H > v', '. . G']);
  });

  it('marks where a plan fails: in the hole, or at the edge', () => {
    expect(boardText(lake, board, pathOf(lake, board, [DOWN, RIGHT]))).toEqual(['S . .', 'x . .', '. . G']);
    expect(boardText(lake, board, pathOf(lake, board, [RIGHT, UP]))).toEqual(['S x .', 'H . .', '. . G']);
  });

  it('stops at the goal', () => {
    expect(pathOf(lake, board, [RIGHT, DOWN, DOWN, RIGHT, LEFT, LEFT])).toHaveLength(4);
  });

  it('paints every letter by what it is', () => {
    const tag = (name: string) => (text: string) => `<${name}${text}>`;
    const colours = {
      start: tag('s'),
      goal: tag('g'),
      obstacle: tag('o'),
      floor: tag('f'),
      path: tag('p'),
      fatal: tag('x'),
    };
    const path = pathOf(lake, board, [RIGHT, LEFT, DOWN]);
    expect(boardText(lake, board, path, colours)).toEqual(['<sS> <p\u2190> <f.>', '<xx> <f.> <f.>', '<f.> <f.> <gG>']);
  });

  it('draws the walls of a maze', () => {
    const maze: World = createWorldByName('maze');
    const text = [
      'Map size: 3x3',
      'Start position: (0,0)',
      'Target position: (0,2)',
      '(0,0): down',
      '(0,1): right, down',
      '(0,2): down, left',
      '(1,0): up, right, down',
      '(1,1): up, left',
      '(1,2): up',
      '(2,0): up, right',
      '(2,1): right, left',
      '(2,2): left',
    ].join('\n');
    const instance = mazeOf(text);
    const expected = ['+-+-+-+', '|S|. T|', '+ + + +', '|. .|.|', '+ +-+-+', '|. . .|', '+-+-+-+'];
    expect(boardText(maze, instance)).toEqual(expected);
    expect(boardText(maze, instance, pathOf(maze, instance, [DOWN, UP, UP]))[1]).toBe('|S|. T|');
    expect(boardText(maze, instance, pathOf(maze, instance, [DOWN, RIGHT, RIGHT]))[3]).toBe('|> x|.|');
  });

  it('draws agent, printer and table of MiniBehaviour', () => {
    const room: World = createWorldByName('minibehaviour');
    const read = readBoard(room, textToTokens('size:5 (2,1) (1,2) (2,2)'));
    if ('problem' in read) throw new Error(read.problem);
    const rows = ['. . . . .', '. . P . .', '. A T T T', '. . T T T', '. . . . .'];
    expect(boardText(room, read.instance)).toEqual(rows);
    const path = pathOf(room, read.instance, [UP, PICK]);
    expect(boardText(room, read.instance, path)[1]).toBe('. p P . .');
  });
});

describe('a board that a model wrote down', () => {
  it.each(WORLD_NAMES)('%s: is the puzzle, if the model wrote the true recap', name => {
    const world: World = createWorldByName(name);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e6 }), fc.constantFrom(...world.levels), (seed, level) => {
        const instance = world.generate(new Random(seed), level);
        const plan = readPlan(world, oracleResponse(world, instance));
        expect(plan.complete).toBe(true);
        expect(world.judge(instance, plan.actions).optimal).toBe(true);
        const read = readBoard(world, plan.recap);
        expect('instance' in read && world.instanceKey(read.instance)).toBe(world.instanceKey(instance));
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ['', 'does not begin with the size'],
    ['(0,0) size:3', 'does not begin with the size'],
    ['size:3 (0,0)', 'are not all cells'],
    ['size:3 (0,0) (0,0)', 'must be different cells'],
    ['size:3 (0,0) (3,0)', 'not on a FrozenLake board'],
    ['size:3 (0,0) none', 'are not all cells'],
  ])('says what is wrong with "%s"', (text, problem) => {
    const read = readBoard(lake, textToTokens(text));
    expect('problem' in read ? read.problem : 'nothing').toContain(problem);
  });

  it('never throws, whatever the tokens are', () => {
    const tokens = fc.array(fc.integer({ min: 0, max: 127 }), { maxLength: 80 });
    fc.assert(
      fc.property(tokens, fc.constantFrom(...WORLD_NAMES), (ids, name) => {
        const world: World = createWorldByName(name);
        const plan = readPlan(world, ids);
        const read = readBoard(world, plan.recap);
        if ('instance' in read) boardText(world, read.instance, pathOf(world, read.instance, plan.actions));
      }),
      { numRuns: 500 },
    );
  });
});

describe('what can be read of a response', () => {
  const read = (text: string) => {
    const { answer, complete, recapText } = readPlan(lake, textToTokens(text));
    return { answer, complete, recapText };
  };
  it.each([
    ['size:3 (0,0) ANS R (0,1) D (1,1) EOS', 'RD', true],
    ['size:3 (0,0) ANS R (0,1) D (1,1)', 'RD', false], // no end
    ['size:3 (0,0) ANS R D (1,1) EOS', 'R', false], // a cell is missing
    ['size:3 (0,0) ANS R (0,1) ANS EOS', 'R', false],
    ['size:3 (0,0) ANS EOS', '', true],
    ['size:3 (0,0) ANS', '', false],
    ['size:3 (0,0) EOS', '', false], // no answer at all
  ])('%s', (text, answer, complete) => {
    expect(read(text)).toEqual({ answer, complete, recapText: 'size:3 (0,0)' });
  });

  it('keeps special tokens out of the plan', () => {
    expect(readPlan(lake, [PAD, IMG, BOS, ANS, EOS]).actions).toEqual([]);
  });
});

describe('a board as a picture', () => {
  it('is the world`s own picture with the path over it', () => {
    const plain = boardPicture(lake, board, [], 192);
    expect(plain.data).toEqual(lake.render(board, 192));
    const drawn = boardPicture(lake, board, pathOf(lake, board, [RIGHT, DOWN, DOWN, RIGHT]), 192);
    const at = (x: number, y: number) => [...drawn.data.subarray((y * 192 + x) * 3, (y * 192 + x) * 3 + 3)];
    expect(at(96, 64)).toEqual([240, 120, 20]); // between the second cells of the first two rows
    expect(at(160, 32)).toEqual([...plain.data.subarray((32 * 192 + 160) * 3, (32 * 192 + 160) * 3 + 3)]); // untouched
  });

  it('crosses out where the plan fails', () => {
    const drawn = boardPicture(lake, board, pathOf(lake, board, [DOWN]), 192);
    expect([...drawn.data.subarray((96 * 192 + 32) * 3, (96 * 192 + 32) * 3 + 3)]).toEqual([220, 20, 40]);
  });

  it('is enlarged without smoothing, and put beside another', () => {
    const image = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    const large = enlarge(image, 2);
    expect([large.width, large.height]).toEqual([4, 2]);
    expect([...large.data.subarray(12)]).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
    const both = sideBySide([image, large], 1);
    expect([both.width, both.height]).toEqual([7, 2]);
    expect([...both.data.subarray(0, 12)]).toEqual([1, 2, 3, 4, 5, 6, 255, 255, 255, 1, 2, 3]);
  });
});
