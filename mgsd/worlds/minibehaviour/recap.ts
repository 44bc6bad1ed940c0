/** MiniBehaviour in tokens: the recap is size, agent, printer, and the top left cell of the table. */

import { actionToken, cellIndexToken, cellOf, sizeOf, sizeToken } from '../../../models/vocabulary.js';
import type { Question } from '../world.js';
import {
  besidePrinter,
  besideTable,
  createInstance,
  legalMoves,
  tableCells,
  type MiniBehaviourInstance,
} from './rules.js';

/** 4 tokens. */
export function recap({ size, agent, printer, table }: MiniBehaviourInstance): number[] {
  return [sizeToken(size), ...[agent, printer, table].map(cellIndexToken)];
}

/** The puzzle that a recap describes; an Error if there is none: what a model perceives may not fit together. */
export function readRecap(tokens: readonly number[]): MiniBehaviourInstance {
  const size = sizeOf(tokens[0] ?? -1);
  if (size < 0) throw new Error('the recap does not begin with the size of a board');
  const [agent = -1, printer = -1, table = -1, ...more] = tokens.slice(1).map(cellOf);
  if (agent < 0 || printer < 0 || table < 0 || more.length > 0)
    throw new Error('the recap must hold three cells after the size: agent, printer, top left of the table');
  return createInstance(size, agent, printer, table);
}

/** The perception questions: size, what stands where, what is beside it, and the agent's legal moves. */
export function questions(instance: MiniBehaviourInstance): Question[] {
  const { size, agent, printer, table } = instance;
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
    { name: 'legal moves', kind: 'list', answer: legalMoves(instance).map(actionToken) },
  ];
}
