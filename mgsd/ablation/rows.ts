/**
 * The rows of the ablation table: what each changes about a run, and which evaluation it shows. Every row sees as many
 * images in stages 1 and 2 together as the method does, and starts from the same stage 0.
 */
import { resolveConfig } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import { noGate } from '../method/presets.js';
import type { StageName } from '../method/stages/stage.js';
import type { RowName } from '../evaluation/table.js';

type Change = (config: RunConfig, images: number) => object;

export interface AblationRow {
  readonly title: string;
  /** Stages that its run must have finished. */
  readonly stages: readonly StageName[];
  readonly evaluation: RowName;
  /** What its run changes; rows of the method's own run have none. `images` is what that run uses in stages 1 and 2. */
  readonly change?: Change;
  /** The change depends on `images`, which is known once the method's own run has finished stage 2. */
  readonly needsBudget?: boolean;
}

const all: readonly StageName[] = ['stage0', 'stage1', 'stage2'];

/** A row that differs from the method in stage 2, and in `others`. */
const variant = (title: string, stage2: object, others: object = {}): AblationRow => {
  return { title, stages: all, evaluation: 'mgsd', change: () => ({ stage2, ...others }) };
};

/** A row whose run spends the images of stages 1 and 2 in another way. */
const budgeted = (evaluation: RowName, title: string, stages: AblationRow['stages'], change: Change): AblationRow => {
  return { title, stages, evaluation, change, needsBudget: true };
};

/** The updates that use up the images. */
const stepsFor = ({ batch }: { batch: number }, images: number) => ({ steps: Math.round(images / batch) });

const rows = {
  base: { title: 'base: stage 0, image', stages: ['stage0'], evaluation: 'base' },
  stage1: budgeted('stage1', 'stage 1 only, with the images of both', ['stage0', 'stage1'], ({ stage1 }, images) => ({
    stage1: { ...stepsFor(stage1, images), gate: noGate },
  })),
  stage2: budgeted('mgsd', 'stage 2 only, without a cold start', all, ({ stage2 }, images) => ({
    stage1: { steps: 0, gate: noGate },
    stage2: stepsFor(stage2, images),
  })),
  mgsd: { title: 'MGSD (stages 1 + 2)', stages: all, evaluation: 'mgsd' },
  'off-policy': variant("off-policy: the teacher's own traces, forward KL", {
    writer: 'teacher',
    divergence: 'forward_kl',
  }),
  'forward-kl': variant('forward KL on the student\u2019s prefixes', { divergence: 'forward_kl' }),
  sampled: variant("sampled token (k1), as in the paper's code", { estimator: 'sampled' }),
  'sampled-baseline': variant('sampled token with the exact KL as baseline', { estimator: 'sampled_baseline' }),
  synced: variant('teacher: the student of the moment', { teacher: 'synced' }),
  oracle: variant('teacher: the solver (oracle)', { teacher: 'oracle' }),
  'plan-teacher': variant(
    'teacher is told a plan too (its own stage 0)',
    { context: 'state+plan' },
    { stage0: { planContext: 0.3 } },
  ),
  'no-mask': variant('tokens after a fatal step count too', { maskAfterFatal: false }),
  direct: budgeted('direct', 'direct image-to-plan supervision', ['stage0', 'direct'], ({ stage1 }, images) => ({
    stage1: { ...stepsFor(stage1, images), gate: noGate },
    stage2: { steps: 0 },
  })),
  'mgsd-symbolic': { title: 'MGSD, symbolic input (what is left of it)', stages: all, evaluation: 'mgsd-symbolic' },
  symbolic: { title: 'stage 0, symbolic input (upper bound)', stages: ['stage0'], evaluation: 'symbolic' },
} as const satisfies Record<string, AblationRow>;

export type AblationName = keyof typeof rows;

/** All rows in the order of the table. */
export const ablationRows: Readonly<Record<AblationName, AblationRow>> = rows;
export const ablationNames = Object.keys(rows) as readonly AblationName[];

/** The run of the method itself, which the others are compared with. */
export const methodRun = 'mgsd';

/** The run that a row belongs to. */
export const runOf = (row: AblationName): AblationName => (ablationRows[row].change ? row : methodRun);

/**
 * Images that stages 1 and 2 are planned to use: every sequence of stage 2 counts. Extensions by the gate come on top.
 */
export function plannedImages({ stage1, stage2 }: RunConfig): number {
  return stage1.steps * stage1.batch + stage2.steps * stage2.batch;
}

/** The configuration of a row's run. @param images see `AblationRow.change` */
export function rowConfig({ change }: AblationRow, config: RunConfig, images: number): RunConfig {
  return resolveConfig(config.preset, config, change?.(config, images) ?? {});
}

/** A configuration with `factor` times the updates of every stage, warm-up included. */
export function scaled(config: RunConfig, factor: number): RunConfig {
  const times = ({ steps, warmup }: { steps: number; warmup: number }) => ({
    steps: Math.max(1, Math.round(steps * factor)),
    warmup: Math.round(warmup * factor),
  });
  return resolveConfig(config.preset, config, {
    stage0: times(config.stage0),
    stage1: { ...times(config.stage1), gate: { steps: Math.max(1, Math.round(config.stage1.gate.steps * factor)) } },
    stage2: times(config.stage2),
  });
}
