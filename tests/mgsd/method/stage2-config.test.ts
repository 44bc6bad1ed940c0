/** The switches of stage 2: defaults, old configurations, and every combination that is refused. */
import { describe, expect, it } from 'vitest';
import { configSchema, resolveConfig } from '../../../mgsd/method/config.js';
import { distillationDefaults, senselessSettings } from '../../../mgsd/method/stages/distillation-config.js';

const refused: readonly (readonly [what: string, stage2: Record<string, unknown>, message: RegExp])[] = [
  ['a JSD of beta 0', { divergence: 'jsd', beta: 0 }, /stage2\.beta: .*forward_kl for 0/],
  ['a JSD of beta 1', { divergence: 'jsd', beta: 1 }, /stage2\.beta: .*reverse_kl for 1/],
  ['a JSD of beta 2', { divergence: 'jsd', beta: 2 }, /stage2\.beta/],
  ['beta without a JSD', { divergence: 'forward_kl', beta: 0 }, /stage2\.beta: has no effect without divergence jsd/],
  ['sampled forward KL', { estimator: 'sampled', divergence: 'forward_kl' }, /stage2\.estimator: .*reverse_kl alone/],
  ['sampled JSD', { estimator: 'sampled_baseline', divergence: 'jsd' }, /stage2\.estimator: .*reverse_kl alone, not jsd/],
  ['sampled off-policy', { estimator: 'sampled', lambda: 0.5 }, /stage2\.estimator: .*student has drawn/],
  ['sampled at another temperature', { estimator: 'sampled', temperature: 0.7 }, /unbiased for tokens of temperature 1/],
  ['an unknown estimator', { estimator: 'k3' }, /stage2\.estimator: .*sampled_baseline/],
  ['the whole vocabulary as top k', { estimator: 'top_k', topK: 128 }, /stage2\.topK: 128 of 128 tokens leave no rest/],
  ['no token as top k', { estimator: 'top_k', topK: 0 }, /stage2\.topK/],
  ['top k of a full estimator', { topK: 8 }, /stage2\.topK: has no effect without estimator top_k/],
  ['whose top k of a full estimator', { topKOf: 'teacher' }, /stage2\.topKOf: has no effect/],
  ['an advantage without samples', { advantageClamp: 5 }, /stage2\.advantageClamp: estimator full has no advantages/],
  ['an advantage clamped to nothing', { estimator: 'sampled', advantageClamp: 0 }, /stage2\.advantageClamp/],
  ['an EMA that keeps nothing', { teacher: 'ema', emaDecay: 0 }, /stage2\.emaDecay: .*teacher=synced/],
  ['an EMA that keeps all', { teacher: 'ema', emaDecay: 1 }, /stage2\.emaDecay: .*teacher=frozen/],
  ['a decay without an EMA', { emaDecay: 0.9 }, /stage2\.emaDecay: has no effect without teacher ema/],
  ['a plan for the oracle', { teacher: 'oracle', context: 'state+plan' }, /stage2\.context: the oracle knows/],
  ['a plan for who never saw one', { context: 'state+plan' }, /stage2\.context: stage 0 shows no plans/],
  ['an oracle without an opinion', { teacher: 'oracle', teacherFloor: -5 }, /stage2\.teacherFloor: .*take at most -8/],
  ['a source of sequences that is not asked', { offPolicy: 'teacher' }, /stage2\.offPolicy: has no effect without a lambda/],
  ['a lambda beyond 1', { lambda: 1.5 }, /stage2\.lambda/],
  ['no sequence per puzzle', { n: 0 }, /stage2\.n/],
  ['rollouts longer than the model', { maxNewTokens: 161 }, /stage2\.maxNewTokens: 161 tokens are more than the 160/],
  ['weights of nothing', { spanWeights: { recap: 0, action: 0, cell: 0 } }, /stage2\.spanWeights: no token counts/],
  ['an unknown span', { spanWeights: { route: 1 } }, /stage2\.spanWeights: .*route/],
  ['a negative weight', { spanWeights: { recap: -1 } }, /stage2\.spanWeights\.recap/],
  ['an unknown mean', { lossAggMode: 'mean' }, /stage2\.lossAggMode: .*seq-mean-token-mean/],
  ['nothing to learn from', { distillationCoef: 0 }, /stage2\.distillationCoef: nothing is left to learn from/],
  ['a reward without a group', { rewardCoef: 1 }, /stage2\.rewardCoef: .*and n is 1/],
  ['a reward for what others wrote', { rewardCoef: 1, n: 4, lambda: 0.9 }, /stage2\.rewardCoef: .*lambda 0\.9/],
  ['a reward at another temperature', { rewardCoef: 1, n: 4, temperature: 2 }, /stage2\.rewardCoef: .*temperature 1, not 2/],
  ['a reward that cannot be reached', { rewardCoef: 1, n: 4, maxNewTokens: 5 }, /stage2\.maxNewTokens: .*may need \d+ tokens/],
  ['what is rewarded without a reward', { reward: 'optimal' }, /stage2\.reward: has no effect without a rewardCoef/],
  ['the scale of no reward', { scaleRewards: false }, /stage2\.scaleRewards: has no effect/],
]; // prettier-ignore

const sound: readonly (readonly [what: string, stage2: Record<string, unknown>])[] = [
  ['generalised JSD', { divergence: 'jsd', beta: 0.1 }],
  ['top k of the teacher', { estimator: 'top_k', divergence: 'forward_kl', topK: 127, topKOf: 'teacher' }],
  ['the exact baseline', { estimator: 'sampled_baseline', advantageClamp: 5 }],
  ['GKD', { divergence: 'jsd', lambda: 0.5, temperature: 0.9, offPolicy: 'teacher' }],
  ['off-policy', { divergence: 'forward_kl', lambda: 0 }],
  ['an oracle', { teacher: 'oracle' }],
  ['EMA', { teacher: 'ema', emaDecay: 0.999 }],
  ['synced', { teacher: 'synced' }],
  ['reward only', { distillationCoef: 0, rewardCoef: 1, n: 8, scaleRewards: false, reward: 'optimal' }],
  ['reward and distillation', { rewardCoef: 0.1, n: 4, estimator: 'sampled' }],
  ['short rollouts', { maxNewTokens: 5 }],
  ['sequence mean, recap apart', { lossAggMode: 'seq-mean-token-mean', spanWeights: { recap: 0.2 } }],
];

describe('stage 2', () => {
  it.each(refused)('refuses %s', (_, stage2, message) => {
    const resolve = () => resolveConfig('tiny', { stage2 });
    expect(resolve).toThrow(message);
    expect(resolve).toThrow(/^configuration: [^\n]*$/);
  });

  it.each(sound)('takes %s', (_, stage2) => {
    expect(resolveConfig('tiny', { stage2 }).stage2).toMatchObject(stage2);
  });

  it('takes a told plan from a stage 0 that has seen some', () => {
    const config = resolveConfig('tiny', { stage0: { planContext: 0.3 }, stage2: { context: 'state+plan' } });
    expect(config.stage2.context).toBe('state+plan');
  });

  it('names all objections at once', () => {
    const both = { estimator: 'sampled', divergence: 'jsd', rewardCoef: 1 };
    expect(() => resolveConfig('tiny', { stage2: both })).toThrow(/stage2\.estimator: .*; stage2\.rewardCoef: /);
  });

  it('fills in what configurations of older runs lack', () => {
    const now = resolveConfig('tiny');
    const old = Object.fromEntries(Object.entries(now.stage2).filter(([name]) => !(name in distillationDefaults)));
    expect(Object.keys(old)).toContain('divergence');
    expect(configSchema.parse({ ...now, stage2: old })).toEqual(now);
    expect(senselessSettings(now)).toEqual([]);
  });

  it('gives spans that are not named the weight 1', () => {
    const { spanWeights } = resolveConfig('tiny', { stage2: { spanWeights: { recap: 0 } } }).stage2;
    expect(spanWeights).toEqual({ recap: 0, action: 1, cell: 1 });
  });
});
