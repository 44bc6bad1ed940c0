/** `mgsd-lite data`: puzzles as files, verdicts on answers to them, and a look at what training draws. */
import { defineGroup } from '../command.js';
import { checkCommand } from './check.js';
import { generateCommand } from './generate.js';
import { judgeCommand } from './judge.js';
import { showCommand } from './show.js';
import { statsCommand } from './stats.js';

export const dataCommand = defineGroup(
  {
    name: 'data',
    summary: 'puzzles: write them to files, check such files, look at one, count',
    description: 'Puzzles as training draws them. Training and test puzzles share no layout.',
  },
  [generateCommand, checkCommand, judgeCommand, showCommand, statsCommand],
);
