/** What is logged of a step of stage 2. */
import { divergenceFields } from '../../../core/index.js';
import type { NumberArray } from '../../../core/index.js';
import { parseResponse, SPAN_ACTION, SPAN_CELL, SPAN_RECAP } from '../response.js';
import { groupName } from '../puzzles.js';
import type { DistillationConfig } from './distillation-config.js';
import { groupAdvantages } from './objective.js';
import type { Objective } from './objective.js';
import type { Rollouts } from './rollout.js';
import type { Metrics } from './stage.js';

type Field = (typeof divergenceFields)[number];

const spanNumbers = { Recap: SPAN_RECAP, Action: SPAN_ACTION, Cell: SPAN_CELL } as const;
type SpanName = keyof typeof spanNumbers;
const spanNames = Object.keys(spanNumbers) as SpanName[];

/** One key per span: `${prefix}Recap`, ... */
function bySpan(prefix: string, value: (span: SpanName) => number): Record<string, number> {
  return Object.fromEntries(spanNames.map(span => [prefix + span, value(span)]));
}

/**
 * The metrics of a step, when the device has computed them; the reads are ordered now. Losses by span are shares of `loss` and
 * add up to its divergence; KLs, entropies and agreement are means over the unmasked tokens; `rollout...`, lengths and
 * truncation are of the sequences that the student wrote, and missing if it wrote none.
 */
export async function distillationMetrics(
  config: DistillationConfig,
  optimizerMetrics: Promise<Metrics>,
  { distillation, policy, stats: statsTensor, rewards }: Objective,
  rollouts: Rollouts,
  rates: { readonly vision: number; readonly decoder: number },
): Promise<Metrics> {
  const [common, stats, losses, policyLoss] = await Promise.all([
    optimizerMetrics,
    statsTensor.read(),
    distillation?.read(),
    policy?.item(),
  ]);
  const weights = rollouts.traces.flatMap(trace => Array.from(trace.weights));
  const spans = rollouts.traces.flatMap(trace => Array.from(trace.spans));
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
    ...common,
    visionRate: rates.vision,
    decoderRate: rates.decoder,
    ...(losses && bySpan('loss', span => sumOver(losses, ofSpan(span)))),
    ...(policyLoss !== undefined && { policyLoss, ...rewardMetrics(config, rewards) }),
    reverseKl: meanOf(field('reverseKl')),
    ...bySpan('reverseKl', span => meanOf(field('reverseKl'), ofSpan(span))),
    reverseKlPlan: meanOf(field('reverseKl'), row => spans[row] !== SPAN_RECAP),
    forwardKl: meanOf(field('forwardKl')),
    ...bySpan('forwardKl', span => meanOf(field('forwardKl'), ofSpan(span))),
    studentEntropy: meanOf(field('studentEntropy')),
    teacherEntropy: meanOf(field('teacherEntropy')),
    agreement: meanOf(field('agreement')),
    clampedMass: meanOf(field('clampedMass')),
    ...advantageMetrics(config, field, meanOf),
    maskedShare: 1 - weights.reduce((sum, w) => sum + w, 0) / weights.length,
    ...rolloutMetrics(rollouts),
  };
}

function sumOver(values: NumberArray, counts: (row: number) => boolean): number {
  let total = 0;
  for (let row = 0; row < values.length; row++) if (counts(row)) total += values[row]!;
  return total;
}

const share = (flags: readonly boolean[]) => flags.filter(Boolean).length / flags.length;

/** Mean reward, and the share of puzzles whose sequences all fare alike and so teach nothing. */
function rewardMetrics({ n, scaleRewards }: DistillationConfig, rewards: readonly number[]): Metrics {
  const advantages = groupAdvantages(rewards, n, scaleRewards);
  const groups = Array.from({ length: rewards.length / n }, (_, g) => advantages.slice(g * n, (g + 1) * n));
  return {
    reward: rewards.reduce((a, b) => a + b, 0) / rewards.length,
    groupsWithoutSignal: share(groups.map(group => group.every(advantage => advantage === 0))),
  };
}

/** Of sampled tokens: the spread of the advantages before the clamp, and how often it bites. */
function advantageMetrics(
  { estimator, advantageClamp = Infinity }: DistillationConfig,
  field: (name: Field) => (row: number) => number,
  meanOf: (value: (row: number) => number) => number,
): Metrics {
  if (estimator !== 'sampled' && estimator !== 'sampled_baseline') return {};
  const baseline = estimator === 'sampled_baseline' ? field('reverseKl') : () => 0;
  const advantage = (row: number) => field('teacherLogProb')(row) - field('studentLogProb')(row) + baseline(row);
  const mean = meanOf(advantage);
  return {
    advantageMean: mean,
    advantageDeviation: Math.sqrt(meanOf(row => (advantage(row) - mean) ** 2)),
    clampedAdvantages: meanOf(row => Number(Math.abs(advantage(row)) > advantageClamp)),
  };
}

/** A share of each world and board size, `rolloutSuccess maze 4`. */
function byGroup<T extends { readonly group: string }>(name: string, own: readonly T[], counts: (item: T) => boolean) {
  const groups = [...new Set(own.map(({ group }) => group))];
  return Object.fromEntries(
    groups.map(group => [`${name} ${group}`, share(own.filter(item => item.group === group).map(counts))]),
  );
}

function rolloutMetrics({ puzzles, responses, onPolicy }: Rollouts): Metrics {
  const own = puzzles.flatMap(({ world, instance }, i) => {
    if (onPolicy?.[i] === false) return [];
    const group = groupName({ world, level: instance.size });
    return [{ group, tokens: responses[i]!, ...parseResponse(world, instance, responses[i]!) }];
  });
  const onPolicyShare = onPolicy && { onPolicyShare: share(onPolicy) };
  if (own.length === 0) return { ...onPolicyShare };
  const lengths = own.map(({ tokens }) => tokens.length);
  return {
    ...onPolicyShare,
    rolloutSuccess: share(own.map(({ verdict }) => verdict.success)),
    rolloutOptimal: share(own.map(({ verdict }) => verdict.optimal)),
    rolloutRecapExact: share(own.map(({ recapExact }) => recapExact)),
    ...byGroup('rolloutSuccess', own, ({ verdict }) => verdict.success),
    ...byGroup('rolloutRecapExact', own, ({ recapExact }) => recapExact),
    responseLength: lengths.reduce((sum, length) => sum + length, 0) / own.length,
    responseLengthMin: Math.min(...lengths),
    responseLengthMax: Math.max(...lengths),
    truncated: share(own.map(({ endOfSequence }) => !endOfSequence)),
  };
}
