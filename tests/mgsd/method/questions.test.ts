import { describe, expect, it } from 'vitest';
import { Random } from '../../../core/index.js';
import { BOS, EOS, NONE, cellIndexToken, questionToken, tokensToText } from '../../../models/vocabulary.js';
import { judgeAnswers, maximumQuestionLength, questionResponse } from '../../../mgsd/method/questions.js';
import { questionExample } from '../../../mgsd/method/targets.js';
import { createFrozenLake } from '../../../mgsd/worlds/frozenlake/frozenlake.js';
import { createMaze } from '../../../mgsd/worlds/maze/maze.js';
import { createMiniBehaviour } from '../../../mgsd/worlds/minibehaviour/minibehaviour.js';
import { WORLD_NAMES, createWorldByName } from '../../../mgsd/worlds/registry.js';
import { mazeOf } from '../boards.js';
import { createDelivery } from '../worlds/delivery-world.js';

const lake = createFrozenLake();
const board = { size: 3, start: 0, goal: 18, holes: [1, 10] };

describe('the perception questions', () => {
  it('are answered for FrozenLake by size, player, goal and holes', () => {
    expect(tokensToText(questionResponse(lake, board))).toBe('Q1 size:3 Q2 (0,0) Q3 (2,2) Q4 (0,1) (1,2) EOS');
    expect(tokensToText(questionResponse(lake, { ...board, holes: [] }))).toBe(
      'Q1 size:3 Q2 (0,0) Q3 (2,2) Q4 none EOS',
    );
  });

  it('are answered for Maze with a table of open directions and the legal moves', () => {
    // the first test vector of the paper's case files: DRUR
    const text = `Map size: 3x3\nStart: (0,0)\nTarget: (0,2)\n(0,0): down\n(0,1): right, down\n(0,2): down, left
(1,0): up, right, down\n(1,1): up, left\n(1,2): up\n(2,0): up, right\n(2,1): right, left\n(2,2): left`;
    const maze = createMaze();
    const puzzle = mazeOf(text);
    expect(tokensToText(questionResponse(maze, puzzle))).toBe(
      'Q1 size:3 Q2 (0,0) Q3 (0,2) Q4 (0,0) open:S (0,1) open:SE (0,2) open:SW (1,0) open:NSE (1,1) open:NW (1,2) open:N ' +
        '(2,0) open:NE (2,1) open:WE (2,2) open:W Q5 D EOS',
    );
  });

  it('are answered for MiniBehaviour with everything that lies beside something', () => {
    // agent (2,1), printer (1,2), table rows 2-3, columns 2-4
    const puzzle = { size: 5, agent: 17, printer: 10, table: 18 };
    expect(tokensToText(questionResponse(createMiniBehaviour(), puzzle))).toBe(
      'Q1 size:5 Q2 (2,1) Q3 (1,2) Q4 (2,2) (2,3) (2,4) (3,2) (3,3) (3,4) Q5 (0,2) (1,1) (1,3) ' +
        'Q6 (1,2) (1,3) (1,4) (2,1) (3,1) (4,2) (4,3) (4,4) Q7 L D U EOS',
    );
  });

  it('have right answers that are judged right, and fit their limit, on every board', () => {
    for (const name of WORLD_NAMES) {
      const world = createWorldByName(name);
      if (!world.questions) continue;
      for (const level of world.levels) {
        const random = new Random(7, 0, level);
        for (let i = 0; i < 20; i++) {
          const instance = world.generate(random, level);
          const tokens = questionResponse(world, instance);
          expect(judgeAnswers(world, instance, tokens).every(Boolean)).toBe(true);
          expect(tokens.length).toBeLessThanOrEqual(maximumQuestionLength(level));
        }
      }
    }
  });

  it('are learnt from BOS to EOS', () => {
    const { inputs, targets } = questionExample({ world: lake, instance: board });
    expect([...inputs.slice(0, 2)]).toEqual([BOS, questionToken(1)]);
    expect(targets.flat()).toEqual([...inputs.slice(1), EOS]);
  });

  it('are refused for a world that has none', () => {
    const world = createDelivery();
    expect(() => questionResponse(world, world.generate(new Random(1), 3))).toThrow(/no perception questions.*stage1/);
  });
});

describe('judgeAnswers', () => {
  const right = questionResponse(lake, board);
  const judged = (tokens: number[]) => judgeAnswers(lake, board, tokens);

  it('takes lists as sets, and wants each entry once', () => {
    const [a, b] = [cellIndexToken(1), cellIndexToken(10)];
    const withHoles = (...holes: number[]) => [...right.slice(0, 7), ...holes, EOS];
    expect(judged(withHoles(b, a))).toEqual([true, true, true, true]);
    for (const holes of [[a], [a, b, b], [a, b, cellIndexToken(16)], [NONE], []])
      expect(judged(withHoles(...holes))).toEqual([true, true, true, false]);
  });

  it('calls an unanswered question wrong, even one whose answer is an empty list', () => {
    const empty = { ...board, holes: [] };
    expect(judgeAnswers(lake, empty, [...questionResponse(lake, empty).slice(0, 6), EOS])[3]).toBe(false);
    expect(judged([EOS])).toEqual([false, false, false, false]);
    expect(judged([...right.slice(2)])).toEqual([false, true, true, true]);
  });

  it('reads a table by its cells, in any order', () => {
    const maze = createMaze();
    const puzzle = maze.generate(new Random(3), 3);
    const tokens = questionResponse(maze, puzzle);
    const swapped = [...tokens];
    [swapped[7], swapped[8], swapped[9], swapped[10]] = [tokens[9]!, tokens[10]!, tokens[7]!, tokens[8]!];
    expect(judgeAnswers(maze, puzzle, swapped).every(Boolean)).toBe(true);
    const shifted = [...tokens];
    [shifted[7], shifted[8]] = [tokens[8]!, tokens[7]!];
    expect(judgeAnswers(maze, puzzle, shifted)[3]).toBe(false);
  });
});
