/** Which stages a run has, what each starts from, and what is evaluated after it. */
import type { RunConfig } from '../method/config.js';
import type { EvaluationInput } from '../evaluation/evaluate.js';
import type { StageName } from '../method/stages/stage.js';
import type { RowName } from '../evaluation/table.js';

/** Stages in the order of a run; a run folder is opened with them. */
export const stageNames: readonly StageName[] = ['stage0', 'stage1', 'stage2', 'direct'];

/** The stages of a run with this configuration, in their order. */
export function stagesOf({ stages = ['stage0', 'stage1', 'stage2'] }: RunConfig): StageName[] {
  return stageNames.filter(name => stages.includes(name));
}

/** A row of the table, and what the model is given for it. */
export type PlannedRow = readonly [row: RowName, input: EvaluationInput];

/** What each stage starts from, and the rows that are evaluated after it. */
const plan: Readonly<Record<StageName, { after: 'stage0' | 'stage1' | undefined; rows: readonly PlannedRow[] }>> = {
  stage0: { after: undefined, rows: [['symbolic', 'symbolic'], ['base', 'image']] }, // prettier-ignore
  stage1: { after: 'stage0', rows: [['stage1', 'image'], ['stage1-symbolic', 'symbolic']] }, // prettier-ignore
  stage2: {
    after: 'stage1',
    rows: [['mgsd', 'image'], ['mgsd-symbolic', 'symbolic'], ['mgsd-blank', 'blank'], ['mgsd-shuffled', 'shuffled']], // prettier-ignore
  },
  direct: { after: 'stage0', rows: [['direct', 'image']] },
};

/** The stage whose weights a stage starts from, if any. */
export function stageBefore(name: StageName): 'stage0' | 'stage1' | undefined {
  return plan[name].after;
}

/** The rows that are evaluated after a stage. */
export function evaluatedRows(name: StageName): RowName[] {
  return plan[name].rows.map(([row]) => row);
}

/** `evaluatedRows` with their inputs. */
export function plannedRows(name: StageName): readonly PlannedRow[] {
  return plan[name].rows;
}
