/** The switches of stage 2, what may not be combined, and settings of older runs that are gone. */
import { z } from 'zod';
import { modelPresets } from '../../../models/index.js';
import type { RunConfig } from '../config.js';

/** Fields of `stage2` beside its schedule. */
export const distillationSwitches = {
  divergence: z
    .enum(['reverse_kl', 'forward_kl'])
    .default('reverse_kl')
    .describe('Between student p and teacher q: KL(p || q) or KL(q || p)'),
  estimator: z
    .enum(['full', 'sampled', 'sampled_baseline'])
    .default('full')
    .describe(
      'Divergence over the whole vocabulary, or a policy gradient of the sampled token alone with advantage log q - log p ' +
        '(k1), with the baseline + KL(p || q) or without',
    ),
  teacher: z
    .enum(['frozen', 'synced', 'oracle'])
    .default('frozen')
    .describe(
      'The planner of stage 0; the student of the moment, which reads symbols; or the solver: the true recap, then all optimal ' +
        "actions alike, every other token at the floor's probability",
    ),
  context: z
    .enum(['state', 'state+plan'])
    .default('state')
    .describe('What the teacher is told: the symbolic state, or a shortest plan as well'),
  writer: z
    .enum(['student', 'teacher'])
    .default('student')
    .describe(
      'Who writes the responses that are learnt from: the student (on-policy), or the teacher from its symbols',
    ),
  temperature: z.number().positive().max(10).default(1).describe('Of the rollouts'),
  teacherFloor: z.number().negative().default(-12).describe('Least log-probability of the teacher'),
  maskAfterFatal: z.boolean().default(true).describe('Leave out what follows the first fatal token of a rollout'),
};

/** Something that is wrong with a setting, for people. */
export interface Objection {
  /** Field of stage 2. */
  readonly field: keyof RunConfig['stage2'];
  readonly reason: string;
}

/** Every combination that makes no sense, with the reason and the way out; none for a sound configuration. */
export function senselessSettings({ preset, stage0, stage2 }: RunConfig): Objection[] {
  const { vocabulary } = modelPresets[preset];
  const { estimator, teacher, context, writer, temperature, teacherFloor } = stage2;
  const isSampled = estimator !== 'full';
  const objections: Objection[] = [];
  const refuse = (field: Objection['field'], when: boolean, reason: string) => {
    if (when) objections.push({ field, reason });
  };
  refuse(
    'estimator',
    isSampled && stage2.divergence !== 'reverse_kl',
    `the token is drawn from the student, so ${estimator} estimates the reverse_kl alone, not ${stage2.divergence}: take full`,
  );
  refuse(
    'estimator',
    isSampled && writer !== 'student',
    `${estimator} needs tokens that the student has drawn, but the ${writer} writes them: take full`,
  );
  refuse(
    'estimator',
    isSampled && temperature !== 1,
    `${estimator} is unbiased for tokens of temperature 1 only, not ${temperature}: take full`,
  );
  refuse(
    'writer',
    writer === 'teacher' && teacher === 'oracle',
    'the oracle is no model and writes nothing: take teacher frozen, or --direct for supervision with its plans',
  );
  refuse(
    'context',
    context === 'state+plan' && teacher === 'oracle',
    'the oracle knows every shortest plan already: leave it at state',
  );
  refuse(
    'context',
    context === 'state+plan' && teacher !== 'oracle' && stage0.planContext === 0,
    'stage 0 shows no plans in its prompts, so the teacher could not read one: give stage0.planContext a share, 0.3 say',
  );
  refuse(
    'teacherFloor',
    teacher === 'oracle' && vocabulary * Math.exp(teacherFloor) > 0.1,
    `an oracle that gives ${vocabulary} tokens the probability exp(${teacherFloor}) each is none: take at most ` +
      Math.floor(Math.log(0.1 / vocabulary)).toString(),
  );
  return objections;
}

/**
 * A setting that older configurations have: what it must be for a run to be what it was without it, and what became of
 * it.
 */
interface Retired {
  /** Values under which the setting changed nothing that is still done. */
  readonly harmless: readonly unknown[];
  readonly why: string;
}

const noGain = 'made no difference in the ablations (mgsd/RESULTS.md) and is gone';

/** By their path in the configuration. */
const retired: Readonly<Record<string, Retired>> = {
  'stage1.gate.failed': {
    harmless: ['join', 'ground'],
    why: 'is gone: sizes that fail for good join stage 2 all the same',
  },
  'stage2.beta': { harmless: [0.5], why: `of the JSD, which ${noGain}` },
  'stage2.topK': { harmless: [16], why: `of the top-k estimator, which ${noGain}` },
  'stage2.topKOf': { harmless: ['student'], why: `of the top-k estimator, which ${noGain}` },
  'stage2.advantageClamp': { harmless: [], why: 'is gone: no run used it' },
  'stage2.emaDecay': { harmless: [0.99], why: 'of the ema teacher, which is gone: it did far worse than a frozen one' },
  'stage2.lambda': {
    harmless: [1],
    why: 'is gone: for responses that the teacher writes there is stage2.writer=teacher, for plans of the solver --direct',
  },
  'stage2.offPolicy': { harmless: ['oracle', 'teacher'], why: 'is gone: see stage2.writer' },
  'stage2.n': { harmless: [1], why: 'is gone with the task reward, which never earned anything' },
  'stage2.maxNewTokens': {
    harmless: [],
    why: 'is gone: rollouts are as long as the longest plan of their boards needs',
  },
  'stage2.lossAggMode': { harmless: ['token-mean'], why: 'is gone: no run used another one' },
  'stage2.spanWeights': { harmless: [{ recap: 1, action: 1, cell: 1 }], why: 'is gone: no run used other weights' },
  'stage2.distillationCoef': { harmless: [1], why: 'is gone with the task reward, which never earned anything' },
  'stage2.rewardCoef': { harmless: [0], why: 'is gone: the task reward alone never earned anything' },
  'stage2.reward': { harmless: ['success', 'optimal'], why: 'is gone with the task reward' },
  'stage2.scaleRewards': { harmless: [true, false], why: 'is gone with the task reward' },
};

/** Values that settings no longer take, and what became of them. */
const retiredValues: Readonly<Record<string, string>> = {
  'stage2.divergence=jsd': noGain,
  'stage2.estimator=top_k': noGain,
  'stage2.teacher=ema': 'did far worse than a frozen teacher and is gone',
};

/**
 * A raw configuration without the settings of older ones that are gone.
 * @throws Error in one line that names every such setting or value under which the run would no longer be what it was
 */
export function withoutRetired(raw: unknown): unknown {
  const problems: string[] = [];
  const kept = strip(raw, '', problems);
  if (problems.length > 0)
    throw new Error(`configuration: ${problems.join('; ')}. Leave it out, or train with commit 1b3f525`);
  return kept;
}

function strip(node: unknown, path: string, problems: string[]): unknown {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return node;
  const kept = Object.entries(node).flatMap(([name, value]: [string, unknown]) => {
    const at = path === '' ? name : `${path}.${name}`;
    const setting = `${at}=${String(value)}`;
    if (Object.hasOwn(retiredValues, setting)) problems.push(`${setting} ${retiredValues[setting] ?? ''}`);
    const gone = Object.hasOwn(retired, at) ? retired[at] : undefined;
    if (!gone) return [[name, strip(value, at, problems)] as const];
    const isHarmless = value === undefined || gone.harmless.some(one => JSON.stringify(one) === JSON.stringify(value));
    if (!isHarmless) problems.push(`${at} ${gone.why}`);
    return [];
  });
  return Object.fromEntries(kept);
}
