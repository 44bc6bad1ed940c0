/** What is logged of a step of stage 2. */
import { divergenceFields } from '../../../core/index.js';
import type { NumberArray } from '../../../core/index.js';
import { groupName } from '../puzzles.js';
import { SPAN_ACTION, SPAN_CELL, SPAN_RECAP } from '../response.js';
import type { Rollout } from './rollout.js';
import type { Metrics, Rates } from './stage.js';

type Field = (typeof divergenceFields)[number];

const spanNumbers = { Recap: SPAN_RECAP, Action: SPAN_ACTION, Cell: SPAN_CELL } as const;
type SpanName = keyof typeof spanNumbers;
const spanNames = Object.keys(spanNumbers) as SpanName[];

/** One key per span: `${prefix}Recap`, ... */
function bySpan(prefix: string, value: (span: SpanName) => number): Record<string, number> {
  return Object.fromEntries(spanNames.map(span => [prefix + span, value(span)]));
}

/** What the device has computed of a step: losses by token (N) and `divergenceStats` (N, fields). */
export interface StepValues {
  readonly losses: NumberArray;
  readonly stats: NumberArray;
}

/**
 * The metrics of a step, when the device has computed them. Losses by span are shares of `loss`; KLs, entropies and
 * agreement are means over the unmasked tokens; `rollout...`, lengths and truncation are left out if the student did
 * not write the rollouts.
 */
export async function stage2Metrics(
  common: Promise<Metrics>,
  computed: Promise<StepValues>,
  rollouts: readonly Rollout[],
  rates: Rates,
  byStudent: boolean,
): Promise<Metrics> {
  const [update, { losses, stats }] = await Promise.all([common, computed]);
  const weights = rollouts.flatMap(({ example }) => Array.from(example.weights));
  const spans = rollouts.flatMap(({ example }) => Array.from(example.spans));
  const ofSpan = (name: SpanName) => (row: number) => spans[row] === spanNumbers[name];
  const meanOf = (value: (row: number) => number, counts: (row: number) => boolean = () => true) => {
    let total = 0;
    let mass = 0;
    weights.forEach((w, row) => {
      if (!counts(row) || w === 0) return;
      total += w * value(row);
      mass += w;
    });
    return mass > 0 ? total / mass : 0;
  };
  const field = (name: Field) => (row: number) =>
    stats[row * divergenceFields.length + divergenceFields.indexOf(name)]!;
  return {
    ...update,
    visionRate: rates.vision,
    decoderRate: rates.decoder,
    ...bySpan('loss', span => sumOver(losses, ofSpan(span))),
    reverseKl: meanOf(field('reverseKl')),
    ...bySpan('reverseKl', span => meanOf(field('reverseKl'), ofSpan(span))),
    reverseKlPlan: meanOf(field('reverseKl'), row => spans[row] !== SPAN_RECAP),
    forwardKl: meanOf(field('forwardKl')),
    ...bySpan('forwardKl', span => meanOf(field('forwardKl'), ofSpan(span))),
    studentEntropy: meanOf(field('studentEntropy')),
    teacherEntropy: meanOf(field('teacherEntropy')),
    agreement: meanOf(field('agreement')),
    clampedMass: meanOf(field('clampedMass')),
    maskedShare: 1 - weights.reduce((sum, w) => sum + w, 0) / weights.length,
    ...(byStudent && rolloutMetrics(rollouts)),
  };
}

function sumOver(values: NumberArray, counts: (row: number) => boolean): number {
  let total = 0;
  for (let row = 0; row < values.length; row++) if (counts(row)) total += values[row]!;
  return total;
}

function rolloutMetrics(rollouts: readonly Rollout[]): Metrics {
  const share = (counts: (rollout: Rollout) => boolean, of = rollouts) => of.filter(counts).length / of.length;
  const groupOf = ({ example: { puzzle } }: Rollout) => groupName({ world: puzzle.world, level: puzzle.instance.size });
  /** A share of each world and board size, `rolloutSuccess maze 4`. */
  const byGroup = (name: string, counts: (rollout: Rollout) => boolean) =>
    Object.fromEntries(
      [...new Set(rollouts.map(groupOf))].map(group => [
        `${name} ${group}`,
        share(
          counts,
          rollouts.filter(rollout => groupOf(rollout) === group),
        ),
      ]),
    );
  const lengths = rollouts.map(({ response }) => response.length);
  const succeeds = ({ reading }: Rollout) => reading.verdict.success;
  const isExact = ({ reading }: Rollout) => reading.recapExact;
  return {
    rolloutSuccess: share(succeeds),
    rolloutOptimal: share(({ reading }) => reading.verdict.optimal),
    rolloutRecapExact: share(isExact),
    ...byGroup('rolloutSuccess', succeeds),
    ...byGroup('rolloutRecapExact', isExact),
    responseLength: lengths.reduce((sum, length) => sum + length, 0) / lengths.length,
    responseLengthMin: Math.min(...lengths),
    responseLengthMax: Math.max(...lengths),
    truncated: share(({ reading }) => !reading.endOfSequence),
  };
}
