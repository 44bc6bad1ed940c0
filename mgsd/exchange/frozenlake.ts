/** FrozenLake for others: its map as text and file, and prompts. */

import { cellText } from '../worlds/grid.js';
import { parseFrozenLakeOptions } from '../worlds/frozenlake/generator.js';
import { createInstance, mapRows, type FrozenLakeInstance } from '../worlds/frozenlake/rules.js';
import type { FileFormat, TextVariant, WorldFormats, WorldLanguage } from './formats.js';
import { cellFields, cellsByLetter, onlyCell } from './puzzle-fields.js';

function describe(instance: FrozenLakeInstance, variant: TextVariant): string[] {
  const { size, start, goal } = instance;
  const holes = (separator: string) => instance.holes.map(cellText).join(separator) || 'none';
  if (variant === 'context')
    return [
      `Map size: ${size}x${size}`,
      `Start: ${cellText(start)}`,
      `Goal: ${cellText(goal)}`,
      `Holes: ${holes(', ')}`,
      ...mapRows(instance),
      'Hint: cells are (row, column), both counted from 0 at the top left; S start, G goal, H hole, F frozen.',
      'Hint: stepping into a hole or off the map fails; any frozen cell is safe.',
    ];
  return [
    `Map size: ${size}x${size}`,
    'Legend: S = start, G = goal, H = hole, F = frozen and safe',
    `Start position: ${cellText(start)}`,
    `Goal position: ${cellText(goal)}`,
    `Hole positions: ${holes('; ')}`,
    ...mapRows(instance),
  ];
}

const file: FileFormat<FrozenLakeInstance> = {
  block: 'map',
  fields: ({ start, goal }, _, options) => ({
    frozen_probability: parseFrozenLakeOptions(options).frozenProbability,
    is_slippery: false,
    ...cellFields('start', start),
    ...cellFields('goal', goal),
  }),
  rows: mapRows,
  read(rows, fields) {
    if (rows.length === 0) throw new Error("the map is missing: a line 'map:' and its rows of S, F, H and G");
    if (fields.isTrue('is_slippery')) throw new Error('is_slippery=true: only lakes that are not slippery have plans');
    const cells = cellsByLetter('map', rows, 'SFHG');
    const [start, goal] = ['S', 'G'].map(letter => onlyCell('map', cells(letter), letter)) as [number, number];
    const instance = createInstance(rows.length, start, goal, cells('H'));
    fields.checkCell('start', start);
    fields.checkCell('goal', goal);
    return instance;
  },
};

const language: WorldLanguage<FrozenLakeInstance> = {
  legends: {
    training:
      'The image shows a FrozenLake board: pale ice cells, dark blue holes, the player in green on a stool at the start, ' +
      'and a red gift box with a yellow ribbon at the goal.',
    'held-out':
      'The image shows a FrozenLake board: pale snow cells, dark blue holes with jagged edges, a green flag at the start, ' +
      'and a red lantern at the goal.',
    other: 'The image shows a FrozenLake board: cells of ice, holes, the player at the start, and the goal.',
  },
  rules: [
    'Cells are (row, column), both counted from 0 at the top left.',
    'Move one cell at a time: L left, D down, R right, U up. The ice is not slippery.',
    'Stepping into a hole or off the board fails; reaching the goal succeeds.',
  ],
  restate: 'the map size, the start, the goal, and every hole (or none)',
  answerRule: 'the letters of the moves, run together, as in UUR',
  example: [
    'Map size: 4x4. Start: (3,1). Goal: (1,2). Holes: (0,0), (2,3).',
    'Going up twice through (2,1) to (1,1) and then right to (1,2) meets no hole.',
    '<answer>UUR</answer>',
  ].join('\n'),
  contextFields: 'the map size, the start, the goal, the holes, the map row by row (S start, G goal, H hole, F frozen)',
  questions: [
    'What is the size of the map, written as AxB?',
    'In which cell is the player, written as (row,col)?',
    'In which cell is the goal, written as (row,col)?',
    'Which cells are holes? List all of them as (row,col), or write none.',
  ],
  answers: ({ size, start, goal, holes }) => [
    `${size}x${size}`,
    cellText(start),
    cellText(goal),
    holes.map(cellText).join(', ') || 'none',
  ],
};

export const frozenLake: WorldFormats<FrozenLakeInstance> = { describe, file, language };
