/**
 * Rows of the tuning table that were measured, written by `npm run bench:tune`; those of other adapters stay as they
 * are.
 */
import type { TuningRow } from './tuning.js';

export const measuredRows: readonly TuningRow[] = [];
