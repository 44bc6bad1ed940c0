/** What stage 2 minimises: estimators against exact gradients, weights of tokens, spans and sequences, rewards. In f64. */
import { describe, expect, it } from 'vitest';
import { AdamW, divergenceFields, gradcheck, mul } from '../../../core/index.js';
import type { Tensor } from '../../../core/index.js';
import type { RunConfig } from '../../../mgsd/method/config.js';
import type { Puzzle } from '../../../mgsd/method/puzzles.js';
import { packTraces, patchTensor, renderPuzzles } from '../../../mgsd/method/packing.js';
import { groupAdvantages } from '../../../mgsd/method/stages/objective.js';
import { distil, distillationLoss } from '../../../mgsd/method/stages/stage2.js';
import type { Rollouts } from '../../../mgsd/method/stages/stage2.js';
import { oracleResponse, SPAN_ACTION, SPAN_CELL, SPAN_RECAP } from '../../../mgsd/method/response.js';
import { relabelledTrace } from '../../../mgsd/method/targets.js';
import { DOWN, LEFT, RIGHT, UP } from '../../../mgsd/worlds/grid.js';
import type { Action } from '../../../mgsd/worlds/grid.js';
import { actionToken, ANS, EOS } from '../../../models/vocabulary.js';
import { cpu } from '../../core/devices.js';
import { miniature, randomModel } from '../../models/miniature.js';
import { groups, miniatureConfig } from '../miniature-run.js';

type Stage2 = RunConfig['stage2'];

const student = randomModel(cpu, 1, { dtype: 'f64' });
const planner = randomModel(cpu, 2, { dtype: 'f64', trainable: false });
const bias = student.parameters.get('decoder.head.bias');
const { stage2: plain } = miniatureConfig();
const settings = (changes: Partial<Stage2> = {}) => ({ stage2: { ...plain, ...changes } });

/** Responses to training puzzles as rollouts; whole ones unless `length` cuts them off. */
function rolloutsOf(responses: readonly (readonly number[])[], length = Infinity, repeat = 1): Rollouts {
  const puzzles = responses.map((_, i) => groups[0]!.puzzles[Math.floor(i / repeat)]!);
  const cut = responses.map(tokens => tokens.slice(0, length));
  const traces = puzzles.map(({ world, instance }, i) =>
    relabelledTrace(world, instance, cut[i]!, { maskAfterFatal: false }),
  );
  return { puzzles, images: renderPuzzles(puzzles, miniature), responses: cut, traces };
}

const oracleTokens = (puzzle: number) => {
  const { world, instance } = groups[0]!.puzzles[puzzle]!;
  return oracleResponse(world, instance);
};

/** Loss and gradient with respect to the head's bias, which shifts the logits of every token alike. */
async function evaluate(rollouts: Rollouts, changes: Partial<Stage2> = {}) {
  return await cpu.scope(async () => {
    const objective = distillationLoss(settings(changes), student, planner, rollouts);
    objective.loss.backward();
    const gradient = Array.from(await bias.grad!.read());
    student.parameters.clearGradients();
    const stats = await objective.stats.read();
    const field = (name: (typeof divergenceFields)[number], row = 0) =>
      stats[row * divergenceFields.length + divergenceFields.indexOf(name)]!;
    return { loss: await objective.loss.item(), gradient, field };
  });
}

/** A step from the start and back to it, neither of them fatal. */
function thereAndBack({ world, instance }: Puzzle): Action[] {
  const start = world.start(instance);
  for (const pair of [[LEFT, RIGHT], [RIGHT, LEFT], [UP, DOWN], [DOWN, UP]] as const) {
    const there = world.step(instance, start, pair[0]);
    if (there.verdict === 'ok' && world.step(instance, there.next, pair[1]).next === start) return [...pair];
  } // prettier-ignore
  throw new Error('nowhere to go');
}

const largest = (values: readonly number[]) => Math.max(...values.map(Math.abs));
function expectSame(actual: readonly number[], expected: readonly number[], relative = 1e-9): void {
  expect(largest(expected)).toBeGreaterThan(1e-6);
  actual.forEach((value, k) =>
    expect(Math.abs(value - expected[k]!), `element ${k}`).toBeLessThan(relative * largest(expected)),
  );
}

describe('estimators at one position, all 128 tokens enumerated', () => {
  /** Gradient and its square, averaged over the token with the student's own probabilities; and the same of the advantage. */
  async function enumerate(changes: Partial<Stage2>) {
    const mean = new Array<number>(128).fill(0);
    let square = 0;
    let advantage = 0;
    let total = 0;
    for (let token = 0; token < 128; token++) {
      const { gradient, field } = await evaluate(rolloutsOf([[token]]), changes);
      const p = Math.exp(field('studentLogProb'));
      const k1 = field('teacherLogProb') - field('studentLogProb');
      total += p;
      advantage += p * (changes.estimator === 'sampled_baseline' ? k1 + field('reverseKl') : k1);
      square += p * gradient.reduce((a, g) => a + g * g, 0);
      gradient.forEach((g, k) => (mean[k]! += p * g));
    }
    expect(total).toBeCloseTo(1, 9);
    return { mean, square, advantage };
  }

  it('the sampled ones average to the gradient of the exact reverse KL, and the baseline takes spread away', async () => {
    for (const teacherFloor of [-12, -5.2]) {
      const exact = await evaluate(rolloutsOf([[5]]), { teacherFloor });
      const sampled = await enumerate({ estimator: 'sampled', teacherFloor });
      const baseline = await enumerate({ estimator: 'sampled_baseline', teacherFloor });
      expectSame(sampled.mean, exact.gradient);
      expectSame(baseline.mean, exact.gradient);
      expect(sampled.advantage).toBeCloseTo(-exact.field('reverseKl'), 9);
      expect(baseline.advantage).toBeCloseTo(0, 9);
      expect(baseline.square).toBeLessThan(sampled.square);
    }
  });

  it('a clamp bounds the advantage', async () => {
    const advantageClamp = 0.05;
    for (let token = 0; token < 128; token += 9) {
      const free = await evaluate(rolloutsOf([[token]]), { estimator: 'sampled' });
      const clamped = await evaluate(rolloutsOf([[token]]), { estimator: 'sampled', advantageClamp });
      const advantage = free.field('teacherLogProb') - free.field('studentLogProb');
      const bounded = Math.min(advantageClamp, Math.max(-advantageClamp, advantage));
      expect(clamped.loss).toBeCloseTo(-bounded * free.field('studentLogProb'), 9);
      expectSame(clamped.gradient, free.gradient.map(g => (g * bounded) / advantage)); // prettier-ignore
    }
  });
});

describe('on whole responses', () => {
  const rollouts = rolloutsOf([oracleTokens(0), [...oracleTokens(1), 40, 41]], 12);

  it.each<Partial<Stage2>>([
    { divergence: 'forward_kl' },
    { divergence: 'jsd', beta: 0.3 },
    { estimator: 'top_k', topK: 3 },
    { estimator: 'top_k', topK: 5, topKOf: 'teacher', divergence: 'jsd' },
    { lossAggMode: 'seq-mean-token-mean', spanWeights: { recap: 0.2, action: 1, cell: 3 } },
  ])('the gradient of %j is that of its loss', async changes => {
    const scale = cpu.tensor([100], [], { dtype: 'f64' });
    const loss = (): Tensor => {
      student.parameters.clearGradients(); // those that are not checked
      return mul(distillationLoss(settings(changes), student, planner, rollouts).loss, scale);
    };
    const report = await gradcheck(loss, [bias, student.parameters.get('vision.projector.weight')], { maxElements: 5 });
    student.parameters.clearGradients();
    expect(report.ok, JSON.stringify(report.worst)).toBe(true);
    expect(Math.abs(report.perInput[1]!.analytic)).toBeGreaterThan(0);
  });

  it('all but one token as top k are the full divergence, fewer are less of it', async () => {
    for (const divergence of ['reverse_kl', 'forward_kl', 'jsd'] as const) {
      const full = await evaluate(rollouts, { divergence });
      const most = await evaluate(rollouts, { divergence, estimator: 'top_k', topK: 127 });
      expect(most.loss).toBeCloseTo(full.loss, 9);
      expectSame(most.gradient, full.gradient);
      const few = await evaluate(rollouts, { divergence, estimator: 'top_k', topK: 4, topKOf: 'teacher' });
      expect(few.loss).toBeGreaterThan(0);
      expect(few.loss).toBeLessThan(full.loss);
    }
  });

  it('token mean and sequence mean weigh tokens and sequences alike', async () => {
    const uneven = rolloutsOf([oracleTokens(0).slice(0, 3), oracleTokens(1)]);
    const alone = async (i: number) => {
      const one = <T>(items: readonly T[]) => [items[i]!];
      const { puzzles, images, responses, traces } = uneven;
      return await evaluate({
        ...{ puzzles: one(puzzles), images: one(images), responses: one(responses), traces: one(traces) },
      });
    };
    const [short, long] = [await alone(0), await alone(1)];
    const n = uneven.responses.map(({ length }) => length);
    const [tokens, sequences] = [
      await evaluate(uneven, { lossAggMode: 'token-mean' }),
      await evaluate(uneven, { lossAggMode: 'seq-mean-token-mean' }),
    ];
    expect(tokens.loss).toBeCloseTo((n[0]! * short.loss + n[1]! * long.loss) / (n[0]! + n[1]!), 9);
    expect(sequences.loss).toBeCloseTo((short.loss + long.loss) / 2, 9);
    expectSame(sequences.gradient, short.gradient.map((g, k) => (g + long.gradient[k]!) / 2)); // prettier-ignore
    expect(Math.abs(tokens.loss - sequences.loss)).toBeGreaterThan(1e-4);
  });

  it('a sequence that is masked altogether does not count in the sequence mean', async () => {
    const { traces } = rollouts;
    const masked = { ...rollouts, traces: [traces[0]!, { ...traces[1]!, weights: traces[1]!.weights.map(() => 0) }] };
    const [byToken, bySequence] = [
      await evaluate(masked),
      await evaluate(masked, { lossAggMode: 'seq-mean-token-mean' }),
    ];
    expect(bySequence.loss).toBeCloseTo(byToken.loss, 9);
  });

  it('a span without weight is as good as masked, and equal weights are no weights', async () => {
    const { traces } = rollouts;
    const spans = { recap: SPAN_RECAP, action: SPAN_ACTION, cell: SPAN_CELL };
    expect(new Set(traces.flatMap(trace => [...trace.spans]))).toEqual(new Set(Object.values(spans)));
    for (const [name, span] of Object.entries(spans)) {
      const mask = (trace: (typeof traces)[number]) => trace.weights.map((w, t) => (trace.spans[t] === span ? 0 : w));
      const masked = { ...rollouts, traces: traces.map(trace => ({ ...trace, weights: mask(trace) })) };
      const weighed = await evaluate(rollouts, { spanWeights: { recap: 1, action: 1, cell: 1, [name]: 0 } });
      expectSame(weighed.gradient, (await evaluate(masked)).gradient);
    }
    const small = await evaluate(rollouts, { spanWeights: { recap: 0.01, action: 0.01, cell: 0.01 } });
    expect(small.loss).toBeCloseTo((await evaluate(rollouts)).loss, 9);
  });
});

describe('the task reward', () => {
  const { world, instance } = groups[0]!.puzzles[0]!;
  const detour = [thereAndBack(groups[0]!.puzzles[0]!), world.referencePlan(instance)].flat();
  const cutOff = oracleTokens(0).slice(0, -1);

  it('is compared within its group: a group that fares alike has no advantage', () => {
    expect(groupAdvantages([1, 0, 1, 1, 0, 0], 2, false)).toEqual([0.5, -0.5, 0, 0, 0, 0]);
    const [won, lost] = groupAdvantages([1, 0, 0, 0], 4, true);
    expect(won).toBeCloseTo(1.5, 4); // (1 - 1/4) / (1/2), the sample deviation
    expect(lost).toBeCloseTo(-0.5, 4);
    expect(groupAdvantages([1, 1, 1], 3, true)).toEqual([0, 0, 0]);
  });

  it('alone, it is -advantage log p of all tokens that were drawn, whatever the teacher says', async () => {
    const rollouts = rolloutsOf([oracleTokens(0), cutOff], Infinity, 2);
    const changes = { distillationCoef: 0, rewardCoef: 2, n: 2, scaleRewards: false };
    const { loss, field } = await evaluate(rollouts, changes);
    const logProbs = rollouts.responses.flat().map((_, row) => field('studentLogProb', row));
    const first = oracleTokens(0).length;
    const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    const difference = 0.5 * total(logProbs.slice(0, first)) - 0.5 * total(logProbs.slice(first));
    expect(loss).toBeCloseTo((-2 * difference) / logProbs.length, 9);
    const other = randomModel(cpu, 3, { dtype: 'f64', trainable: false });
    const elsewhere = distillationLoss(settings(changes), student, other, rollouts);
    expect(await elsewhere.loss.item()).toBe(loss);
    expect(elsewhere.distillation).toBeUndefined();
  });

  it('counts tokens after a fatal step, which the divergence leaves out', async () => {
    const fatal = [...world.recap(instance), ANS, ...[LEFT, LEFT, LEFT, LEFT].map(actionToken), EOS];
    const rollouts = rolloutsOf([oracleTokens(0), fatal], Infinity, 2);
    const unmasked = await evaluate(rollouts, { distillationCoef: 0, rewardCoef: 1, n: 2 });
    const traces = rollouts.puzzles.map((puzzle, i) =>
      relabelledTrace(puzzle.world, puzzle.instance, rollouts.responses[i]!, { maskAfterFatal: true }),
    );
    expect(traces[1]!.weights).toContain(0);
    const masked = await evaluate({ ...rollouts, traces }, { distillationCoef: 0, rewardCoef: 1, n: 2 });
    expect(masked.loss).toBe(unmasked.loss);
  });

  it('is success, or an optimal plan', () => {
    const rollouts = rolloutsOf([oracleTokens(0), oracleResponse(world, instance, undefined, detour)], Infinity, 2);
    const rewardsOf = (reward: Stage2['reward']) =>
      distillationLoss(settings({ rewardCoef: 1, n: 2, reward }), student, planner, rollouts).rewards;
    expect(world.judge(instance, detour)).toMatchObject({ success: true, optimal: false });
    expect(rewardsOf('success')).toEqual([1, 1]);
    expect(rewardsOf('optimal')).toEqual([1, 0]);
  });

  it('adds up with the divergence', async () => {
    const rollouts = rolloutsOf([oracleTokens(0), cutOff], Infinity, 2);
    const part = (distillationCoef: number, rewardCoef: number) =>
      evaluate(rollouts, { n: 2, distillationCoef, rewardCoef });
    const [both, divergence, reward] = [await part(0.5, 3), await part(1, 0), await part(0, 1)];
    expect(both.loss).toBeCloseTo(0.5 * divergence.loss + 3 * reward.loss, 9);
    expectSame(both.gradient, divergence.gradient.map((g, k) => 0.5 * g + 3 * reward.gradient[k]!)); // prettier-ignore
  });
});

describe('what is logged', () => {
  const cutOff = oracleTokens(0).slice(0, -1);
  const rollouts = rolloutsOf([oracleTokens(0), oracleTokens(1).slice(0, -1)]);

  async function metricsOf(changes: Partial<Stage2>, given: Rollouts = rollouts) {
    const model = randomModel(cpu, 1);
    const teacher = randomModel(cpu, 2, { trainable: false });
    const optimizer = new AdamW(model.parameters, {});
    const { metrics } = distil(settings(changes), model, teacher, optimizer, given, { vision: 2e-4, decoder: 1e-4 });
    const values = await metrics;
    for (const owner of [optimizer, model, teacher]) owner.dispose();
    for (const [name, value] of Object.entries(values)) expect(value, name).toSatisfy(Number.isFinite);
    return values;
  }

  it('losses by span add up to the loss, KLs by span average to the KL, and rates are there', async () => {
    const metrics = await metricsOf({ spanWeights: { recap: 0.5, action: 2, cell: 1 } });
    const { lossRecap, lossAction, lossCell, loss } = metrics;
    expect(lossRecap! + lossAction! + lossCell!).toBeCloseTo(loss!, 5);
    const spans = rollouts.traces.flatMap(trace => [...trace.spans]);
    const counts = [SPAN_RECAP, SPAN_ACTION, SPAN_CELL].map(span => spans.filter(s => s === span).length);
    const kls = ['Recap', 'Action', 'Cell'].map(name => metrics[`reverseKl${name}`]!);
    const total = counts.reduce((a, b) => a + b, 0);
    expect(rollouts.traces.every(({ weights }) => weights.every(w => w === 1))).toBe(true);
    expect(kls.reduce((a, kl, i) => a + kl * counts[i]!, 0) / total).toBeCloseTo(metrics['reverseKl']!, 5);
    expect(metrics).toMatchObject({ visionRate: 2e-4, decoderRate: 1e-4, rolloutSuccess: 0.5, truncated: 0.5 });
    const lengths = rollouts.responses.map(({ length }) => length);
    expect(metrics).toMatchObject({ responseLengthMin: Math.min(...lengths), responseLengthMax: Math.max(...lengths) });
  });

  it('sampled estimators tell the spread of their advantages and how often the clamp bites', async () => {
    const free = await metricsOf({ estimator: 'sampled' });
    expect(free['advantageDeviation']).toBeGreaterThan(0);
    expect(free['clampedAdvantages']).toBe(0);
    const clamped = await metricsOf({ estimator: 'sampled', advantageClamp: 0.2 });
    expect(clamped['clampedAdvantages']).toBeGreaterThan(0);
    expect(clamped['clampedAdvantages']).toBeLessThan(1);
  });

  it('rewards tell how many groups teach something', async () => {
    const pairs = rolloutsOf([oracleTokens(0), cutOff, oracleTokens(1), oracleTokens(1)], Infinity, 2);
    const metrics = await metricsOf({ n: 2, rewardCoef: 1 }, pairs);
    expect(metrics).toMatchObject({ reward: 0.75, groupsWithoutSignal: 0.5, truncated: 0.25 });
    expect(metrics['policyLoss']! + metrics['lossRecap']! + metrics['lossAction']! + metrics['lossCell']!).toBeCloseTo(
      metrics['loss']!,
      4,
    );
  });

  it('tells of the student only what the student wrote', async () => {
    const mixed = await metricsOf({ lambda: 0.5 }, { ...rollouts, onPolicy: [false, true] });
    expect(mixed).toMatchObject({ onPolicyShare: 0.5, rolloutSuccess: 0 });
    const others = await metricsOf({ lambda: 0 }, { ...rollouts, onPolicy: [false, false] });
    expect(others['onPolicyShare']).toBe(0);
    expect(others).not.toHaveProperty('rolloutSuccess');
  });
});

it('packs what the student sees as images: its own forward pass gives the statistics', async () => {
  const rollouts = rolloutsOf([oracleTokens(0)]);
  const logits = await cpu.scope(() =>
    student.forward(packTraces(rollouts.puzzles, rollouts.traces, 'image', miniature), patchTensor(student, rollouts.images)).read(),
  ); // prettier-ignore
  const { field } = await evaluate(rollouts);
  rollouts.responses[0]!.forEach((token, row) => {
    const z = Array.from(logits.subarray(row * 128, (row + 1) * 128));
    const lse = Math.log(z.reduce((a, x) => a + Math.exp(x), 0));
    expect(field('studentLogProb', row)).toBeCloseTo(z[token]! - lse, 9);
  });
});
