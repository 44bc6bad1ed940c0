/** FrozenLake as a stored sample: the map, and where start and goal are. */

import { cellPair, type SampleFormat } from '../stored-sample.js';
import type { FrozenLakeOptions } from './options.js';
import type { FrozenLakeInstance } from './rules.js';
import { mapRows, parseMap } from './text.js';

export function sampleFormat({ frozenProbability }: FrozenLakeOptions): SampleFormat<FrozenLakeInstance> {
  return {
    block: 'map',
    fields({ start, goal }) {
      const [startRow, startCol] = cellPair(start);
      const [goalRow, goalCol] = cellPair(goal);
      return [
        ['frozen_probability', JSON.stringify(frozenProbability)],
        ['is_slippery', false],
        ['start_row', startRow],
        ['start_col', startCol],
        ['goal_row', goalRow],
        ['goal_col', goalCol],
      ];
    },
    rows: mapRows,
    read(rows, fields) {
      if (rows.length === 0) throw new Error("the map is missing: a line 'map:' and its rows of S, F, H and G");
      if (/^(true|1)$/i.test(fields.text('is_slippery') ?? ''))
        throw new Error('is_slippery=true: only lakes that are not slippery have plans');
      const instance = parseMap(rows);
      fields.checkCell('start', instance.start);
      fields.checkCell('goal', instance.goal);
      return instance;
    },
  };
}
