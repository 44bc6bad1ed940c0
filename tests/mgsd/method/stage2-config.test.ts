/** The switches of stage 2: defaults, configurations of older runs, and every combination that is refused. */
import { describe, expect, it } from 'vitest';
import { configSchema, resolveConfig } from '../../../mgsd/method/config.js';
import { distillationSwitches, senselessSettings, withoutRetired } from '../../../mgsd/method/variants/switches.js';
import golden from './presets.json' with { type: 'json' };

const refused: readonly (readonly [what: string, stage2: Record<string, unknown>, message: RegExp])[] = [
  ['sampled forward KL', { estimator: 'sampled', divergence: 'forward_kl' }, /stage2\.estimator: .*reverse_kl alone/],
  ['sampled off-policy', { estimator: 'sampled', writer: 'teacher' }, /stage2\.estimator: .*student has drawn/],
  [
    'sampled at another temperature',
    { estimator: 'sampled', temperature: 0.7 },
    /unbiased for tokens of temperature 1/,
  ],
  ['an unknown estimator', { estimator: 'k3' }, /stage2\.estimator: .*sampled_baseline/],
  ['what an oracle writes', { teacher: 'oracle', writer: 'teacher' }, /stage2\.writer: the oracle is no model/],
  ['a plan for the oracle', { teacher: 'oracle', context: 'state+plan' }, /stage2\.context: the oracle knows/],
  ['a plan for who never saw one', { context: 'state+plan' }, /stage2\.context: stage 0 shows no plans/],
  ['an oracle without an opinion', { teacher: 'oracle', teacherFloor: -5 }, /stage2\.teacherFloor: .*take at most -8/],
  // settings of older runs that would have changed what this one does
  ['a JSD', { divergence: 'jsd' }, /stage2\.divergence/],
  ['a top-k estimator', { estimator: 'top_k' }, /stage2\.estimator/],
  ['an ema teacher', { teacher: 'ema' }, /stage2\.teacher/],
  ['the beta of a JSD', { beta: 0.3 }, /stage2\.beta of the JSD, .* Leave it out/],
  ['another top k', { topK: 8 }, /stage2\.topK of the top-k estimator, .* Leave it out/],
  ['the top k of the teacher', { topKOf: 'teacher' }, /stage2\.topKOf of the top-k estimator, .* Leave it out/],
  ['a clamped advantage', { advantageClamp: 5 }, /stage2\.advantageClamp is gone.* Leave it out/],
  ['another decay of the ema', { emaDecay: 0.9 }, /stage2\.emaDecay of the ema teacher, .* Leave it out/],
  ['a lambda below 1', { lambda: 0.5 }, /stage2\.lambda is gone: .*stage2\.writer=teacher.* Leave it out/],
  ['an unknown writer of old', { offPolicy: 'nobody' }, /stage2\.offPolicy is gone: see stage2\.writer/],
  ['several sequences per puzzle', { n: 4 }, /stage2\.n is gone/],
  ['no divergence at all', { distillationCoef: 0 }, /stage2\.distillationCoef is gone/],
  ['a task reward', { rewardCoef: 1 }, /stage2\.rewardCoef is gone/],
  ['an unknown reward', { reward: 'speed' }, /stage2\.reward is gone/],
  ['weights of spans', { spanWeights: { recap: 0, action: 1, cell: 1 } }, /stage2\.spanWeights is gone/],
  ['the mean over sequences', { lossAggMode: 'seq-mean-token-mean' }, /stage2\.lossAggMode is gone/],
  ['short rollouts', { maxNewTokens: 5 }, /stage2\.maxNewTokens is gone/],
];

const sound: readonly (readonly [what: string, stage2: Record<string, unknown>])[] = [
  ['the exact baseline', { estimator: 'sampled_baseline' }],
  ['off-policy', { divergence: 'forward_kl', writer: 'teacher', temperature: 0.9 }],
  ['an oracle', { teacher: 'oracle' }],
  ['synced', { teacher: 'synced' }],
  ['all tokens', { maskAfterFatal: false }],
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
    const both = { estimator: 'sampled', divergence: 'forward_kl', context: 'state+plan' };
    expect(() => resolveConfig('tiny', { stage2: both })).toThrow(/stage2\.estimator: .*; stage2\.context: /);
  });

  it('fills in what configurations of older runs lack', () => {
    const now = resolveConfig('tiny');
    const old = Object.fromEntries(Object.entries(now.stage2).filter(([name]) => !(name in distillationSwitches)));
    expect(configSchema.parse({ ...now, stage2: old })).toEqual(now);
    expect(senselessSettings(now)).toEqual([]);
  });
});

describe('configurations of version 0.1.0', () => {
  const { small: _, ...unchanged } = golden; // another model bears the name now
  it.each(Object.keys(unchanged) as (keyof typeof unchanged)[])('%s was what it is now', name => {
    const old = configSchema.parse(withoutRetired(golden[name])); // nothing of it comes from today's preset
    expect(resolveConfig(name)).toEqual(old);
    expect(resolveConfig(name, golden[name])).toEqual(old);
  });

  it.each([
    { stage2: { offPolicy: 'teacher' } },
    { stage2: { reward: 'optimal', scaleRewards: false } },
    { stage1: { gate: { failed: 'ground' } } },
    { stage1: { gate: { failed: 'join' } } },
  ])('load with %j, which changed nothing that is still done', old => {
    expect(resolveConfig('tiny', old)).toEqual(resolveConfig('tiny'));
  });

  it('are refused with an end of the gate that never was', () => {
    const old = { stage1: { gate: { failed: 'stop' } } };
    expect(() => resolveConfig('tiny', old)).toThrow(/^configuration: stage1\.gate\.failed is gone: .* Leave it out/);
  });
});
