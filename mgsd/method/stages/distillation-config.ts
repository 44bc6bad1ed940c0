/**
 * The switches of stage 2 and what may not be combined. Where TRL or verl have a name for a thing, this is it (`beta`,
 * `lambda` for TRL's lmbda, `n`, `topK`, `lossAggMode`, ...).
 */
import { z } from 'zod';
import { modelPresets } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { maximumResponseLength } from '../response.js';
import { createWorldByName } from '../../worlds/registry.js';

const share = z.number().min(0).max(1);
const weight = z.number().min(0);

/** Fields of `stage2` beside its schedule. Those with defaults are newer than the first runs, whose configurations lack them. */
export const distillationSwitches = {
  divergence: z
    .enum(['reverse_kl', 'forward_kl', 'jsd'])
    .describe('Between student p and teacher q: KL(p || q), KL(q || p), or the generalised Jensen-Shannon divergence'),
  beta: share
    .default(0.5)
    .describe(
      'Of the generalised JSD: weight of the teacher in the mixture; near 0 it is a forward KL, near 1 a reverse',
    ),
  estimator: z
    .enum(['full', 'top_k', 'sampled', 'sampled_baseline'])
    .describe(
      'Divergence over the whole vocabulary; over the k likeliest tokens and the rest as one; or a policy gradient of the ' +
        'sampled token alone with advantage log q - log p (k1), with the baseline + KL(p || q) or without',
    ),
  topK: z.int().min(1).default(16).describe('Tokens of the top_k estimator'),
  topKOf: z.enum(['student', 'teacher']).default('student').describe('Whose likeliest tokens those are'),
  advantageClamp: z
    .number()
    .positive()
    .optional()
    .describe('Largest size of the advantage of a sampled token; left out: any'),
  teacher: z
    .enum(['frozen', 'synced', 'ema', 'oracle'])
    .default('frozen')
    .describe(
      'The planner of stage 0; the student of the moment, which reads symbols; the planner, moving towards the student; or ' +
        "the solver: the true recap, then all optimal actions alike, every other token at the floor's probability",
    ),
  emaDecay: z
    .number()
    .gt(0, '0 would be teacher=synced')
    .lt(1, '1 would be teacher=frozen')
    .default(0.99)
    .describe('Share of itself that the ema teacher keeps at an update'),
  context: z
    .enum(['state', 'state+plan'])
    .default('state')
    .describe('What the teacher is told: the symbolic state, or a shortest plan as well'),
  lambda: share
    .default(1)
    .describe('Chance that a sequence is written by the student (on-policy) and not for it (TRL: lmbda)'),
  offPolicy: z
    .enum(['oracle', 'teacher'])
    .default('oracle')
    .describe('Who writes the others: the solver, or the teacher from its symbols (TRL: seq_kd)'),
  n: z.int().min(1).default(1).describe('Sequences per puzzle'),
  temperature: z.number().positive().max(10).describe('Of the rollouts'),
  maxNewTokens: z
    .int()
    .min(1)
    .optional()
    .describe('Tokens of a rollout at most; left out: as many as the longest plan of its board size needs'),
  teacherFloor: z.number().negative().describe('Least log-probability of the teacher'),
  maskAfterFatal: z.boolean().describe('Leave out what follows the first fatal token of a rollout'),
  lossAggMode: z
    .enum(['token-mean', 'seq-mean-token-mean'])
    .default('token-mean')
    .describe('Mean over all tokens of a batch, or over sequences of the means over their tokens'),
  spanWeights: z
    .strictObject({ recap: weight.default(1), action: weight.default(1), cell: weight.default(1) })
    .default({ recap: 1, action: 1, cell: 1 })
    .describe('How much tokens of the recap, of the plan and of the cells between its actions count in the divergence'),
  distillationCoef: weight.default(1).describe('Factor of the divergence in the loss; 0 leaves the task reward alone'),
  rewardCoef: weight
    .default(0)
    .describe('Factor of a policy gradient of the task reward (GRPO), over the n sequences of a puzzle'),
  reward: z
    .enum(['success', 'optimal'])
    .default('success')
    .describe('What is rewarded by 1: reaching the goal, or by a shortest plan'),
  scaleRewards: z
    .boolean()
    .default(true)
    .describe("Divide the advantages of a puzzle's sequences by their standard deviation (GRPO), or not (Dr. GRPO)"),
};

/** The defaults of the fields that have them. */
export const distillationDefaults = {
  beta: 0.5,
  topK: 16,
  topKOf: 'student',
  teacher: 'frozen',
  emaDecay: 0.99,
  context: 'state',
  lambda: 1,
  offPolicy: 'oracle',
  n: 1,
  lossAggMode: 'token-mean',
  spanWeights: { recap: 1, action: 1, cell: 1 },
  distillationCoef: 1,
  rewardCoef: 0,
  reward: 'success',
  scaleRewards: true,
} as const;

export type DistillationConfig = RunConfig['stage2'];

/** Something that is wrong with a setting, for people. */
export interface Objection {
  /** Field of stage 2. */
  readonly field: keyof DistillationConfig;
  readonly reason: string;
}

/** The longest response that a puzzle of the run may need. */
function longestResponse({ tasks }: Pick<RunConfig, 'tasks'>): number {
  const lengths = tasks.flatMap(({ world, levels, options }) => {
    const made = createWorldByName(world, options);
    return levels.map(level => maximumResponseLength(made, level));
  });
  return Math.max(...lengths);
}

/** Every combination that makes no sense, with the reason and the way out; none for a sound configuration. */
export function senselessSettings(config: RunConfig): Objection[] {
  const { stage2 } = config;
  const { vocabulary, responsePositions } = modelPresets[config.preset];
  const objections: Objection[] = [];
  const refuse = (field: keyof DistillationConfig, when: boolean, reason: () => string) => {
    if (when) objections.push({ field, reason: reason() });
  };
  const isSampled = stage2.estimator === 'sampled' || stage2.estimator === 'sampled_baseline';
  const isRewarded = stage2.rewardCoef > 0;

  refuse(
    'beta',
    stage2.divergence === 'jsd' && (stage2.beta === 0 || stage2.beta === 1),
    () =>
      `a generalised JSD with beta ${stage2.beta} is 0 for every student; its limits have names: forward_kl for 0, reverse_kl for 1`,
  );
  refuse(
    'estimator',
    isSampled && stage2.divergence !== 'reverse_kl',
    () =>
      `the token is drawn from the student, so ${stage2.estimator} estimates the reverse_kl alone, not ${stage2.divergence}: take full or top_k`,
  );
  refuse(
    'estimator',
    isSampled && stage2.lambda < 1,
    () =>
      `${stage2.estimator} needs tokens that the student has drawn, but with lambda ${stage2.lambda} others write some of them: take full or top_k`,
  );
  refuse(
    'estimator',
    isSampled && stage2.temperature !== 1,
    () =>
      `${stage2.estimator} is unbiased for tokens of temperature 1 only, not ${stage2.temperature}: take full or top_k`,
  );
  refuse(
    'topK',
    stage2.estimator === 'top_k' && stage2.topK >= vocabulary,
    () => `${stage2.topK} of ${vocabulary} tokens leave no rest: take fewer, or estimator full`,
  );
  refuse(
    'advantageClamp',
    stage2.advantageClamp !== undefined && !isSampled,
    () =>
      `estimator ${stage2.estimator} has no advantages: take sampled or sampled_baseline (teacherFloor bounds the others)`,
  );
  refuse(
    'context',
    stage2.context === 'state+plan' && stage2.teacher === 'oracle',
    () => 'the oracle knows every shortest plan already: leave it at state',
  );
  refuse(
    'context',
    stage2.context === 'state+plan' && stage2.teacher !== 'oracle' && config.stage0.planContext === 0,
    () =>
      'stage 0 shows no plans in its prompts, so the teacher could not read one: give stage0.planContext a share, 0.3 say',
  );
  refuse(
    'teacherFloor',
    stage2.teacher === 'oracle' && vocabulary * Math.exp(stage2.teacherFloor) > 0.1,
    () =>
      `an oracle that gives ${vocabulary} tokens the probability exp(${stage2.teacherFloor}) each is none: take at most ` +
      Math.floor(Math.log(0.1 / vocabulary)).toString(),
  );
  refuse(
    'maxNewTokens',
    (stage2.maxNewTokens ?? 1) > responsePositions,
    () =>
      `${stage2.maxNewTokens!} tokens are more than the ${responsePositions} response positions of preset ${config.preset}`,
  );
  refuse(
    'spanWeights',
    stage2.distillationCoef > 0 && Object.values(stage2.spanWeights).every(w => w === 0),
    () => 'no token counts: give at least one span a weight (distillationCoef 0 leaves the divergence out)',
  );
  refuse(
    'distillationCoef',
    stage2.distillationCoef === 0 && !isRewarded,
    () => 'nothing is left to learn from: give it or rewardCoef more than 0',
  );
  refuse(
    'rewardCoef',
    isRewarded && stage2.n < 2,
    () => `a reward is compared among the n sequences of a puzzle, and n is ${stage2.n}: take 4 or more`,
  );
  refuse(
    'rewardCoef',
    isRewarded && stage2.lambda < 1,
    () =>
      `a policy gradient needs sequences that the student has drawn, but with lambda ${stage2.lambda} others write some of them`,
  );
  refuse(
    'rewardCoef',
    isRewarded && stage2.temperature !== 1,
    () => `a policy gradient needs sequences of temperature 1, not ${stage2.temperature}`,
  );
  if (isRewarded && stage2.maxNewTokens !== undefined) {
    const needed = longestResponse(config);
    refuse(
      'maxNewTokens',
      stage2.maxNewTokens < needed,
      () =>
        `a plan that is cut off earns nothing, and boards of this run may need ${needed} tokens: take as many, or leave it out`,
    );
  }

  const inert = (field: keyof typeof distillationDefaults, works: boolean, needs: string) => {
    refuse(field, !works && stage2[field] !== distillationDefaults[field], () => `has no effect without ${needs}`);
  };
  inert('beta', stage2.divergence === 'jsd', 'divergence jsd');
  inert('topK', stage2.estimator === 'top_k', 'estimator top_k');
  inert('topKOf', stage2.estimator === 'top_k', 'estimator top_k');
  inert('emaDecay', stage2.teacher === 'ema', 'teacher ema');
  inert('offPolicy', stage2.lambda < 1, 'a lambda below 1');
  inert('reward', isRewarded, 'a rewardCoef above 0');
  inert('scaleRewards', isRewarded, 'a rewardCoef above 0');
  return objections;
}
