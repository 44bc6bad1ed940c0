/** What the stages of a run did, in a few sentences: for the terminal, the report and programs. */
import type { Estimate } from './intervals.js';
import type { RowName, TableRow } from './table.js';

/** Fewer layouts than this say little about others. */
const fewLayouts = 20;

const percent = ({ value }: Estimate) => `${(100 * value).toFixed(0)} %`;

/** Whether `a` lies above `b` and the two intervals do not touch. */
const clearlyAbove = (a: Estimate, b: Estimate) => a.low > b.high;

/**
 * What each stage did, computed from the rows that there are: nothing is claimed that the intervals do not carry.
 * @returns at most one sentence per stage, and one about whether the model looks at its image
 */
export function stageSentences(rows: readonly TableRow[]): string[] {
  const row = (name: RowName) => rows.find(found => found.name === name);
  const [symbolic, base, stage1, mgsd, direct] = (['symbolic', 'base', 'stage1', 'mgsd', 'direct'] as const).map(row);
  const sentences: string[] = [];
  if (symbolic)
    sentences.push(
      `Stage 0 made a planner that solves ${percent(symbolic.success)} of unseen puzzles from symbols` +
        (base ? `; shown an image instead, it solves ${percent(base.success)}.` : '.'),
    );
  if (stage1)
    sentences.push(
      `Stage 1 taught it to write down ${percent(stage1.recapExact)} of the boards it sees, and to plan on ${percent(stage1.success)}.`,
    );
  if (mgsd) sentences.push(aboutDistillation(mgsd, stage1));
  const fakes = [row('mgsd-blank'), row('mgsd-shuffled')].filter(found => found !== undefined);
  if (mgsd && fakes.length > 0) {
    const figures = fakes.map(
      ({ name, success }) => `${name === 'mgsd-blank' ? 'a blank' : 'a wrong'} image ${percent(success)}`,
    );
    sentences.push(
      fakes.every(({ success }) => clearlyAbove(mgsd.success, success))
        ? `It looks at its image: with ${figures.join(', with ')}.`
        : `It does not depend on its image (with ${figures.join(', with ')}), so it has not learnt to see.`,
    );
  }
  if (direct && mgsd)
    sentences.push(
      `Direct supervision with plan labels on images reaches ${percent(direct.success)}, which is ${compare(direct.success, mgsd.success)} MGSD without any.`,
    );
  const few = Object.entries(rows[0]?.byTaskLevel ?? {}).filter(([, { layouts }]) => layouts < fewLayouts);
  if (few.length > 0)
    sentences.push(
      `Figures of single boards are weak evidence where few layouts were left for the test: ${few.map(([name, { layouts }]) => `${name} has ${layouts}`).join(', ')}.`,
    );
  return sentences;
}

function aboutDistillation(mgsd: TableRow, stage1: TableRow | undefined): string {
  const gap = mgsd.gapClosed ? `, which closes ${percent(mgsd.gapClosed)} of the gap between image and symbols` : '';
  if (!stage1) return `After stage 2 it solves ${percent(mgsd.success)} of unseen puzzles from their image${gap}.`;
  if (clearlyAbove(mgsd.success, stage1.success))
    return `Stage 2 taught it to plan from what it sees: ${percent(stage1.success)} became ${percent(mgsd.success)}${gap}.`;
  return `Stage 2 brought no gain beyond the intervals (${percent(stage1.success)} before, ${percent(mgsd.success)} after).`;
}

function compare(a: Estimate, b: Estimate): string {
  if (clearlyAbove(a, b)) return 'better than';
  return clearlyAbove(b, a) ? 'worse than' : 'no different, within the intervals, from';
}
