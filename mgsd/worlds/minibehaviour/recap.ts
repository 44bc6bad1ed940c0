/** MiniBehaviour in tokens: size, agent, printer, and the top left cell of the table. */

import { cellIndexToken, cellOf, sizeOf, sizeToken } from '../../../models/vocabulary.js';
import { createInstance, type MiniBehaviourInstance } from './rules.js';

/** 4 tokens. */
export function recap({ size, agent, printer, table }: MiniBehaviourInstance): number[] {
  return [sizeToken(size), ...[agent, printer, table].map(cellIndexToken)];
}

/** The puzzle that a recap describes; an Error if it describes none, as what a model perceives may not fit together. */
export function readRecap(tokens: readonly number[]): MiniBehaviourInstance {
  const size = sizeOf(tokens[0] ?? -1);
  if (size < 0) throw new Error('the recap does not begin with the size of a board');
  const [agent = -1, printer = -1, table = -1, ...more] = tokens.slice(1).map(cellOf);
  if (agent < 0 || printer < 0 || table < 0 || more.length > 0)
    throw new Error('the recap must hold three cells behind the size: agent, printer, top left of the table');
  return createInstance(size, agent, printer, table);
}
