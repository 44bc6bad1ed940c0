/**
 * The rows of the ablation table: what each changes about a run, and which evaluation it shows. Every row sees as many
 * images in stages 1 and 2 together as the method does, and starts from the same stage 0.
 */
import { resolveConfig } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import { noGate } from '../method/presets.js';
import type { StageName } from '../method/stages/stage.js';
import type { RowName } from '../evaluation/table.js';

export interface AblationRow {
  readonly title: string;
  /** The run that it is a row of; rows of one run share it. */
  readonly run: string;
  /** Stages that the run must have gone through for this row. */
  readonly stages: readonly StageName[];
  readonly evaluation: RowName;
  /** Sees images, so that the gap that it closes has a meaning. */
  readonly seesImages: boolean;
  /** What its run changes; `images` is what the method uses in stages 1 and 2. */
  readonly change?: (config: RunConfig, images: number) => object;
  /** The change depends on `images`, which is known when the method's own run is through stage 2. */
  readonly needsBudget?: boolean;
}

/** The run of the method itself, which the others are compared with. */
export const methodRun = 'mgsd';

const all: readonly StageName[] = ['stage0', 'stage1', 'stage2'];

/** A row that differs in stage 2 alone. */
const variant = (name: string, title: string, change: object): AblationRow => ({
  title,
  run: name,
  stages: all,
  evaluation: 'mgsd',
  seesImages: true,
  change: () => ({ stage2: change }),
});

const rows = {
  base: { title: 'base: stage 0, image', run: methodRun, stages: ['stage0'], evaluation: 'base', seesImages: true },
  stage1: {
    title: 'stage 1 only, with the images of both',
    ...{ run: 'stage1', stages: ['stage0', 'stage1'], evaluation: 'stage1', seesImages: true, needsBudget: true },
    change: ({ stage1 }: RunConfig, images: number) => ({
      stage1: { steps: Math.round(images / stage1.batch), gate: noGate },
    }),
  },
  stage2: {
    title: 'stage 2 only, without a cold start',
    ...{ run: 'stage2', stages: all, evaluation: 'mgsd', seesImages: true, needsBudget: true },
    change: ({ stage2 }: RunConfig, images: number) => ({
      stage1: { steps: 0, gate: noGate },
      stage2: { steps: Math.round(images / stage2.batch) },
    }),
  },
  mgsd: { title: 'MGSD (stages 1 + 2)', run: methodRun, stages: all, evaluation: 'mgsd', seesImages: true },
  'off-policy': variant('off-policy', "off-policy: the teacher's own traces, forward KL", {
    writer: 'teacher',
    divergence: 'forward_kl',
  }),
  'forward-kl': variant('forward-kl', 'forward KL on the student\u2019s prefixes', { divergence: 'forward_kl' }),
  sampled: variant('sampled', "sampled token (k1), as in the paper's code", { estimator: 'sampled' }),
  'sampled-baseline': variant('sampled-baseline', 'sampled token with the exact KL as baseline', {
    estimator: 'sampled_baseline',
  }),
  synced: variant('synced', 'teacher: the student of the moment', { teacher: 'synced' }),
  oracle: variant('oracle', 'teacher: the solver (oracle)', { teacher: 'oracle' }),
  'plan-teacher': {
    ...variant('plan-teacher', 'teacher is told a plan too (its own stage 0)', {}),
    change: () => ({ stage0: { planContext: 0.3 }, stage2: { context: 'state+plan' } }),
  },
  'no-mask': variant('no-mask', 'tokens after a fatal step count too', { maskAfterFatal: false }),
  direct: {
    title: 'direct image-to-plan supervision',
    ...{ run: 'direct', stages: ['stage0', 'direct'], evaluation: 'direct', seesImages: true, needsBudget: true },
    change: ({ stage1 }: RunConfig, images: number) => ({
      stage1: { steps: Math.round(images / stage1.batch), gate: noGate },
      stage2: { steps: 0 },
    }),
  },
  'mgsd-symbolic': {
    title: 'MGSD, symbolic input (what is left of it)',
    ...{ run: methodRun, stages: all, evaluation: 'mgsd-symbolic', seesImages: false },
  },
  symbolic: {
    title: 'stage 0, symbolic input (upper bound)',
    ...{ run: methodRun, stages: ['stage0'], evaluation: 'symbolic', seesImages: false },
  },
} as const satisfies Record<string, AblationRow>;

export type AblationName = keyof typeof rows;

/** All rows in the order of the table. */
export const ablationRows: Readonly<Record<AblationName, AblationRow>> = rows;
export const ablationNames = Object.keys(rows) as readonly AblationName[];

/**
 * Images that stages 1 and 2 are planned to use: every sequence of stage 2 counts. Extensions by the gate come on top.
 */
export function plannedImages({ stage1, stage2 }: RunConfig): number {
  return stage1.steps * stage1.batch + stage2.steps * stage2.batch;
}

/** The configuration of a row's run. @param images see `AblationRow.change` */
export function rowConfig(row: AblationRow, config: RunConfig, images: number): RunConfig {
  return resolveConfig(config.preset, config, row.change?.(config, images) ?? {});
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
