import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { parseAnswer } from '../../../mgsd/exchange/answers.js';
import { describe as describeState } from '../../../mgsd/exchange/formats.js';
import { cellAt, type Action } from '../../../mgsd/worlds/grid.js';
import { createMaze } from '../../../mgsd/worlds/maze/maze.js';
import { createMiniBehaviour } from '../../../mgsd/worlds/minibehaviour/minibehaviour.js';
import { createInstance } from '../../../mgsd/worlds/minibehaviour/rules.js';
import { lakeOf, mazeOf, roomOf } from '../boards.js';
import { anyPuzzle, frozenLake } from '../random.js';
import { puzzlesOf } from '../worlds/contract.js';
import { testFormats } from './contract.js';

const variants = ['context', 'evaluation'] as const;
const actionsOf = (plan: string): readonly Action[] => parseAnswer(`<answer>${plan}</answer>`, [0, 1, 2, 3, 4, 5]);

describe('FrozenLake', () => {
  testFormats(frozenLake);
  const puzzle = lakeOf(['FHF', 'HFG', 'FSF']);

  test('the context lists its fields in order and ends with the reference plan', () => {
    const lines = describeState(frozenLake, puzzle, 'context', actionsOf('UR')).split('\n');
    const head = ['Map size: 3x3', 'Start: (2,1)', 'Goal: (1,2)', 'Holes: (0,1), (1,0)', 'FHF', 'HFG', 'FSF'];
    expect(lines.slice(0, 7)).toEqual(head);
    expect(lines.at(-1)).toBe('Reference action plan: UR');
    expect(describeState(frozenLake, puzzle, 'context')).not.toMatch(/plan:/);
    expect(describeState(frozenLake, lakeOf(['SG', 'FF']), 'context')).toMatch(/^Holes: none$/m);
  });

  test('the evaluation text names positions and joins holes by semicolons', () => {
    const text = describeState(frozenLake, puzzle, 'evaluation');
    expect(text).toMatch(/^Start position: \(2,1\)\nGoal position: \(1,2\)\nHole positions: \(0,1\); \(1,0\)\nFHF\n/m);
  });

  test('the map in both texts is the puzzle', () => {
    fc.assert(
      fc.property(anyPuzzle, fc.constantFrom(...variants), (puzzle, variant) => {
        const lines = describeState(frozenLake, puzzle, variant).split('\n');
        expect(lakeOf(lines.filter(line => /^[SFHG]{2,}$/.test(line)))).toEqual(puzzle);
      }),
    );
  });

  test('maps that are none are refused with the reason', () => {
    expect(() => lakeOf(['SF', 'FX'])).toThrow(/'X' in row 1 of the map: only S, F, H and G may stand there/);
    expect(() => lakeOf(['SG', 'F'])).toThrow(/row 1 of the map has 1 letters, not 2/);
    expect(() => lakeOf(['SF', 'FF'])).toThrow(/0 cells 'G' and needs exactly one/);
    expect(() => lakeOf(['SG', 'SF'])).toThrow(/2 cells 'S' and needs exactly one/);
  });
});

describe('Maze', () => {
  const world = createMaze();
  testFormats(world);
  const first = [
    ...['Map size: 3x3', 'Start position: (0,0)', 'Target position: (0,2)', 'Open directions of each cell:'],
    ...['(0,0): down', '(0,1): right, down', '(0,2): down, left', '(1,0): up, right, down', '(1,1): up, left'],
    ...['(1,2): up', '(2,0): up, right', '(2,1): right, left', '(2,2): left'],
  ].join('\n');

  test('the fields stand in order', () => {
    const puzzle = mazeOf(first);
    const lines = describeState(world, puzzle, 'context', actionsOf('DRUR')).split('\n');
    expect(lines.slice(0, 5)).toEqual([
      'Map size: 3x3',
      'Start: (0,0)',
      'Target: (0,2)',
      'Open directions of each cell:',
      '(0,0): down',
    ]);
    expect(lines.slice(7, 9)).toEqual(['(1,0): up, right, down', '(1,1): up, left']);
    expect(lines.slice(13, 17)).toEqual(['Wall masks, row by row:', '13 5 9', '4 10 14', '6 3 11']);
    expect(lines.at(-1)).toBe('Reference action plan: DRUR');
    expect(describeState(world, puzzle, 'evaluation')).toBe(first);
  });

  test('start, target and open directions in both texts are the puzzle', () => {
    fc.assert(
      fc.property(puzzlesOf(world), fc.constantFrom(...variants), (puzzle, variant) => {
        expect(mazeOf(describeState(world, puzzle, variant))).toEqual(puzzle);
      }),
    );
  });
});

describe('MiniBehaviour', () => {
  const world = createMiniBehaviour();
  testFormats(world);
  const rows = ['.....', '.P...', '....A', '.TTT.', '.TTT.'];
  const puzzle = roomOf(rows);

  test('the context lists its fields in order and ends with the reference plan', () => {
    expect(describeState(world, puzzle, 'context', actionsOf('L,L,L,PICK,DROP')).split('\n')).toEqual([
      'Grid size: 5x5',
      'Agent: (2,4)',
      'Printer: (1,1)',
      'Table cells: (3,1), (3,2), (3,3), (4,1), (4,2), (4,3)',
      'Printer-adjacent cells: (0,1), (1,0), (1,2), (2,1)',
      'Table-adjacent cells: (2,1), (2,2), (2,3), (3,0), (3,4), (4,0), (4,4)',
      'PICK legal now: no',
      'DROP legal now: no',
      'Legal moves now: left, down, up',
      'Legend: A = agent, P = printer, T = table, . = free floor',
      ...rows,
      expect.stringMatching(/^Hint: /),
      expect.stringMatching(/^Hint: /),
      expect.stringMatching(/^Hint: /),
      'Do not mention that a reference plan is provided.',
      'Reference action plan: L,L,L,PICK,DROP',
    ]);
  });

  test('the evaluation text has two reminders and no list of legal moves', () => {
    const text = describeState(world, puzzle, 'evaluation');
    expect(text.match(/^Reminder: /gm)).toHaveLength(2);
    expect(text).not.toMatch(/Legal moves|Hint/);
    const beside = createInstance(5, cellAt(0, 1), cellAt(1, 1), cellAt(3, 1));
    expect(describeState(world, beside, 'evaluation')).toMatch(/^PICK legal now: yes$/m);
  });

  test('adjacent cells leave out the table and the outside; the printer may stand beside the table', () => {
    const corner = createInstance(5, cellAt(4, 4), cellAt(0, 0), cellAt(0, 1));
    const text = describeState(world, corner, 'context');
    expect(text).toMatch(/^Printer-adjacent cells: \(1,0\)$/m);
    expect(text).toMatch(/^Table-adjacent cells: \(0,0\), \(0,4\), \(1,0\), \(1,4\), \(2,1\), \(2,2\), \(2,3\)$/m);
  });

  test('the grid in both texts is the puzzle', () => {
    fc.assert(
      fc.property(puzzlesOf(world), fc.constantFrom(...variants), (puzzle, variant) => {
        const lines = describeState(world, puzzle, variant).split('\n');
        expect(roomOf(lines.filter(line => /^[APT.]{2,}$/.test(line)))).toEqual(puzzle);
      }),
    );
  });

  test('grids that are none are refused with the reason', () => {
    const changed = (from: string, to: string) => () => roomOf(rows.join().replace(from, to).split(','));
    expect(changed('.P...', '.....')).toThrow(/0 cells 'P'/);
    expect(changed('.TTT.', '.TT..')).toThrow(/one table of 2 rows and 3 columns/);
    expect(changed('.P...', '.P..')).toThrow(/row 1 of the grid has 4 letters/);
    expect(() => roomOf(['A.P', 'TTT', 'TXT'])).toThrow(/'X' in row 2/);
  });
});
