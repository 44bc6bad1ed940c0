/** The perception questions about a MiniBehaviour image: size, what stands where, what is beside it, and where the agent can go. */

import { actionToken, cellIndexToken, sizeToken } from '../../../models/vocabulary.js';
import { MOVES } from '../grid.js';
import type { Question } from '../world.js';
import { besidePrinter, besideTable, step, tableCells, type MiniBehaviourInstance } from './rules.js';

export function questions(instance: MiniBehaviourInstance): Question[] {
  const { size, agent, printer, table } = instance;
  const moves = MOVES.filter(move => step(instance, agent, move).verdict !== 'fatal');
  const cells = (name: string, list: readonly number[]): Question => ({
    name,
    kind: 'list',
    answer: list.map(cellIndexToken),
  });
  return [
    { name: 'size', kind: 'one', answer: [sizeToken(size)] },
    { name: 'agent', kind: 'one', answer: [cellIndexToken(agent)] },
    { name: 'printer', kind: 'one', answer: [cellIndexToken(printer)] },
    cells('table', tableCells(table)),
    cells('beside the printer', besidePrinter(instance)),
    cells('beside the table', besideTable(instance)),
    { name: 'legal moves', kind: 'list', answer: moves.map(actionToken) },
  ];
}
