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

/** What each stage starts from. */
const before = { stage0: undefined, stage1: 'stage0', stage2: 'stage1', direct: 'stage0' } as const;

/** Rows that are evaluated after each stage, and what the model is shown for them. */
const rowsAfter: Readonly<Record<StageName, Partial<Readonly<Record<RowName, EvaluationInput>>>>> = {
  stage0: { symbolic: 'symbolic', base: 'image' },
  stage1: { stage1: 'image', 'stage1-symbolic': 'symbolic' },
  stage2: { mgsd: 'image', 'mgsd-symbolic': 'symbolic', 'mgsd-blank': 'blank', 'mgsd-shuffled': 'shuffled' },
  direct: { direct: 'image' },
};

/** The stage whose weights a stage starts from, if any. */
export function stageBefore(name: StageName): 'stage0' | 'stage1' | undefined {
  return before[name];
}

/** The stages that build on the weights of a stage, itself first. */
export function stagesFrom(name: StageName): StageName[] {
  const isBuiltOn = (stage: StageName | undefined): boolean =>
    stage !== undefined && (stage === name || isBuiltOn(before[stage]));
  return stageNames.filter(isBuiltOn);
}

/** The rows that are evaluated after a stage, with their inputs. */
export function plannedRows(name: StageName): [row: RowName, input: EvaluationInput][] {
  return Object.entries(rowsAfter[name]) as [RowName, EvaluationInput][];
}

/** The rows that are evaluated after a stage. */
export function evaluatedRows(name: StageName): RowName[] {
  return plannedRows(name).map(([row]) => row);
}
